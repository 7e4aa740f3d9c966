"""ONNX out: a trained model as one file that runs without this package, on phones, in browsers, in other languages.

The model takes one picture `image` (height, width, C), float32 in 0..1: what a camera or an image file holds, channels
last, any size and no batch, because what comes out is ragged. Resizing (when the model asks for it), normalisation and
padding to multiples of 32 happen inside. It returns what `detect` returns, without padding, best score first:

boxes (K, 4), labels (K,) int64, scores (K,), and of those the heads there are: masks
(K, height, width) bool, mask_probabilities (K, 2S, 2S), keypoints (K, J, 3) as x, y, score
"""

import json
from pathlib import Path

import numpy as np

from .. import __version__
from ..errors import ConfigError
from ..files import write_whole
from . import onnx_heads, onnx_network
from .expressible import KNOWN, refuse_unknown
from .onnx_boxes import resize_boxes
from .onnx_graph import OPSET, Graph, need_onnx


def export_onnx(model, path, *, licence="MIT", check=lambda data: None):
    """Write a MaskRCNN as an ONNX file, whole or not at all; returns its bytes.

    The graph is verified by onnx.checker, then handed to `check(data)`, which may raise: the file is only written when
    neither does. ConfigError names a part of the model that cannot be exported.
    """
    data = onnx_model(model, licence=licence).SerializeToString()
    check(data)
    _write(Path(path), data)
    return data


def onnx_model(model, *, licence="MIT"):
    """A MaskRCNN as a verified onnx.ModelProto."""
    refuse_unknown(model.config, who="the ONNX export", knows=KNOWN)
    if model.config.ink and model.config.resize_shorter:
        raise ConfigError(
            "the ONNX export cannot make ink, which model.ink wants after the resizing to model.resize_shorter "
            f"{model.config.resize_shorter}; it must be 0"
        )
    g = Graph()
    results = _detect(g, model)
    for name, value in results.items():
        g.result(name, value)
    config = model.config
    side = 2 * config.roi.mask_size
    shapes = {
        "boxes": (np.float32, ["detections", 4]),
        "labels": (np.int64, ["detections"]),
        "scores": (np.float32, ["detections"]),
        "masks": (np.bool_, ["detections", "height", "width"]),
        "mask_probabilities": (np.float32, ["detections", side, side]),
        "keypoints": (np.float32, ["detections", config.roi.num_keypoints, 3]),
    }
    proto = g.model(
        {"image": (np.float32, ["height", "width", config.backbone.in_channels])},
        {name: shapes[name] for name in results},
        name="mask_rcnn",
        metadata=_metadata(config, licence),
        producer_version=__version__,
    )
    need_onnx().checker.check_model(proto, full_check=True)
    return proto


def _detect(g, model):
    """The nodes of MaskRCNN.detect for one picture: {name of a result: value}."""
    config = model.config
    original_size = g.Shape("image", end=2)  # height, width
    x, size = onnx_network.resize(g, "image", original_size, config)
    x, padded_size = onnx_network.normalize_and_pad(g, model.normalize, x, size)
    limits = g.Cast(g.Gather(size, [1, 0, 1, 0]), to=g.onnx.TensorProto.FLOAT)
    with g.scope("backbone.body"):
        features = onnx_network.body(g, model.backbone.body, x)
    with g.scope("backbone.fpn"):
        pyramid = onnx_network.fpn(g, model.backbone.fpn, features)
    with g.scope("rpn"):
        proposals = onnx_network.propose(g, model.rpn, pyramid, padded_size, limits)
    heads = model.roi_heads.heads
    with g.scope("roi_heads"):
        boxes, labels, scores = onnx_heads.box_branch(g, heads["box"], pyramid, proposals, limits)
        original_boxes = boxes if size == original_size else resize_boxes(g, boxes, size, original_size)
        results = {"boxes": original_boxes, "labels": labels, "scores": scores}
        if "mask" in heads:
            masks = onnx_heads.mask_branch(g, heads["mask"], pyramid, boxes, labels)
            results["masks"] = onnx_heads.paste_masks(g, masks, original_boxes, original_size, config.roi)
            results["mask_probabilities"] = masks
        if "keypoint" in heads:
            keypoints = onnx_heads.keypoint_branch(g, heads["keypoint"], pyramid, boxes)
            results["keypoints"] = onnx_heads.resize_keypoints(g, keypoints, size, original_size)
    return results


def _metadata(config, licence):
    """What a user of the file should know: text by name, lists as JSON."""
    return {
        "class_names": json.dumps(list(config.class_names)),
        "image_mean": json.dumps(list(config.image_mean)),
        "image_std": json.dumps(list(config.image_std)),
        "input": "image (height, width, channels) float32 in 0..1; resized, normalised and padded inside the model"
        + ("; ink made by tinymaskrcnn.data.ink.to_ink" if config.ink else ""),
        "licence": licence,
    }


def _write(path, data):
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; give the name of a file, for example {path / 'model.onnx'}")
    write_whole(path, data)


__all__ = ["OPSET", "export_onnx", "onnx_model"]
