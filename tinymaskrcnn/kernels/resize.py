"""Nearest upsampling by whole factors: a view of the large image with an axis for the copies of each pixel."""

import numpy as np

from ..backend import register_kernel


def _is_multiple(large, small):
    return all(a >= b > 0 and a % b == 0 for a, b in zip(large, small))


def _size(x, factor, size):
    """The wanted (HO, WO) where it is plainly said; None for everything that the text has a message for."""
    if (factor is None) == (size is None):
        return None
    wanted = size if factor is None else factor
    wanted = (wanted, wanted) if isinstance(wanted, int) else wanted
    if not (isinstance(wanted, tuple) and len(wanted) == 2 and all(isinstance(v, int) for v in wanted)):
        return None
    h, w = wanted
    return (h, w) if factor is None else (x.shape[1] * h, x.shape[2] * w)


def _takes_forward(x, *, factor=None, size=None):
    size = _size(x, factor, size)
    return size is not None and _is_multiple(size, x.shape[1:3])


@register_kernel("upsample_nearest2d_forward", applies=_takes_forward)
def upsample_nearest2d_forward(x, *, factor=None, size=None):
    """Fast twin of ops.resize.upsample_nearest2d_forward for whole factors."""
    N, H, W, C = x.shape
    HO, WO = _size(x, factor, size)
    y = np.empty((N, HO, WO, C), x.dtype)
    _copies(y, H, W)[...] = x[:, :, None, :, None]
    return y, (np.arange(HO) * H // HO, np.arange(WO) * W // WO, (H, W))


@register_kernel(
    "upsample_nearest2d_backward", applies=lambda dy, cache: _is_multiple(dy.shape[1:3], cache[2]) and dy.size > 0
)
def upsample_nearest2d_backward(dy, cache):
    """Fast twin of ops.resize.upsample_nearest2d_backward for whole factors."""
    copies = _copies(dy, *cache[2])
    first, *others = [copies[:, :, i, :, j] for i in range(copies.shape[2]) for j in range(copies.shape[4])]
    dx = first.copy()
    for other in others:
        dx += other
    return dx


def _copies(y, H, W):
    """y (N, HO, WO, C)  ->  the same memory as (N, H, HO/H, W, WO/W, C)."""
    N, HO, WO, C = y.shape
    return y.reshape(N, H, HO // H, W, WO // W, C)
