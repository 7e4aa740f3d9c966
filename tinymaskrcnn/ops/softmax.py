"""Softmax: scores become probabilities. (Training never asks for them: the cross-entropy takes the scores.)"""

from ..backend import array_module, has_kernel
from ..contract import checked


@checked
@has_kernel
def softmax_forward(x):
    """Turn scores into probabilities that add up to 1 along the last axis.

    x (..., C)  ->  y (..., C)
    """
    # BEGIN SOLUTION hw01.softmax_forward
    xp = array_module(x)
    e = xp.exp(x - x.max(axis=-1, keepdims=True))  # the largest exponent is 0: no overflow, and no sum below 1
    y = e / e.sum(axis=-1, keepdims=True)
    return y, y
    # END SOLUTION


@checked
@has_kernel
def softmax_backward(dy, cache):
    """Mirror of softmax_forward: raising one score lowers every other probability.

    dy (..., C)  ->  dx (..., C)
    """
    # BEGIN SOLUTION hw01.softmax_backward
    y = cache
    expected = (dy * y).sum(axis=-1, keepdims=True)  # the mean of dy, weighted by the probabilities
    return y * (dy - expected)
    # END SOLUTION
