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
    """{name of a weight: "kaiming", "lecun" or the standard deviation} of a module that was drawn from Ones."""
    found = {}
    for name, parameter in module.named_parameters():
        if name.endswith("weight") and parameter.value.ndim > 1:
            (value,) = {float(v) for v in np.unique(parameter.value)}
            times = value * np.sqrt(fan_in(parameter.value.shape))
            schemes = {"kaiming": 2**0.5, "lecun": 3**0.5}
            found[name] = next((n for n, want in schemes.items() if np.isclose(times, want)), round(value, 6))
        else:
            assert set(parameter.value.ravel()) <= {0.0, 1.0}, name  # biases of 0, scales of 1
    return found
