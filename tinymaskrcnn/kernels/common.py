"""What several kernels ask of their arguments, sizes and a matrix that they share."""

import numpy as np


def is_float32(*arrays):
    """Whether all arrays hold float32 numbers, and any at all; None is passed over."""
    return all(a is None or (a.dtype == np.float32 and a.size > 0) for a in arrays)


def is_pair(value, least):
    """Whether it is an int, or a pair of ints, of at least that much."""
    if isinstance(value, int):
        return value >= least
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, int) and v >= least for v in value)


def pair(value):
    return (value, value) if isinstance(value, int) else value


def output_size(x_shape, weight_shape, stride, padding, dilation):
    """Rows and columns of windows that fit: below 1 where none does."""
    spans = (d * (k - 1) + 1 for d, k in zip(dilation, weight_shape[:2]))
    return tuple((n + 2 * p - k) // s + 1 for n, p, k, s in zip(x_shape[1:3], padding, spans, stride))


def output_shape(x, weight, bias, *, stride=1, padding=0, dilation=1, groups=1):
    """(N, HO, WO, O) of a float32 convolution with one group; None for all else and for what does not fit."""
    if groups != 1 or not is_float32(x, weight, bias) or not x.ndim == weight.ndim == 4:
        return None
    if weight.shape[2] != x.shape[3] or not (is_pair(stride, 1) and is_pair(padding, 0) and is_pair(dilation, 1)):
        return None
    size = output_size(x.shape, weight.shape, pair(stride), pair(padding), pair(dilation))
    fits = min(size) > 0 and (bias is None or bias.shape == weight.shape[3:])
    return (len(x), *size, weight.shape[3]) if fits else None


def is_gradient_of_convolution(dy, cache):
    """Whether dy has the shape and type of what a float32 convolution with one group returned beside this cache."""
    x, weight, _, stride, padding, dilation, groups = cache
    shape = output_shape(x, weight, None, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return is_float32(dy) and dy.shape == shape


def paint_matrix(weight):
    """What one pixel paints, channel by channel: weight (KH, KW, C, O) -> (C, KH*KW*O)."""
    KH, KW, C, O = weight.shape
    return weight.transpose(2, 0, 1, 3).reshape(C, KH * KW * O)
