"""RoIPool on a device: one launch finds the largest of all bins; backwards a sort puts equal receivers together."""

import numpy as np

from ...backend import array_module
from ...devices import DEVICE
from ...kernel_lookup import register_kernel
from .launch import MOST, contiguous, fits, launch


def _takes_bins(pixels, rows, columns, looks, *, start, width):
    K, S = rows[0].shape
    return fits(pixels) and K > 0 and K * S * columns[0].shape[1] * pixels.shape[1] < MOST


@register_kernel("_largest", module=DEVICE, applies=_takes_bins)
def _largest(pixels, rows, columns, looks, *, start, width):
    """Device twin of ops.roi_pool._largest."""
    xp = array_module(pixels)
    (top, bottom), (left, right) = rows, columns
    shape = *top.shape, left.shape[1], pixels.shape[1]
    crops, where = xp.empty(shape, np.float32), xp.empty(shape, np.int32)
    same = isinstance(width, int)
    wide = None if same else _int32(width.reshape(-1))
    arrays = *map(_int32, (top, bottom, left, right, start.reshape(-1))), wide, crops, where
    sizes = width if same else 0, *looks, *shape[1:]
    launch("roi_pool", "largest", crops.size, crops.size, contiguous(pixels), *arrays, *sizes)
    filled = (top < bottom)[:, :, None, None] & (left < right)[:, None, :, None]
    return crops, where, filled


def _takes_backward(dcrops, cache):
    return fits(dcrops) and np.prod(cache[5]) < MOST


@register_kernel("roi_pool_backward", module=DEVICE, applies=_takes_backward)
def roi_pool_backward(dcrops, cache):
    """Device twin of ops.roi_pool.roi_pool_backward: the same sums in the same order, without a sparse matrix."""
    where, reach, row_start, left, filled, shape = cache
    xp, (_, _, width, channels) = array_module(dcrops), shape
    first = row_start[:, :, None, None] + left[:, None, :, None]  # the first pixel of each bin
    pixel = first + where // reach * width + where % reach
    number = pixel * channels + xp.arange(channels, dtype=np.int32)
    receiver = xp.where(filled, number, -1).reshape(-1).astype(np.int32)  # an empty bin gives to nobody
    gives = contiguous(dcrops).reshape(-1)
    order, sums = xp.argsort(receiver, kind="stable"), xp.zeros(shape, np.float32)
    launch("roi_pool", "add_runs", gives.size, gives.size, order, receiver, gives, sums)
    return sums, None


def _int32(array):
    return contiguous(array if array.dtype == np.int32 else array.astype(np.int32))
