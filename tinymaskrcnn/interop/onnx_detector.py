"""The parts of the detector as ONNX nodes, each beside the function of models/ that it follows line by line.

One picture at a time: there is no image_index, and sets hold what was found and no padding. Boxes are (K, 4).
"""

import numpy as np

from ..models.rpn import RPN
from ..ops.anchors import base_anchors
from ..ops.boxes import LARGEST_GROWTH
from .onnx_graph import best_of, columns_of, sigmoid, size_of
from .onnx_layers import emit

EVERYTHING = np.iinfo(np.int64).max  # "no limit" for NonMaxSuppression
LEFT_OUT = -1.0  # the score of a box that does not take part; below the next line, while every real score is above
LOWEST_SCORE = -0.5


# ---------------------------------------------------------------- network: models/resnet.py, fpn.py, rpn.py


def resnet(g, body, x):
    """x (1, C, H, W)  ->  features [C2, C3, C4, C5]"""
    for name in ("conv1", "bn1", "relu", "maxpool"):
        with g.scope(name):
            x = emit(g, getattr(body, name), x)
    features = []
    for i, stage in enumerate(body.stages):
        with g.scope(f"layer{i + 1}"):
            x = emit(g, stage, x)
        features.append(x)
    return features


def fpn(g, layer, features):
    """features [C2, C3, C4, C5]  ->  pyramid [P2, P3, P4, P5, P6]

    The sides of the picture are multiples of 32, so every level is exactly twice as large as the one above it.
    """
    lateral = _each(g, "inner_blocks", layer.inner_blocks, features)
    merged = [lateral[-1]]
    for level in reversed(lateral[:-1]):
        up = g.Resize(
            merged[0],
            None,
            g.value([1.0, 1.0, 2.0, 2.0]),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        merged.insert(0, g.Add(level, up))
    pyramid = _each(g, "layer_blocks", layer.layer_blocks, merged)
    return [*pyramid, g.MaxPool(pyramid[-1], kernel_shape=[1, 1], strides=[2, 2])]


def _each(g, name, layers, inputs):
    outputs = []
    for i, (layer, x) in enumerate(zip(layers, inputs, strict=True)):
        with g.scope(f"{name}.{i}"):
            outputs.append(emit(g, layer, x))
    return outputs


def rpn_head(g, head, level):
    """level (1, C, H, W)  ->  logits (1, A * outputs, H, W), deltas (1, A * 4, H, W)"""
    with g.scope("conv"):
        h = emit(g, head.conv, level)
    with g.scope("cls_logits"):
        logits = emit(g, head.cls_logits, h)
    with g.scope("bbox_pred"):
        deltas = emit(g, head.bbox_pred, h)
    return logits, deltas


# ---------------------------------------------------------------- boxes: ops/boxes.py


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
        g.value([EVERYTHING]),
        g.value([float(iou_threshold)]),
        g.value([LOWEST_SCORE]),
    )
    return g.Gather(chosen, [0, 2], axis=1)


# ---------------------------------------------------------------- proposals: models/rpn.py


def level_anchors(g, level, padded_size, config, i):
    """The anchors of one level: level (1, C, h, w), padded_size (2,)  ->  (h * w * A, 4)"""
    base = base_anchors(config.anchor_sizes[i], config.anchor_ratios)
    grid = g.Shape(level, start=2)
    stride = g.Div(padded_size, grid)
    rows, columns = g.Split(grid, axis=0, results=2)
    stride_y, stride_x = g.Split(stride, axis=0, results=2)
    y = _multiples(g, rows, stride_y, [1, 2])  # (h, 1, 1)
    x = _multiples(g, columns, stride_x, [0, 2])  # (1, w, 1)
    zero_y, zero_x = g.Mul(y, 0.0), g.Mul(x, 0.0)
    y, x = g.Add(y, zero_x), g.Add(x, zero_y)  # (h, w, 1)
    centres = g.Unsqueeze(g.Concat(x, y, x, y, axis=-1), [2])  # (h, w, 1, 4)
    return g.Reshape(g.Add(centres, base), [-1, 4])


def _multiples(g, count, step, axes):
    """0, step, 2 step, ... as float32 with further axes of length 1."""
    numbers = g.Range(0, g.Squeeze(count, [0]), 1)
    return g.Unsqueeze(g.Cast(g.Mul(numbers, step), to=g.onnx.TensorProto.FLOAT), axes)


