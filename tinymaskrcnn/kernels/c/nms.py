"""Greedy non-maximum suppression in C, of so few boxes that NumPy's sweep is mostly calls of NumPy."""

import numpy as np

from ...kernel_lookup import register_kernel
from .. import nms as in_numpy
from .library import ON_THE_LANE, address, lane

MOST = 1024  # boxes: of more, the sweep compares fewer pairs


def _takes(boxes, scores, **options):
    known = boxes.dtype == np.float32 and boxes.ndim == 2 and len(boxes) <= MOST
    return known and in_numpy._takes(boxes, scores, **options)


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
    kept, areas, limit = np.empty(len(order), np.int64), np.empty(len(order), np.float32), np.float32([iou_threshold])
    arrays = kept, areas, boxes.take(order, axis=0), groups, limit  # as long as C reads them
    lane().nms(*map(address, arrays), len(order))
    keep = np.zeros(len(boxes), bool)
    keep[order] = kept
    return keep
