"""From the proposals to detections as ONNX nodes, each beside the function of models/ that it follows line by line.

One picture at a time, as in onnx_network: sets hold what was found and no padding, and may be empty.
"""

import numpy as np

from .onnx_boxes import EVERYTHING, LEFT_OUT, clip, decode, large_enough, nms
from .onnx_graph import columns_of, count_up, sigmoid, size_of
from .onnx_layers import emit

# ---------------------------------------------------------------- crops: models/roi_heads.py


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


# ---------------------------------------------------------------- heads: models/heads/, postprocess.py


def box_branch(g, head, pyramid, proposals, limits):
    """proposals (P, 4)  ->  boxes (K, 4), labels (K,), scores (K,): the final ones, best first"""
    crops = pyramid_roi_align(g, head.pool, pyramid, proposals)
    with g.scope("box_head"):
        h = emit(g, head.body, crops)
    with g.scope("box_predictor"):
        with g.scope("cls_score"):
            logits = emit(g, head.predictor.cls_score, h)
        with g.scope("bbox_pred"):
            deltas = emit(g, head.predictor.bbox_pred, h)
    deltas = g.Reshape(deltas, [-1, head.predictor.num_classes, 4])
    return detections_from_boxes(g, logits, deltas, proposals, head.config, limits)


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

    count = g.Min([config.detections_per_image], size_of(g, kept, 0))
    scores, best = g.TopK(scores, count, axis=0, results=2)
    labels = g.Add(g.Mod(best, size_of(g, classes, 1)), 1)
    return g.Gather(g.Reshape(boxes, [-1, 4]), best), labels, scores


def mask_branch(g, head, pyramid, boxes, labels):
    """boxes (K, 4), labels (K,)  ->  masks (K, 2S, 2S) in 0..1, each of its own class only"""
    crops = pyramid_roi_align(g, head.pool, pyramid, boxes)
    with g.scope("mask_head"):
        h = emit(g, head.body, crops)
    predictor, side = head.predictor, 2 * head.config.mask_size
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
    weights = _interpolation if config.paste == "continuous" else _integer_interpolation
    rows = weights(g, y1, y2, height, 2 * config.mask_size)  # (K, height, S)
    columns = weights(g, x1, x2, width, 2 * config.mask_size)  # (K, width, S)
    pasted = g.MatMul(g.MatMul(rows, masks), g.Transpose(columns, perm=[0, 2, 1]))
    return g.GreaterOrEqual(pasted, float(config.mask_threshold))


def _interpolation(g, low, high, length, size):
    """low (K, 1), high (K, 1), length (1,)  ->  (K, length, size): a tent of width 1 around the pixel's place"""
    centre = g.Add(count_up(g, length), 0.5)
    scale = g.Div(float(size), g.Max(g.Sub(high, low), 1e-6))
    place = g.Sub(g.Mul(g.Sub(centre, low), scale), 0.5)  # (K, length)
    return _tent(g, place, np.arange(size))


def _integer_interpolation(g, low, high, length, size):
    """The weights of paste "integer": whole pixels from first to last, and zeros around the mask."""
    reach = g.Mul(g.Mul(g.Sub(high, low), 0.5), (size + 2) / size)
    centre = g.Mul(g.Add(high, low), 0.5)
    first, last = _truncate(g, g.Sub(centre, reach)), _truncate(g, g.Add(centre, reach))
    pixel = count_up(g, length)
    count = g.Max(g.Add(g.Sub(last, first), 1.0), 1.0)
    along = g.Mul(g.Div(size + 2.0, count), g.Add(g.Sub(pixel, first), 0.5))
    place = g.Clip(g.Sub(along, 0.5), 0.0, size + 1.0)  # (K, length)
    inside = g.And(g.GreaterOrEqual(pixel, first), g.LessOrEqual(pixel, last))
    inside = g.Cast(inside, to=g.onnx.TensorProto.FLOAT)
    return g.Mul(_tent(g, place, np.arange(1, size + 1)), g.Unsqueeze(inside, [2]))


def _tent(g, place, cells):
    """place (K, length), cells (S,)  ->  (K, length, S): how much each place sees of each cell"""
    distance = g.Abs(g.Sub(g.Unsqueeze(place, [2]), cells.astype(np.float32)))
    return g.Max(g.Sub(1.0, distance), 0.0)


def _truncate(g, x):
    """Towards zero, through whole numbers and back."""
    return g.Cast(g.Cast(x, to=g.onnx.TensorProto.INT64), to=g.onnx.TensorProto.FLOAT)


