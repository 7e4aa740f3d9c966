"""Fully connected layer: every output is a weighted sum of all inputs, plus a shift.

`@checked` compares every call with the shapes in the docstring; `@has_kernel` lets a faster function of the same name
stand in for the text (kernels/); lines between two comments, of which one names a homework, are left blank in it.
"""

from ..backend import has_kernel
from ..contract import checked


@checked
@has_kernel
def linear_forward(x, weight, bias):
    """Multiply by a matrix and shift.

    x (K, C), weight (C, O), bias (O,)  ->  y (K, O)
    """
    y = x @ weight + bias
    return y, (x, weight)


@checked
@has_kernel
def linear_backward(dy, cache):
    """Mirror of linear_forward.

    dy (K, O)  ->  dx (K, C), dweight (C, O), dbias (O,)
    """
    # BEGIN SOLUTION hw01.linear_backward
    x, weight = cache
    dbias = dy.sum(axis=0)  # every row was shifted by the same bias
    dweight = x.T @ dy
    dx = dy @ weight.T
    return dx, dweight, dbias
    # END SOLUTION
