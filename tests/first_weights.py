"""Which initialiser drew a weight, and how wide: told from a generator that draws nothing but ones."""

import numpy as np

from tinymaskrcnn.nn.init import fan_in


class Ones:
    """In a Generator's place: of a normal distribution one standard deviation, of a uniform one its upper bound."""

    @staticmethod
    def standard_normal(shape):
        return np.ones(shape)

    @staticmethod
    def uniform(low, high, shape):
        assert low == -high
        return np.full(shape, high)


def initialisers(module):
    """{name of a weight: "kaiming", "lecun", "small", or else the deviation} of a module that was drawn from Ones.

    "fan_out": a convolution that Kaiming He drew by its outputs, where these are not as many as its inputs.
    """
    found = {}
    for name, parameter in module.named_parameters():
        if name.endswith("weight") and parameter.value.ndim > 1:
            (value,) = {float(v) for v in np.unique(parameter.value)}
            times = value * np.sqrt(fan_in(parameter.value.shape))
            schemes = {"kaiming": 2**0.5, "lecun": 3**0.5, "small": 1.0}
            found[name] = next((n for n, want in schemes.items() if np.isclose(times, want)), round(value, 6))
            *_, channels, out = parameter.value.shape
            if parameter.value.ndim == 4 and channels != out and np.isclose(times**2 * out, 2 * channels):
                found[name] = "fan_out"
        elif found.get(name.removesuffix("bias") + "weight") == "small":  # its bias lies within the same bound
            assert np.isclose(parameter.value, fan_in(module.state_dict()[name[:-4] + "weight"].shape) ** -0.5).all()
        else:
            assert set(parameter.value.ravel()) <= {0.0, 1.0}, name  # biases of 0, scales of 1
    return found