def objectness(g, logits, outputs):
    """logits (A, outputs)  ->  probability of "object" (A,)"""
    if outputs == 1:
        return sigmoid(g, g.Squeeze(logits, [1]))
    return g.Gather(g.Softmax(logits, axis=1), 1, axis=1)


def propose(g, rpn: RPN, pyramid, padded_size, limits):
    """pyramid  ->  proposals (P, 4), best first"""
    config = rpn.config
    found, found_scores = [], []
    for i, level in enumerate(pyramid):
        with g.scope("head"):
            logits, deltas = rpn_head(g, rpn.head, level)
        with g.scope(f"level{i}"):
            scores = objectness(g, _per_anchor(g, logits, rpn.outputs), rpn.outputs)
            scores, best = best_of(g, scores, config.pre_nms_top_n[1])
            level_deltas = g.Gather(_per_anchor(g, deltas, 4), best)
            anchors = g.Gather(level_anchors(g, level, padded_size, config, i), best)
            boxes = clip(g, decode(g, level_deltas, anchors), limits)
            competing = g.Where(large_enough(g, boxes, config.min_size), scores, LEFT_OUT)
            kept = nms(g, g.Unsqueeze(boxes, [0]), g.Unsqueeze(competing, [0]), config.nms_iou)
            kept = g.Gather(kept, 1, axis=1)
            found.append(g.Gather(boxes, kept))
            found_scores.append(g.Gather(scores, kept))
    proposals, scores = g.Concat(*found, axis=0), g.Concat(*found_scores, axis=0)
    _, best = best_of(g, scores, config.post_nms_top_n[1])
    return g.Gather(proposals, best)


def _per_anchor(g, x, numbers):
    """(1, A * numbers, h, w)  ->  (h * w * A, numbers), in the order of the anchors"""
    return g.Reshape(g.Transpose(x, perm=[0, 2, 3, 1]), [-1, numbers])


# ---------------------------------------------------------------- crops: models/roi_pooling.py


def pyramid_roi_align(g, pool, pyramid, rois):
    """pyramid, rois (K, 4)  ->  crops (K, C, S, S), every RoI from its level

    The crops come level by level; sorting their row numbers brings them back into the order of the RoIs.
    """
    config = pool.config
    level_of = assign_levels(g, rois, config, pool.levels)
    mode = "half_pixel" if config.aligned else "output_half_pixel"
    crops, rows = [], []
    for i, features in enumerate(pyramid[: pool.levels]):
        here = g.Squeeze(g.NonZero(g.Equal(level_of, 2.0 + i)), [0])
        crops.append(
            g.RoiAlign(
                features,
                g.Gather(rois, here),
                g.Mul(here, 0),  # all from picture 0
                coordinate_transformation_mode=mode,
                output_height=pool.output_size,
                output_width=pool.output_size,
                sampling_ratio=config.sampling_ratio,
                spatial_scale=1.0 / 2 ** (2 + i),
            )
        )
        rows.append(here)
    rows = g.Concat(*rows, axis=0)
    _, order = g.TopK(rows, size_of(g, rows, 0), largest=0, axis=0, results=2)
    return g.Gather(g.Concat(*crops, axis=0), order)


def assign_levels(g, rois, config, levels):
    """rois (K, 4)  ->  level (K,) as float32"""
    x1, y1, x2, y2 = columns_of(g, rois, 4)
    area = g.Mul(g.Max(g.Sub(x2, x1), 0.0), g.Max(g.Sub(y2, y1), 0.0))
    side = g.Sqrt(g.Max(area, 1e-12))
    log2 = g.Div(g.Log(g.Div(side, float(config.canonical_size))), float(np.log(2)))
    level = g.Floor(g.Add(g.Add(log2, float(config.canonical_level)), 1e-6))
    return g.Squeeze(g.Min(g.Max(level, 2.0), 1.0 + levels), [1])


# ---------------------------------------------------------------- heads: models/roi_heads.py, postprocess.py


def box_branch(g, heads, pyramid, proposals, limits):
    """proposals (P, 4)  ->  boxes (K, 4), labels (K,), scores (K,): the final ones, best first"""
    crops = pyramid_roi_align(g, heads.box_roi_pool, pyramid, proposals)
    with g.scope("box_head"):
        h = emit(g, heads.box_head, crops)
    with g.scope("box_predictor"):
        with g.scope("cls_score"):
            logits = emit(g, heads.box_predictor.cls_score, h)
        with g.scope("bbox_pred"):
            deltas = emit(g, heads.box_predictor.bbox_pred, h)
    deltas = g.Reshape(deltas, [-1, heads.box_predictor.num_classes, 4])
    return detections_from_boxes(g, logits, deltas, proposals, heads.config, limits)


