"""ONNX out: a trained model as one file that runs without this package, on phones, in browsers, in other languages.

The model takes one picture `image` (height, width, C), float32 in 0..1: what a camera or an image file holds, channels
last, any size and no batch, because what comes out is ragged. Normalisation and padding to multiples of 32 happen
inside. It returns what `detect` returns, without padding, best score first:

boxes (K, 4), labels (K,) int64, scores (K,), masks (K, height, width) bool, mask_probabilities (K, 2S, 2S)
"""

import json
import os
from pathlib import Path

import numpy as np

from .. import __version__
from ..errors import ConfigError
from . import onnx_detector as detector
from .onnx_graph import OPSET, Graph, need_onnx

DIVISOR = 32  # the sides of the padded picture are multiples of this, as structures.collate makes them


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
    _refuse(model.config)
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
    size = g.Shape("image", end=2)  # height, width
    x, padded_size = _normalize_and_pad(g, model.normalize, size)
    limits = g.Cast(g.Gather(size, [1, 0, 1, 0]), to=g.onnx.TensorProto.FLOAT)
    with g.scope("backbone.body"):
        features = detector.resnet(g, model.backbone.body, x)
    with g.scope("backbone.fpn"):
        pyramid = detector.fpn(g, model.backbone.fpn, features)
    with g.scope("rpn"):
        proposals = detector.propose(g, model.rpn, pyramid, padded_size, limits)
    heads = model.roi_heads
    with g.scope("roi_heads"):
        boxes, labels, scores = detector.box_branch(g, heads, pyramid, proposals, limits)
        results = {"boxes": boxes, "labels": labels, "scores": scores}
        if "mask" in model.config.heads:
            masks = detector.mask_branch(g, heads, pyramid, boxes, labels)
            results["masks"] = detector.paste_masks(g, masks, boxes, size, heads.config)
            results["mask_probabilities"] = masks
    return results


def _normalize_and_pad(g, layer, size):
    """image (H, W, C)  ->  x (1, C, H', W'), zeros below and right of the picture, and padded_size (2,) = H', W'"""
    scale = np.float32(1) / np.asarray(layer.std, np.float32)
    x = g.Mul(g.Sub("image", np.asarray(layer.mean, np.float32)), scale)
    x = g.Unsqueeze(g.Transpose(x, perm=[2, 0, 1]), [0])
    padded_size = g.Mul(g.Div(g.Add(size, DIVISOR - 1), DIVISOR), DIVISOR)
    pads = g.Concat(g.value([0] * 6), g.Sub(padded_size, size), axis=0)  # all the starts, then the ends of N, C, H, W
    return g.Pad(x, pads), padded_size


def _metadata(config, licence):
    """What a user of the file should know: text by name, lists as JSON."""
    return {
        "class_names": json.dumps(list(config.class_names)),
        "image_mean": json.dumps(list(config.image_mean)),
        "image_std": json.dumps(list(config.image_std)),
        "input": "image (height, width, channels) float32 in 0..1; normalised and padded inside the model",
        "licence": licence,
    }


def _refuse(config):
    """ConfigError for what has no ONNX form here, before any work is done."""
    unknown = [head for head in config.heads if head not in ("box", "mask")]
    if unknown:
        raise ConfigError(f"ONNX export covers the heads 'box' and 'mask'; the model also has {unknown}")
    if config.resize_shorter or config.resize_longer:
        raise ConfigError(
            f"ONNX export leaves pictures at their size; the model resizes them "
            f"(resize_shorter={config.resize_shorter}, resize_longer={config.resize_longer})"
        )
    if config.roi.paste != "continuous":
        raise ConfigError(f"ONNX export pastes masks with paste='continuous'; the model has {config.roi.paste!r}")


def _write(path, data):
    """All bytes under a temporary name first: `path` is the old file or the whole new one at every moment."""
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; give the name of a file, for example {path / 'model.onnx'}")
    temporary = Path(f"{path}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


__all__ = ["OPSET", "export_onnx", "onnx_model"]
