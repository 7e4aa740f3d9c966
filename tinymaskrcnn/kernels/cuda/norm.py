"""Batch normalisation, frozen statistics and ReLU's way back on a device: few passes over the pixels, few launches."""

import numpy as np

from ...backend import array_module
from ...devices import DEVICE
from ...kernel_lookup import register_kernel
from .launch import BLOCK, contiguous, fits, launch

LANES = 2048  # threads that add up one column, at most
ROWS = 16  # of a lane, where there are not more than that: few enough to wait for, many enough to be worth a second sum


def _shape(x):
    """x (N, H, W, C) as a matrix: lanes, M pixels, C channels. The larger it is, the more threads work on it."""
    C = x.shape[-1]
    M = x.size // C
    return min(LANES, -(-M // ROWS)), M, C


def _columns(*arrays):
    """Whether the arrays hold float32 numbers without gaps; None is passed over."""
    return fits(*arrays) and all(a is None or a.flags.c_contiguous for a in arrays)


# ---------------------------------------------------------------- batch normalisation


def _takes_batch_norm(x, weight, bias, *, running_mean=None, running_var=None, momentum=0.1, eps=1e-5):
    known = (running_mean is None) == (running_var is None) and 0 <= momentum <= 1 and eps > 0
    return known and fits(x) and _columns(weight, bias, running_mean, running_var)


@register_kernel("batch_norm2d_forward", module=DEVICE, applies=_takes_batch_norm)
def batch_norm2d_forward(x, weight, bias, **data):
    """Device twin of ops.norm.batch_norm2d_forward."""
    return _forward(x, weight, bias, rectify=False, **data)


@register_kernel("batch_norm2d_relu_forward", module=DEVICE, applies=_takes_batch_norm)
def batch_norm2d_relu_forward(x, weight, bias, **data):
    """Device twin of ops.more_norms.batch_norm2d_relu_forward: ReLU costs neither a launch nor a pass of its own."""
    y, cache = _forward(x, weight, bias, rectify=True, **data)
    return y, (cache, y)


def _forward(x, weight, bias, *, rectify, running_mean=None, running_var=None, momentum=0.1, eps=1e-5):
    xp, x = array_module(x), contiguous(x)
    lanes, M, C = size = _shape(x)
    partial, of_channels = xp.empty((2, lanes, C), x.dtype), xp.empty((2, C), x.dtype)
    mean, inv_std = of_channels[0], of_channels[1]
    centred, y = xp.empty(x.shape, x.dtype), xp.empty(x.shape, x.dtype)
    statistics = running_mean, running_var, eps, momentum, M / max(M - 1, 1)
    launch("norm", "column_moments", lanes * C, *size, x, partial)
    launch("norm", "batch_statistics", BLOCK * C, *size, partial, mean, inv_std, *statistics)
    launch("norm", "normalize", x.size, x.size, C, x, mean, inv_std, weight, bias, centred, y, rectify)
    return y, (centred, inv_std, weight)


def _takes_gradient(dy, cache):
    return fits(dy, cache[0]) and _columns(*cache)


@register_kernel("batch_norm2d_backward", module=DEVICE, applies=_takes_gradient)
def batch_norm2d_backward(dy, cache):
    """Device twin of ops.norm.batch_norm2d_backward."""
    return _backward(dy, None, cache)


@register_kernel(
    "batch_norm2d_relu_backward",
    module=DEVICE,
    applies=lambda dy, cache: _takes_gradient(dy, cache[0]) and _columns(cache[1]),
)
def batch_norm2d_relu_backward(dy, cache):
    """Device twin of ops.more_norms.batch_norm2d_relu_backward."""
    c_norm, y = cache
    return _backward(dy, y, c_norm)


def _backward(dy, y, cache):
    """y is what the ReLU behind the norm returned, None without one."""
    centred, inv_std, weight = cache
    xp, dy = array_module(dy), contiguous(dy)
    lanes, M, C = size = _shape(dy)
    partial, gradients = xp.empty((2, lanes, C), dy.dtype), xp.empty((2, C), dy.dtype)
    dx = xp.empty(dy.shape, dy.dtype)
    launch("norm", "gradient_sums", lanes * C, *size, dy, y, centred, partial)
    launch("norm", "parameter_gradients", 2 * C * BLOCK, lanes, C, partial, inv_std, gradients)
    launch("norm", "batch_norm_dx", dy.size, dy.size, M, C, dy, y, centred, inv_std, weight, gradients, dx)
    return dx, gradients[0], gradients[1]


# ---------------------------------------------------------------- frozen statistics


@register_kernel(
    "frozen_batch_norm2d_forward",
    module=DEVICE,
    applies=lambda x, *columns, mean, var, eps=1e-5: fits(x) and _columns(*columns, mean, var) and eps >= 0,
)
def frozen_batch_norm2d_forward(x, weight, bias, *, mean, var, eps=1e-5):
    """Device twin of ops.more_norms.frozen_batch_norm2d_forward, in one pass; its backward is left to the text."""
    xp, x = array_module(x), contiguous(x)
    C = x.shape[-1]
    y, inv_std = xp.empty(x.shape, x.dtype), xp.empty(C, x.dtype)
    launch("norm", "frozen_batch_norm", x.size, x.size, C, x, weight, bias, mean, var, y, inv_std, eps)
    return y, (x, mean, inv_std, weight)


# ---------------------------------------------------------------- ReLU


@register_kernel("relu_backward", module=DEVICE, applies=lambda dy, cache: fits(dy, cache) and dy.shape == cache.shape)
def relu_backward(dy, cache):
    """Device twin of ops.activation.relu_backward: one pass instead of two."""
    dy, y = contiguous(dy), contiguous(cache)
    dx = array_module(dy).empty(dy.shape, np.float32)
    launch("norm", "relu_dx", dy.size, dy.size, dy, y, dx)
    return dx
