"""Activations: the bends between the layers, without which a stack of layers would be one matrix."""

from ..backend import array_module, has_kernel
from ..contract import checked
from .softmax import softmax_backward, softmax_forward  # noqa: F401  to be found here, too


@checked
@has_kernel
def relu_forward(x):
    """Keep what is positive, replace the rest by zero.

    x (...)  ->  y (...)
    """
    y = array_module(x).maximum(x, 0)
    return y, y  # y > 0 says all that backward asks, and the next layer keeps y anyway


@checked
@has_kernel
def relu_backward(dy, cache):
    """Mirror of relu_forward; at the kink itself the gradient is 0.

    dy (...)  ->  dx (...)
    """
    y = cache
    return dy * (y > 0)


@checked
@has_kernel
def sigmoid_forward(x):
    """Squeeze each number into (0, 1): 1 / (1 + exp(-x)), without overflow on either side.

    x (...)  ->  y (...)
    """
    xp = array_module(x)
    y = xp.exp(xp.minimum(x, 0)) / (1 + xp.exp(-abs(x)))  # 1 / (1 + e^-x) or, for x < 0, e^x / (1 + e^x)
    return y, y


@checked
@has_kernel
def sigmoid_backward(dy, cache):
    """Mirror of sigmoid_forward.

    dy (...)  ->  dx (...)
    """
    y = cache
    return dy * (y * (1 - y))
