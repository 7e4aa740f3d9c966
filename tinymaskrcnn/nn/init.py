"""First values of weights. Every initialiser takes a shape whose last axis is the output, and a generator."""

import numpy as np


def fan_in(shape):
    """How many inputs feed one output: KH * KW * C of a convolution, C of a linear layer."""
    return int(np.prod(shape[:-1]))


def kaiming_normal(shape, *, rng):
    """Normal with variance 2 / fan_in: keeps the scale of activations through ReLUs (He et al. 2015, equation 10)."""
    return (rng.standard_normal(shape) * np.sqrt(2 / fan_in(shape))).astype(np.float32)


def lecun_uniform(shape, *, rng):
    """Uniform with variance 1 / fan_in: keeps the scale where no ReLU follows (FPN laterals, predictors)."""
    bound = np.sqrt(3 / fan_in(shape))
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def normal(std):
    """An initialiser that draws from N(0, std**2); 0.01 for the RPN and the class scores, 0.001 for box deltas."""

    def init(shape, *, rng):
        return (rng.standard_normal(shape) * std).astype(np.float32)

    return init


def by_box_init(head, kind, *, rng):
    """Leave a box head's fully connected layers as they are ("gaussian": hidden ones He's, outputs of 0.01 and 0.001
    as in Fast R-CNN, section 2.3), or draw them anew, weights (C, O) and biases (O,), as PyTorch would ("uniform").

    PyTorch's are uniform within 1 / sqrt(fan_in), weights and biases alike. From them boxes fit to the last pixel
    sooner (docs/training.md): deltas of a thousandth tell the layers below them little until they have grown.
    """
    parameters = dict(head.named_parameters())
    for name, weight in parameters.items():
        if kind == "uniform" and weight.value.ndim == 2:
            bound = 1 / np.sqrt(fan_in(weight.value.shape))
            for parameter in (weight, parameters[name.removesuffix("weight") + "bias"]):
                parameter.value[...] = rng.uniform(-bound, bound, parameter.value.shape)


def by_fan(module, kind):
    """Leave convolutions that `kaiming_normal` drew as they are ("fan_in"), or give them variance 2 / fan_out, which
    keeps the scale of gradients instead (He et al. 2015, equation 14); returns the module.

    torchvision's residual networks begin with "fan_out". Before a norm the scale of a weight changes no value, only how
    fast it turns: one with a quarter of the length, sixteen times as fast.
    """
    for _, parameter in module.named_parameters():
        if kind == "fan_out" and parameter.value.ndim == 4:
            kh, kw, channels, out = parameter.value.shape
            parameter.value *= np.float32(np.sqrt(channels / out))
    return module


def zeros(shape):
    return np.zeros(shape, np.float32)


def ones(shape):
    return np.ones(shape, np.float32)
