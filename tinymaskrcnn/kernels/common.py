"""What several kernels ask of their arguments, sizes and a matrix that they share."""

import numpy as np


def is_float32(*arrays):
    """Whether all arrays hold float32 numbers, and any at all; None is passed over."""
    for a in arrays:
        if a is not None and (a.dtype != np.float32 or a.size == 0):
            return False
    return True


def is_pair(value, least):
    """Whether it is an int, or a pair of ints, of at least that much."""
    if isinstance(value, int):
        return value >= least
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, int) and v >= least for v in value)


def pair(value):
    return (value, value) if isinstance(value, int) else value


def output_size(x_shape, weight_shape, stride, padding, dilation):
    """Rows and columns of windows that fit: below 1 where none does."""
    (_, H, W, _), (KH, KW, *_) = x_shape, weight_shape
    rows = (H + 2 * padding[0] - dilation[0] * (KH - 1) - 1) // stride[0] + 1
    return rows, (W + 2 * padding[1] - dilation[1] * (KW - 1) - 1) // stride[1] + 1


def output_shape(x, weight, bias, *, stride=1, padding=0, dilation=1, groups=1):
    """(N, HO, WO, O) of a float32 convolution with one group; None for all else and for what does not fit."""
    if groups != 1 or not is_float32(x, weight, bias) or not x.ndim == weight.ndim == 4:
        return None
    if weight.shape[2] != x.shape[3] or not (is_pair(stride, 1) and is_pair(padding, 0) and is_pair(dilation, 1)):
        return None
    rows, columns = output_size(x.shape, weight.shape, pair(stride), pair(padding), pair(dilation))
    fits = rows > 0 and columns > 0 and (bias is None or bias.shape == weight.shape[3:])
    return (len(x), rows, columns, weight.shape[3]) if fits else None


def is_gradient_of_convolution(dy, cache):
    """Whether dy has the shape and type of what a float32 convolution with one group returned beside this cache."""
    x, weight, _, stride, padding, dilation, groups = cache
    shape = output_shape(x, weight, None, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return is_float32(dy) and dy.shape == shape


def paint_matrix(weight):
    """What one pixel paints, channel by channel: weight (KH, KW, C, O) -> (C, KH*KW*O)."""
    KH, KW, C, O = weight.shape
    return weight.transpose(2, 0, 1, 3).reshape(C, KH * KW * O)