# ---------------------------------------------------------------- keypoints: models/heads/keypoint.py


def keypoint_branch(g, head, pyramid, boxes):
    """boxes (K, 4)  ->  keypoints (K, J, 3) as x, y and score"""
    crops = pyramid_roi_align(g, head.pool, pyramid, boxes)
    with g.scope("keypoint_head"):
        h = emit(g, head.body, crops)
    with g.scope("keypoint_predictor.kps_score_lowres"):
        h = emit(g, head.predictor.kps_score_lowres, h)
    twice = [1.0, 1.0, 2.0, 2.0]
    heatmaps = g.Resize(h, None, twice, mode="linear", coordinate_transformation_mode="half_pixel")  # (K, J, S, S)
    return decode_keypoints(g, heatmaps, boxes, head.config.num_keypoints, 4 * head.config.keypoint_size)


def decode_keypoints(g, heatmaps, boxes, count, side):
    """heatmaps (K, J, S, S), boxes (K, 4)  ->  keypoints (K, J, 3)

    Every heatmap is enlarged to the size of its own RoI, so one RoI comes after the other. Two matrix products enlarge:
    onnxruntime's cubic Resize gives the same numbers, much slower.
    """

    def decode_one(heatmap, box):
        corner, opposite = g.Split(box, axis=0, results=2)
        sides = g.Max(g.Sub(opposite, corner), 1.0)  # (2,) width, height
        whole = g.Ceil(sides)
        width, height = g.Split(g.Cast(whole, to=g.onnx.TensorProto.INT64), axis=0, results=2)
        rows, columns = _bicubic_weights(g, height, side), _bicubic_weights(g, width, side)
        large = g.MatMul(g.MatMul(rows, heatmap), g.Transpose(columns, perm=[1, 0]))  # (J, height, width)
        large = g.Reshape(large, [count, -1])
        best = g.ArgMax(large, axis=1)  # (J, 1)
        place = g.Cast(g.Concat(g.Mod(best, width), g.Div(best, width), axis=1), to=g.onnx.TensorProto.FLOAT)
        place = g.Add(g.Mul(g.Add(place, 0.5), g.Div(sides, whole)), corner)
        return g.Concat(place, g.ReduceMax(large, axes=[1]), axis=1)

    return g.for_each(decode_one, [heatmaps, boxes], [count, 3])


def _bicubic_weights(g, outputs, inputs, a=-0.75):
    """outputs (1,), the number of them  ->  (outputs, inputs): what each takes from each, four neighbours at most"""
    scale = g.Div(float(inputs), g.Cast(outputs, to=g.onnx.TensorProto.FLOAT))
    source = g.Sub(g.Mul(g.Add(count_up(g, outputs), 0.5), scale), 0.5)
    source = g.Unsqueeze(source, [1])
    cell = g.Add(g.Floor(source), np.float32([-1, 0, 1, 2]))  # (outputs, 4)
    distance = g.Abs(g.Sub(cell, source))
    near = _polynomial(g, distance, a + 2, -(a + 3), 0.0, 1.0)
    far = _polynomial(g, distance, a, -5 * a, 8 * a, -4 * a)
    weight = g.Where(g.LessOrEqual(distance, 1.0), near, far)
    place = g.Clip(cell, 0.0, inputs - 1.0)  # beyond the border the border goes on
    hit = g.Equal(g.Unsqueeze(place, [2]), np.arange(inputs, dtype=np.float32))
    hit = g.Cast(hit, to=g.onnx.TensorProto.FLOAT)  # (outputs, 4, inputs)
    return g.Squeeze(g.MatMul(g.Unsqueeze(weight, [1]), hit), [1])


def _polynomial(g, x, *coefficients):
    """The highest power first, by Horner's rule."""
    value = g.Mul(x, float(coefficients[0]))
    for coefficient in coefficients[1:-1]:
        value = g.Mul(g.Add(value, float(coefficient)), x)
    return g.Add(value, float(coefficients[-1]))


def resize_keypoints(g, keypoints, old, new):
    """keypoints (K, J, 3) in a picture of size old (2,)  ->  in the same picture of size new"""
    old, new = (g.Cast(size, to=g.onnx.TensorProto.FLOAT) for size in (old, new))
    return g.Mul(keypoints, g.Concat(g.Gather(g.Div(new, old), [1, 0]), [1.0], axis=0))
