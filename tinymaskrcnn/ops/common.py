"""What several operators share: pairs of ints, sliding windows, borders around images, column sums."""

import math
import operator

import numpy as np

from ..backend import array_module
from ..errors import ArgumentError


def as_pair(function, argument, value, *, at_least):
    """An int, or a pair (h, w), as a pair of ints; raises ArgumentError unless each is `at_least` this."""
    try:
        h, w = (value, value) if not hasattr(value, "__len__") else value
        pair = operator.index(h), operator.index(w)
    except (TypeError, ValueError):
        pair = None
    if pair is None or min(pair) < at_least:
        raise ArgumentError(
            f"{function}: {argument} must be an int or a pair (h, w) of ints, each at least {at_least}; got {value!r}"
        )
    return pair


def check_index(function, argument, index, count, *, weight=None):
    """Raises ArgumentError unless every index lies in 0 .. count - 1; those of weight 0 are not looked at.

    On the host only: a look at a device's numbers would make the host wait.
    """
    if array_module(index) is not np:
        return
    wrong = (index < 0) | (index >= count)
    if weight is not None:
        wrong &= weight != 0
    if wrong.any():
        k = int(wrong.argmax())
        raise ArgumentError(f"{function}: {argument} must lie in 0..{count - 1}; got {index[k]} at position {k}")


def count_windows(function, argument, size, kernel, stride, padding, dilation=(1, 1)):
    """How many windows fit below each other and side by side: floor((H + 2p - d(k-1) - 1) / s) + 1.

    Raises ArgumentError, in the name of the `argument` that set the kernel, when not a single one fits.
    """
    padded = [length + 2 * p for length, p in zip(size, padding)]
    span = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    if min(kernel) < 1 or span[0] > padded[0] or span[1] > padded[1]:
        raise ArgumentError(
            f"{function}: {argument} must have a window between 1x1 and the padded input, {padded[0]}x{padded[1]}; "
            f"got kernel {tuple(kernel)} with dilation {tuple(dilation)}, which spans {span[0]}x{span[1]}"
        )
    return tuple((p - k) // s + 1 for p, k, s in zip(padded, span, stride))


def taps(kernel, stride, windows, dilation=(1, 1)):
    """For each kernel offset (i, j), row by row: the slices of the padded image that it reads over all windows."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            top, left = i * dilation[0], j * dilation[1]
            rows = slice(top, top + stride[0] * (windows[0] - 1) + 1, stride[0])
            columns = slice(left, left + stride[1] * (windows[1] - 1) + 1, stride[1])
            yield i, j, rows, columns


def add_border(x, padding, value=0):
    """Surround each image with `padding` rows and columns of `value`: x (N, H, W, C) -> (N, H+2p, W+2q, C)."""
    p, q = padding
    if p == q == 0:
        return x
    N, H, W, C = x.shape
    padded = array_module(x).full((N, H + 2 * p, W + 2 * q, C), value, x.dtype)
    padded[:, p : p + H, q : q + W] = x
    return padded


def remove_border(padded, padding):
    """Mirror of add_border: the border received what nobody asked for, and only the inside goes on."""
    p, q = padding
    return padded[:, p : padded.shape[1] - p, q : padded.shape[2] - q]


def column_sum(x):
    """Sum over all axes but the last: x (..., C) -> (C,).

    As a matrix product with a row of ones, because BLAS adds up columns several times faster than `sum(axis=0)`.
    """
    M = math.prod(x.shape[:-1])
    return array_module(x).ones(M, x.dtype) @ x.reshape(M, x.shape[-1])
