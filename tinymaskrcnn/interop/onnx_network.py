"""From the picture to the proposals as ONNX nodes, each beside the function of models/ that it follows line by line.

One picture at a time: there is no image_index, and sets hold what was found and no padding. Boxes are (K, 4).
"""

import numpy as np

from ..ops.anchors import base_anchors
from .onnx_boxes import LEFT_OUT, clip, decode, large_enough, nms
from .onnx_graph import best_of, count_up, sigmoid
from .onnx_layers import emit

DIVISOR = 32  # the sides of the padded picture are multiples of this, as structures.collate makes them


# ---------------------------------------------------------------- the picture: data/resizing.py, structures.collate


def resize(g, image, size, config):
    """image (H, W, C), size (2,)  ->  x (1, C, H', W') and its size, as resize_shorter and resize_longer want them

    The factor is worked out in float64 as there, so that rounding down meets the same whole number.
    """
    x = g.Unsqueeze(g.Transpose(image, perm=[2, 0, 1]), [0])
    if config.resize_shorter == 0:
        return x, size
    double = g.onnx.TensorProto.DOUBLE
    sides = g.Cast(size, to=double)
    shorter = g.Div(g.Cast(config.resize_shorter, to=double), g.ReduceMin(sides, keepdims=0))
    longer = g.Div(g.Cast(config.resize_longer, to=double), g.ReduceMax(sides, keepdims=0))
    floor = g.Cast(g.Floor(g.Mul(sides, g.Min(shorter, longer))), to=g.onnx.TensorProto.INT64)
    new_size = g.Max(floor, 1)  # of a very long picture one row is left; data/resizing.py refuses it
    shape = g.Concat([1, config.backbone.in_channels], new_size, axis=0)
    return g.Resize(x, None, None, shape, mode="linear", coordinate_transformation_mode="half_pixel"), new_size


def normalize_and_pad(g, layer, x, size):
    """x (1, C, H, W)  ->  the same with zeros below and right of the picture, and padded_size (2,)"""
    mean, std = (np.asarray(values, np.float32).reshape(-1, 1, 1) for values in (layer.mean, layer.std))
    x = g.Mul(g.Sub(x, mean), np.float32(1) / std)
    padded_size = g.Mul(g.Div(g.Add(size, DIVISOR - 1), DIVISOR), DIVISOR)
    pads = g.Concat([0] * 6, g.Sub(padded_size, size), axis=0)  # all the starts, then the ends of N, C, H, W
    return g.Pad(x, pads), padded_size


# ---------------------------------------------------------------- network: models/backbones/, models/rpn.py


def body(g, layer, x):
    """A ResNet, a VGG or the plain network: x (1, C, H, W)  ->  features [C2, C3, C4, C5]"""
    (_, stem), *stages = layer.members()
    x = emit(g, stem, x)
    features = []
    for name, stage in stages:
        with g.scope(name):
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
            [1.0, 1.0, 2.0, 2.0],
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
    """level (1, C, H, W)  ->  logits (1, A, H, W), deltas (1, A * 4, H, W)"""
    with g.scope("conv"):
        h = emit(g, head.conv, level)
    with g.scope("cls_logits"):
        scores = emit(g, head.cls_logits, h)
    logits = emit(g, head.difference, scores)
    with g.scope("bbox_pred"):
        deltas = emit(g, head.bbox_pred, h)
    return logits, deltas


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
    step = g.Cast(step, to=g.onnx.TensorProto.FLOAT)
    return g.Unsqueeze(g.Mul(count_up(g, count), step), axes)


def propose(g, rpn, pyramid, padded_size, limits):
    """pyramid  ->  proposals (P, 4), best first"""
    config = rpn.config
    found, found_scores = [], []
    for i, level in enumerate(pyramid):
        with g.scope("head"):
            logits, deltas = rpn_head(g, rpn.head, level)
        with g.scope(f"level{i}"):
            scores = sigmoid(g, g.Squeeze(_per_anchor(g, logits, 1), [1]))
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
