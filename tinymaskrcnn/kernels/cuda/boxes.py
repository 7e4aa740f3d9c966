"""Boxes on a device, one launch each: the overlap of many with many, deltas and back, clipping."""

import math
import numbers

import numpy as np

from ...backend import array_module
from ...devices import DEVICE
from ...kernel_lookup import register_kernel
from .launch import MOST, contiguous, fits, launch

LARGEST_GROWTH = math.log(1000 / 16)  # as in ops/boxes.py

# ---------------------------------------------------------------- overlap


def _takes_pairs(a, b):
    if not (fits(a, b) and a.ndim == b.ndim and a.ndim in (2, 3) and a.shape[-1] == b.shape[-1] == 4):
        return False
    images = {len(x) for x in (a, b) if x.ndim == 3} - {1}
    return len(images) <= 1 and max(images, default=1) * a.shape[-2] * b.shape[-2] < MOST


@register_kernel("iou_matrix", module=DEVICE, applies=_takes_pairs)
def iou_matrix(a, b):
    """Device twin of ops.boxes.iou_matrix, for boxes (K, 4), or (N, K, 4) where N may be 1 on one side."""
    K, M = a.shape[-2], b.shape[-2]
    images = max(len(a), len(b)) if a.ndim == 3 else 1
    iou = array_module(a).empty((*(images,)[: a.ndim - 2], K, M), np.float32)
    steps = (0 if x.ndim == 2 or len(x) == 1 else 4 * x.shape[1] for x in (a, b))
    launch("boxes", "iou_matrix", iou.size, iou.size, contiguous(a), contiguous(b), iou, K, M, *steps)
    return iou


# ---------------------------------------------------------------- deltas


def _takes_anchors(boxes, anchors, *, weights=(1.0,) * 4, **data):
    """A box for every anchor, or the same anchors for all images: anchors (..., 4) with leading axes of length 1."""
    shape = tuple(anchors.shape)
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    alike = boxes.ndim >= 2 and boxes.shape[-1] == 4 and tuple(boxes.shape[boxes.ndim - len(shape) :]) == shape
    numeric = len(weights) == 4 and all(isinstance(w, numbers.Real) for w in (*weights, *data.values()))
    return alike and numeric and boxes.ndim >= anchors.ndim and fits(boxes, anchors)


@register_kernel("encode", module=DEVICE, applies=_takes_anchors)
def encode(boxes, anchors, *, weights=(1.0, 1.0, 1.0, 1.0)):
    """Device twin of ops.boxes.encode."""
    deltas, count = array_module(boxes).empty(boxes.shape, np.float32), boxes.size // 4
    launch("boxes", "encode", count, count, contiguous(boxes), contiguous(anchors), deltas, anchors.size // 4, *weights)
    return deltas


@register_kernel("decode", module=DEVICE, applies=_takes_anchors)
def decode(deltas, anchors, *, weights=(1.0, 1.0, 1.0, 1.0), clamp=LARGEST_GROWTH):
    """Device twin of ops.boxes.decode."""
    boxes, count = array_module(deltas).empty(deltas.shape, np.float32), deltas.size // 4
    arrays = contiguous(deltas), contiguous(anchors), boxes, anchors.size // 4
    launch("boxes", "decode", count, count, *arrays, *weights, clamp)
    return boxes


def _takes_sizes(boxes, *, height, width):
    """A height and a width for every box, or for all boxes of an image: (K,) with (K, 4), (N, 1) with (N, K, 4)."""
    if not (boxes.ndim >= 2 and boxes.shape[-1] == 4 and all(hasattr(x, "shape") for x in (height, width))):
        return False
    shape = tuple(height.shape)
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    alike = shape == tuple(boxes.shape[: len(shape)]) and height.shape == width.shape and height.ndim == boxes.ndim - 1
    return alike and fits(boxes, height, width)


@register_kernel("clip", module=DEVICE, applies=_takes_sizes)
def clip(boxes, *, height, width):
    """Device twin of ops.boxes.clip, for pictures of their own heights and widths."""
    clipped, count = array_module(boxes).empty(boxes.shape, np.float32), boxes.size // 4
    arrays = contiguous(boxes), contiguous(height), contiguous(width), clipped
    launch("boxes", "clip", count, count, *arrays, count // height.size)
    return clipped
