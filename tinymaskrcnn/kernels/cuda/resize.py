"""Nearest upsampling on a device: one launch in either direction, for any two sizes."""

import functools
import math

from ...backend import array_module
from ...devices import DEVICE
from ...kernel_lookup import register_kernel
from ..common import is_pair, pair
from .launch import MOST, contiguous, fits, launch


def _takes_forward(x, *, size):
    return x.ndim == 4 and fits(x) and is_pair(size, 1) and len(x) * x.shape[3] * math.prod(pair(size)) < MOST


@register_kernel("upsample_nearest2d_forward", module=DEVICE, applies=_takes_forward)
def upsample_nearest2d_forward(x, *, size):
    """Device twin of ops.resize.upsample_nearest2d_forward."""
    xp, x = array_module(x), contiguous(x)
    N, H, W, C = x.shape
    HO, WO = pair(size)
    y = xp.empty((N, HO, WO, C), x.dtype)
    launch("resize", "upsample", y.size, y.size, x, y, H, W, HO, WO, C)
    return y, (_sources(xp, H, HO), _sources(xp, W, WO), (H, W))


@functools.lru_cache(maxsize=64)
def _sources(xp, small, large):
    """The source of each row or column, (large,) int, which only the text looks at: made once for a size."""
    return xp.arange(large) * small // large


def _takes_backward(dy, cache):
    return fits(dy) and min(cache[2]) > 0


@register_kernel("upsample_nearest2d_backward", module=DEVICE, applies=_takes_backward)
def upsample_nearest2d_backward(dy, cache):
    """Device twin of ops.resize.upsample_nearest2d_backward."""
    dy, (H, W) = contiguous(dy), cache[2]
    N, HO, WO, C = dy.shape
    dx = array_module(dy).empty((N, H, W, C), dy.dtype)
    launch("resize", "gather_copies", dx.size, dx.size, dy, dx, H, W, HO, WO, C)
    return dx
