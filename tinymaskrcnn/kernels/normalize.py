"""Normalisation of pictures in long rows, where NumPy would do one pixel's few channels at a time."""

import functools

import numpy as np

from ..backend import array_module
from ..kernel_lookup import register_kernel


def _everywhere(module):
    """What is written with `array_module` works on the arrays of any module."""
    return True


@register_kernel("Normalize.forward", module=_everywhere)
def normalize_forward(layer, images, *, sizes):
    """Fast twin of models.mask_rcnn.Normalize.forward."""
    xp = array_module(images)
    n, height, width, channels = images.shape
    mean, std, row, column = _rows(xp, layer.mean, layer.std, images.shape[1:], images.dtype)
    rows = row < sizes[:, 0:1]  # (N, H)
    columns = column < sizes[:, 1:2]  # (N, W*C)
    scales = columns[:, None] / std, rows[..., None]
    y = images.reshape(n, height, width * channels) - mean
    for scale in scales:
        y *= scale
    cache = scales[0].reshape(n, 1, width, channels), scales[1].reshape(n, height, 1, 1)
    return y.reshape(images.shape), layer.keep(cache)


@functools.lru_cache(maxsize=16)
def _rows(xp, mean, std, shape, dtype):
    """mean (W*C,), std (W*C,), and which row (H,) and which column (W*C,) a number lies in; made once for a size."""
    height, width, channels = shape
    mean, std = (np.tile(np.asarray(values, dtype), width) for values in (mean, std))
    return *map(xp.asarray, (mean, std)), xp.arange(height), xp.asarray(np.repeat(np.arange(width), channels))


@register_kernel("Normalize.backward", module=_everywhere, applies=lambda layer, dy, cache: dy is not None)
def normalize_backward(layer, dy, cache):
    """Fast twin of models.mask_rcnn.Normalize.backward."""
    columns, rows = cache
    n, height, width, channels = dy.shape
    dx = dy.reshape(n, height, width * channels) * columns.reshape(n, 1, width * channels)
    return (dx * rows.reshape(n, height, 1)).reshape(dy.shape)
