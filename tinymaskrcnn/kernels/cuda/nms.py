"""Greedy non-maximum suppression of all groups of a batch in one launch, without the host in between."""

import numpy as np

from ...backend import array_module
from ...devices import DEVICE
from ...kernel_lookup import register_kernel
from .launch import BLOCK, contiguous, fits, launch

TILE = 64  # as in boxes.cu


def _takes(boxes, scores, *, iou_threshold, group=None, valid=None):
    return fits(boxes, scores) and type(iou_threshold) in (int, float) and 0 <= iou_threshold <= 1


@register_kernel("nms", module=DEVICE, applies=_takes)
def nms(boxes, scores, *, iou_threshold, group=None, valid=None):
    """Device twin of ops.nms.nms: two stable sorts put each group together, best first; then one kernel decides."""
    xp = array_module(boxes)
    order = xp.argsort(-scores, kind="stable")
    if group is not None:
        group = contiguous(group if group.dtype == np.int64 else group.astype(np.int64))
        order = order[xp.argsort(group[order], kind="stable")]
    if valid is not None:
        valid = contiguous(valid)
    keep = xp.empty(len(boxes), dtype=bool)
    blocks = -(-len(boxes) // TILE)
    rows = contiguous(boxes), order, group, valid, keep
    launch("boxes", "nms_groups", blocks * BLOCK, len(boxes), *rows, iou_threshold)
    return keep
