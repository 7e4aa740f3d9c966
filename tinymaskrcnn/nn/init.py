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


def zeros(shape):
    return np.zeros(shape, np.float32)


def ones(shape):
    return np.ones(shape, np.float32)
