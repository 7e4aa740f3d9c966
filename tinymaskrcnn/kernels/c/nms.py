"""Greedy non-maximum suppression in C: each box beside all that are kept of its group, a vector of them at a time."""

import numpy as np

from ...kernel_lookup import register_kernel
from .. import nms as in_numpy
from .library import ON_THE_LANE, address, lane

MOST = 4096  # boxes of a group: of more, NumPy's sweep compares so much fewer pairs that it is faster


def _takes(boxes, scores, **options):
    return boxes.dtype == np.float32 and boxes.ndim == 2 and in_numpy._takes(boxes, scores, **options)


@register_kernel("nms", module=ON_THE_LANE, first=True, applies=_takes)
def nms(boxes, scores, *, iou_threshold, group=None, valid=None):
    """Fast twin of ops.nms.nms."""
    order = np.argsort(-scores, kind="stable")
    if valid is not None:
        order = order[valid[order]]
    groups = np.zeros(len(order), np.int64)
    if group is not None:
        order = order[np.argsort(group[order], kind="stable")]
        groups[:] = group[order]
    if (groups[MOST:] == groups[:-MOST]).any():
        return in_numpy.nms(boxes, scores, iou_threshold=iou_threshold, group=group, valid=valid)
    kept, rows = np.empty(len(order), np.int64), np.empty((5, len(order) + lane().lanes), np.float32)
    arrays = kept, rows, boxes.take(order, axis=0), groups, np.float32([iou_threshold])  # as long as C reads them
    lane().nms(*map(address, arrays), len(order), rows.shape[1])
    keep = np.zeros(len(boxes), bool)
    keep[order] = kept
    return keep
