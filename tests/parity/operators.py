"""Random configurations of every operator, and this project's answer to each: outputs and all gradients.

    for configuration in CONFIGURATIONS:
        arrays, settings = configuration.draw()       # float64 and integer host arrays; numbers
        got = configuration.ours(arrays, settings)    # {"y": ..., "dx": ..., "dweight": ...}

torch_operators.py has torchvision's answers to the same questions, under the same names and in the same layout.
A configuration is drawn from its own seed, so that number 7 of a family stays the same when others are added.
"""

import inspect
import zlib
from dataclasses import dataclass

import numpy as np
from cases import find_pair, positional_names
from parity import detection, draws

from tinymaskrcnn.models import roi_heads
from tinymaskrcnn.ops import anchors, boxes, nms
from tinymaskrcnn.targets import matcher, roi


@dataclass(frozen=True)
class Configuration:
    family: str
    number: int

    def __str__(self):
        return f"{self.family}-{self.number}"

    def draw(self):
        """(arrays, settings); an operator with a gradient also gets its dy."""
        family = FAMILIES[self.family]
        rng = np.random.default_rng([zlib.crc32(self.family.encode()), self.number])
        arrays, settings = family.draw(rng, self.number)
        if family.pair:
            y, _ = _call(find_pair(family.pair)[0], arrays, settings)
            arrays["dy"] = rng.standard_normal(y.shape)
        return arrays, settings

    def ours(self, arrays, settings):
        family = FAMILIES[self.family]
        return run_pair(*find_pair(family.pair), arrays, settings) if family.pair else family.ours(arrays, settings)

    @property
    def inputs(self):
        """Names of the differentiable arguments, in order; none for geometry."""
        pair = FAMILIES[self.family].pair
        return positional_names(find_pair(pair)[0]) if pair else []


@dataclass(frozen=True)
class Family:
    """draw(rng, number) -> (arrays, settings); answered by the pair of this name or by ours(arrays, settings)."""

    name: str
    count: int
    draw: object
    pair: str = ""
    ours: object = None


def run_pair(forward, backward, arrays, settings):
    """Forward and backward once: y, the gradient of every input, and the running statistics afterwards."""
    arrays = {name: array.copy() for name, array in arrays.items()}
    y, cache = _call(forward, arrays, settings)
    gradients = backward(arrays["dy"], cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    names = positional_names(forward)
    results = {"y": y, **{f"d{n}": g for n, g in zip(names, gradients, strict=True) if g is not None}}
    return results | {name: array for name, array in arrays.items() if name.startswith("running_")}


def _call(forward, arrays, settings):
    """Arguments by name; a positional one that was not drawn (a bias left out) is None."""
    names = positional_names(forward)
    known = inspect.signature(forward).parameters
    data = {n: a for n, a in arrays.items() if n in known and n not in names}
    return forward(*(arrays.get(n) for n in names), **data, **settings)


# ---------------------------------------------------------------- geometry and decisions


def _anchors(arrays, settings):
    return dict(enumerate_levels(anchors.pyramid_anchors(**settings)))


def enumerate_levels(levels):
    return ((f"level{i}", np.asarray(level, np.float64)) for i, level in enumerate(levels))


def _match(arrays, settings):
    """Which object a negative or neutral box lies nearest to is nobody's business: -1, as in torchvision."""
    matched, label = matcher.match(arrays["iou"], arrays["valid"], **settings)
    return {"label": label, "matched": np.where(label == matcher.POSITIVE, matched, -1)}


def _nms(arrays, settings):
    return {"keep": nms.nms(**arrays, **settings)}


def _geometry(function, name):
    return lambda arrays, settings: {name: function(**arrays, **settings)}


# ---------------------------------------------------------------- all families

FAMILIES = {
    family.name: family
    for family in [
        Family("conv2d", 44, draws.conv2d, pair="conv2d"),
        Family("conv_transpose2d", 16, draws.conv_transpose2d, pair="conv_transpose2d"),
        Family("select_conv1x1", 4, draws.select_conv1x1, pair="select_conv1x1"),
        Family("linear", 6, draws.linear, pair="linear"),
        Family("max_pool2d", 16, draws.max_pool2d, pair="max_pool2d"),
        Family("avg_pool2d", 12, draws.avg_pool2d, pair="avg_pool2d"),
        Family("global_avg_pool2d", 3, draws.image, pair="global_avg_pool2d"),
        Family("batch_norm2d", 12, draws.batch_norm2d, pair="batch_norm2d"),
        Family("frozen_batch_norm2d", 8, draws.frozen_batch_norm2d, pair="frozen_batch_norm2d"),
        Family("group_norm", 8, draws.group_norm, pair="group_norm"),
        Family("upsample_nearest2d", 10, draws.upsample_nearest2d, pair="upsample_nearest2d"),
        Family("resize_bilinear", 12, draws.resize_bilinear, pair="resize_bilinear"),
        Family("relu", 3, draws.image, pair="relu"),
        Family("sigmoid", 3, draws.image, pair="sigmoid"),
        Family("softmax", 5, draws.image, pair="softmax"),
        Family("roi_align", 32, draws.roi_align, pair="roi_align"),
        Family("roi_pool", 12, draws.roi_pool, pair="roi_pool"),
        Family("softmax_cross_entropy", 8, draws.softmax_cross_entropy, pair="softmax_cross_entropy"),
        Family("sigmoid_cross_entropy", 8, draws.sigmoid_cross_entropy, pair="sigmoid_cross_entropy"),
        Family("smooth_l1", 10, draws.smooth_l1, pair="smooth_l1"),
        Family("squared_error", 6, draws.squared_error, pair="squared_error"),
        Family("nms", 10, draws.nms, ours=_nms),
        Family("batched_nms", 8, draws.batched_nms, ours=_nms),
        Family("box_iou", 4, draws.box_iou, ours=_geometry(boxes.iou_matrix, "iou")),
        Family("box_encode", 6, draws.box_encode, ours=_geometry(boxes.encode, "deltas")),
        Family("box_decode", 6, draws.box_decode, ours=_geometry(boxes.decode, "boxes")),
        Family("box_clip", 3, draws.box_clip, ours=_geometry(boxes.clip, "boxes")),
        Family("matcher", 14, draws.matcher, ours=_match),
        Family("anchors", 8, draws.anchors, ours=_anchors),
        Family("roi_levels", 4, draws.roi_levels, ours=_geometry(roi_heads.assign_levels, "level")),
        Family("mask_targets", 5, draws.mask_targets, ours=_geometry(roi.mask_targets, "targets")),
        Family("box_loss", 6, detection.draw_box_loss, ours=detection.box_loss),
        Family("keypoint_loss", 6, detection.draw_keypoint_loss, ours=detection.keypoint_loss),
        Family("keypoint_targets", 6, detection.draw_keypoints, ours=detection.keypoint_targets),
        Family("paste_masks", 6, detection.draw_paste_masks, ours=detection.paste_masks),
        Family("resize_picture", 6, detection.draw_resize_picture, ours=detection.resize_picture),
        Family("roi_warp", 10, draws.learning_regions, pair="roi_warp"),
        Family("prroi_pool", 10, draws.learning_regions, pair="prroi_pool"),
    ]
}

CONFIGURATIONS = [Configuration(f.name, number) for f in FAMILIES.values() for number in range(f.count)]
