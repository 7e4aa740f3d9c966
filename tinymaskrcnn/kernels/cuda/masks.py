"""Masks on a device: how a RoI sees an object's mask, one launch for an axis; masks in pictures, one for a picture."""

import numbers

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


def _takes_masks(masks, boxes, *, old, new, threshold, mode):
    most = max((height * -(-width // 8) for height, width in new), default=0)
    known = isinstance(threshold, numbers.Real) and threshold > 0 and mode in ("continuous", "integer")
    return known and masks.ndim == 4 and fits(masks, boxes) and 0 < masks.shape[1] * most < MOST


@register_kernel("paste_bits", module=DEVICE, applies=_takes_masks)
def paste_bits(masks, boxes, *, old, new, threshold, mode):
    """Device twin of models.postprocess.paste_bits: every row that may hold a detection, so nobody asks which do."""
    xp, (N, D, S, T) = array_module(masks), masks.shape
    most = max(height * -(-width // 8) for height, width in new)
    bits, masks, boxes = xp.zeros((N, D, most), np.uint8), contiguous(masks), contiguous(boxes)
    for n, ((old_height, old_width), (height, width)) in enumerate(zip(old, new)):
        y, x = (np.float32(b) / np.float32(a) for a, b in ((old_height, height), (old_width, width)))
        count = D * height * -(-width // 8)
        sizes = S, T, height, width, most
        arrays = masks[n], boxes[n], bits[n].view(bool)
        launch("masks", "paste_bits", count, count, *arrays, x, y, *sizes, threshold, mode == "integer")
    return bits