def detections_from_boxes(g, logits, deltas, proposals, config, limits):
    """logits (P, num_classes), deltas (P, num_classes, 4), proposals (P, 4)  ->  boxes, labels, scores

    Every class is a set of its own for NMS. What was kept is written back into an array (P, classes) of scores, from
    which the best are read: so equal scores come in the order of the proposals.
    """
    classes = g.Slice(g.Softmax(logits, axis=1), [1], [EVERYTHING], [1])  # (P, classes), without background
    deltas = g.Slice(deltas, [1], [EVERYTHING], [1])
    boxes = clip(g, decode(g, deltas, g.Unsqueeze(proposals, [1]), config.delta_weights), limits)  # (P, classes, 4)

    candidate = g.And(g.Greater(classes, float(config.score_threshold)), large_enough(g, boxes, config.min_size))
    competing = g.Where(candidate, classes, LEFT_OUT)
    kept = nms(g, g.Transpose(boxes, perm=[1, 0, 2]), g.Transpose(competing, perm=[1, 0]), config.nms_iou)
    place = g.Gather(kept, [1, 0], axis=1)  # (M, 2): proposal, class
    nothing = g.Expand(LEFT_OUT, g.Shape(classes))
    scores = g.Reshape(g.ScatterND(nothing, place, g.GatherND(classes, place)), [-1])  # (P * classes,)

    count = g.Min(g.value([config.detections_per_image]), size_of(g, kept, 0))
    scores, best = g.TopK(scores, count, axis=0, results=2)
    labels = g.Add(g.Mod(best, size_of(g, classes, 1)), 1)
    return g.Gather(g.Reshape(boxes, [-1, 4]), best), labels, scores


def mask_branch(g, heads, pyramid, boxes, labels):
    """boxes (K, 4), labels (K,)  ->  masks (K, 2S, 2S) in 0..1, each of its own class only"""
    crops = pyramid_roi_align(g, heads.mask_roi_pool, pyramid, boxes)
    with g.scope("mask_head"):
        h = emit(g, heads.mask_head, crops)
    predictor, side = heads.mask_predictor, 2 * heads.config.mask_size
    with g.scope("mask_predictor"):
        with g.scope("conv5_mask"):
            h = g.Relu(emit(g, predictor.conv5_mask, h))  # (K, C, 2S, 2S)
        with g.scope("mask_fcn_logits"):
            layer = predictor.mask_fcn_logits
            weight = g.parameter("weight", layer.weight.value[0, 0].T)  # (num_classes, C)
            weight = g.Unsqueeze(g.Gather(weight, labels), [1])  # (K, 1, C)
            bias = g.Unsqueeze(g.Gather(g.parameter("bias", layer.bias.value), labels), [1, 2])
        pixels = g.Reshape(h, [0, 0, side * side])  # (K, C, pixels)
        logits = g.Add(g.MatMul(weight, pixels), bias)  # (K, 1, pixels)
    return sigmoid(g, g.Reshape(logits, [-1, side, side]))


def paste_masks(g, masks, boxes, size, config):
    """masks (K, S, S), boxes (K, 4), size (2,) of the picture  ->  (K, height, width) bool"""
    x1, y1, x2, y2 = columns_of(g, boxes, 4)
    height, width = g.Split(size, axis=0, results=2)
    rows = _interpolation(g, y1, y2, height, 2 * config.mask_size)  # (K, height, S)
    columns = _interpolation(g, x1, x2, width, 2 * config.mask_size)  # (K, width, S)
    pasted = g.MatMul(g.MatMul(rows, masks), g.Transpose(columns, perm=[0, 2, 1]))
    return g.GreaterOrEqual(pasted, float(config.mask_threshold))


def _interpolation(g, low, high, length, size):
    """low (K, 1), high (K, 1), length (1,)  ->  (K, length, size): a tent of width 1 around the pixel's place"""
    centre = g.Add(g.Cast(g.Range(0, g.Squeeze(length, [0]), 1), to=g.onnx.TensorProto.FLOAT), 0.5)
    scale = g.Div(float(size), g.Max(g.Sub(high, low), 1e-6))
    place = g.Sub(g.Mul(g.Sub(centre, low), scale), 0.5)  # (K, length)
    distance = g.Abs(g.Sub(g.Unsqueeze(place, [2]), np.arange(size, dtype=np.float32)))
    return g.Max(g.Sub(1.0, distance), 0.0)
