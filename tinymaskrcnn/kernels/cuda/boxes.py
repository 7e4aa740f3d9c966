"""The overlap of many boxes with many, on a device: one launch instead of two dozen passes over all pairs."""

import numpy as np

from ...backend import array_module
from ...devices import DEVICE
from ...kernel_lookup import register_kernel
from .launch import MOST, contiguous, fits, launch


def _takes(a, b):
    if not (fits(a, b) and a.ndim == b.ndim and a.ndim in (2, 3) and a.shape[-1] == b.shape[-1] == 4):
        return False
    images = {len(x) for x in (a, b) if x.ndim == 3} - {1}
    return len(images) <= 1 and max(images, default=1) * a.shape[-2] * b.shape[-2] < MOST


@register_kernel("iou_matrix", module=DEVICE, applies=_takes)
def iou_matrix(a, b):
    """Device twin of ops.boxes.iou_matrix, for boxes (K, 4), or (N, K, 4) where N may be 1 on one side."""
    K, M = a.shape[-2], b.shape[-2]
    images = max(len(a), len(b)) if a.ndim == 3 else 1
    iou = array_module(a).empty((*(images,)[: a.ndim - 2], K, M), np.float32)
    steps = (0 if x.ndim == 2 or len(x) == 1 else 4 * x.shape[1] for x in (a, b))
    launch("boxes", "iou_matrix", iou.size, iou.size, contiguous(a), contiguous(b), iou, K, M, *steps)
    return iou
