"""Box geometry and NMS as ONNX nodes, each beside the function of ops/boxes.py and ops/nms.py that it follows."""

import numpy as np

from ..ops.boxes import LARGEST_GROWTH
from .onnx_graph import columns_of

EVERYTHING = np.iinfo(np.int64).max  # "no limit", for Slice and NonMaxSuppression
LEFT_OUT = -1.0  # the score of a box that does not take part; below the next line, while every real score is above
LOWEST_SCORE = -0.5


def decode(g, deltas, anchors, weights=(1.0, 1.0, 1.0, 1.0)):
    """deltas (..., 4), anchors (..., 4)  ->  boxes (..., 4)"""
    ax1, ay1, ax2, ay2 = columns_of(g, anchors, 4)
    aw, ah = g.Sub(ax2, ax1), g.Sub(ay2, ay1)
    dx, dy, dw, dh = columns_of(g, deltas, 4)
    wx, wy, ww, wh = (float(w) for w in weights)
    cx = g.Add(g.Div(g.Add(ax1, ax2), 2.0), g.Mul(g.Div(dx, wx), aw))
    cy = g.Add(g.Div(g.Add(ay1, ay2), 2.0), g.Mul(g.Div(dy, wy), ah))
    w = g.Mul(aw, g.Exp(g.Min(g.Div(dw, ww), LARGEST_GROWTH)))
    h = g.Mul(ah, g.Exp(g.Min(g.Div(dh, wh), LARGEST_GROWTH)))
    half_w, half_h = g.Div(w, 2.0), g.Div(h, 2.0)
    corners = [g.Sub(cx, half_w), g.Sub(cy, half_h), g.Add(cx, half_w), g.Add(cy, half_h)]
    return g.Concat(*corners, axis=-1)


def clip(g, boxes, limits):
    """boxes (..., 4), limits (4,) as width, height, width, height of the picture  ->  clipped (..., 4)"""
    return g.Min(g.Max(boxes, 0.0), limits)


def large_enough(g, boxes, min_size):
    """boxes (..., 4)  ->  (...) bool: both sides at least min_size"""
    x1, y1, x2, y2 = columns_of(g, boxes, 4)
    shorter = g.Min(g.Sub(x2, x1), g.Sub(y2, y1))  # (..., 1)
    return g.Squeeze(g.GreaterOrEqual(shorter, float(min_size)), [-1])


def nms(g, boxes, scores, iou_threshold):
    """boxes (B, K, 4), scores (B, K), LEFT_OUT where a box does not compete  ->  kept (M, 2) int: set and box

    Boxes of one set compete, B sets at once. Like ours, ONNX's NonMaxSuppression drops what overlaps by more than the
    threshold; it names corners y, x instead of x, y, which changes no overlap.
    """
    chosen = g.NonMaxSuppression(
        boxes,
        g.Unsqueeze(scores, [1]),  # one class per set
        [EVERYTHING],
        [float(iou_threshold)],
        [LOWEST_SCORE],
    )
    return g.Gather(chosen, [0, 2], axis=1)


def resize_boxes(g, boxes, old, new):
    """boxes (K, 4) in a picture of size old (2,)  ->  in the same picture of size new"""
    old, new = (g.Cast(size, to=g.onnx.TensorProto.FLOAT) for size in (old, new))
    return g.Mul(boxes, g.Gather(g.Div(new, old), [1, 0, 1, 0]))
