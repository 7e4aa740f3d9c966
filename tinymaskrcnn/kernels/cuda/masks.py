"""Masks on a device: the weights with which a RoI sees an object's mask, one launch for an axis."""

import numpy as np

from ...backend import array_module
from ...devices import DEVICE
from ...kernel_lookup import register_kernel
from .launch import MOST, contiguous, fits, launch


def _takes_axis(start, end, bins, lengths, *, longest, aligned):
    sizes = isinstance(bins, int) and isinstance(longest, int) and min(bins, longest) > 0
    return sizes and fits(start, end) and len(start) * bins * longest < MOST


@register_kernel("adaptive_weights", module=DEVICE, applies=_takes_axis)
def adaptive_weights(start, end, bins, lengths, *, longest, aligned):
    """Device twin of ops.roi_align.adaptive_weights."""
    weights = array_module(start).empty((len(start), bins, longest), np.float32)
    axis = (contiguous(part.astype(np.float32, copy=False)) for part in (start, end, lengths))
    launch("masks", "adaptive_weights", weights.size, weights.size, *axis, weights, bins, longest, aligned)
    return weights
