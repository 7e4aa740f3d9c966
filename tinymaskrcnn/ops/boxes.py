"""Box geometry: boxes are (..., 4) arrays of corners x1, y1, x2, y2 in continuous pixel coordinates, without any +1.

Nothing here has a backward pass. All leading axes are free, float32 stays float32, and every function only reads.
"""

import math

from ..backend import array_module, has_kernel
from ..contract import checked

LARGEST_GROWTH = math.log(1000 / 16)  # decode lets a box grow at most 62.5 times, so that exp cannot overflow
SMALLEST_SIDE = 1e-6  # a box without extent counts as this wide where a width is divided by, or its logarithm taken


def _corners(boxes):
    return boxes[..., 0], boxes[..., 1], boxes[..., 2], boxes[..., 3]


@checked
def area(boxes):
    """Width times height; a box whose corners are swapped has no area.

    boxes (..., 4)  ->  area (...)
    """
    xp = array_module(boxes)
    x1, y1, x2, y2 = _corners(boxes)
    return xp.maximum(x2 - x1, 0) * xp.maximum(y2 - y1, 0)


@checked
@has_kernel
def iou_matrix(a, b):
    """Intersection over union of every box of `a` with every box of `b`; empty boxes overlap nothing.

    a (..., K, 4), b (..., M, 4)  ->  iou (..., K, M)
    """
    # BEGIN SOLUTION hw03.iou_matrix
    xp = array_module(a, b)
    ax1, ay1, ax2, ay2 = _corners(a[..., :, None, :])  # (..., K, 1)
    bx1, by1, bx2, by2 = _corners(b[..., None, :, :])  # (..., 1, M)
    width = xp.maximum(xp.minimum(ax2, bx2) - xp.maximum(ax1, bx1), 0)  # (..., K, M)
    height = xp.maximum(xp.minimum(ay2, by2) - xp.maximum(ay1, by1), 0)
    intersection = width * height
    union = area(a)[..., :, None] + area(b)[..., None, :] - intersection
    return intersection / xp.where(union > 0, union, 1)  # where the union is empty, so is the intersection
    # END SOLUTION


@checked
def to_center(boxes):
    """Corners to centre and size: cx, cy, width, height.

    boxes (..., 4)  ->  centered (..., 4)
    """
    x1, y1, x2, y2 = _corners(boxes)
    return array_module(boxes).stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], axis=-1)


@checked
def from_center(centered):
    """Centre and size back to corners, the inverse of `to_center`.

    centered (..., 4)  ->  boxes (..., 4)
    """
    cx, cy, w, h = _corners(centered)
    return array_module(centered).stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], axis=-1)


@checked
@has_kernel
def encode(boxes, anchors, *, weights=(1.0, 1.0, 1.0, 1.0)):
    """The deltas that lead from an anchor to a box (Girshick et al. 2014, appendix C).

    boxes (..., 4), anchors (..., 4)  ->  deltas (..., 4)
    dx = (gx - ax) / aw, dw = log(gw / aw), each times its weight. The result is finite for every finite box: rows
    that only fill up an array may be zero.
    """
    # BEGIN SOLUTION hw03.encode
    xp = array_module(boxes, anchors)
    gx, gy, gw, gh = _corners(to_center(boxes))
    ax, ay, aw, ah = _corners(to_center(anchors))
    gw, gh, aw, ah = (xp.maximum(side, SMALLEST_SIDE) for side in (gw, gh, aw, ah))
    wx, wy, ww, wh = weights
    deltas = [wx * (gx - ax) / aw, wy * (gy - ay) / ah, ww * xp.log(gw / aw), wh * xp.log(gh / ah)]
    return xp.stack(deltas, axis=-1)
    # END SOLUTION


@checked
@has_kernel
def decode(deltas, anchors, *, weights=(1.0, 1.0, 1.0, 1.0), clamp=LARGEST_GROWTH):
    """Apply deltas to anchors, the inverse of `encode`; dw and dh are held at `clamp`.

    deltas (..., 4), anchors (..., 4)  ->  boxes (..., 4)
    """
    # BEGIN SOLUTION hw03.decode
    xp = array_module(deltas, anchors)
    dx, dy, dw, dh = _corners(deltas)
    ax, ay, aw, ah = _corners(to_center(anchors))
    wx, wy, ww, wh = weights
    cx = ax + dx / wx * aw
    cy = ay + dy / wy * ah
    w = aw * xp.exp(xp.minimum(dw / ww, clamp))
    h = ah * xp.exp(xp.minimum(dh / wh, clamp))
    return from_center(xp.stack([cx, cy, w, h], axis=-1))
    # END SOLUTION


@checked
@has_kernel
def clip(boxes, *, height, width):
    """Move every corner into the picture; `height` and `width` are numbers or arrays that fit the leading axes.

    boxes (..., 4)  ->  clipped (..., 4)
    """
    xp = array_module(boxes, height, width)
    height, width = xp.asarray(height, boxes.dtype), xp.asarray(width, boxes.dtype)  # integers would make it float64
    x1, y1, x2, y2 = (xp.maximum(corner, 0) for corner in _corners(boxes))
    corners = [xp.minimum(x1, width), xp.minimum(y1, height), xp.minimum(x2, width), xp.minimum(y2, height)]
    return xp.stack(corners, axis=-1)
