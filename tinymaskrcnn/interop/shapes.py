"""From names and shapes of a torchvision detection model to its configuration.

Nothing here makes an array, so a file can be judged, in torchvision's own words, before any memory is spent on it; the
other direction is `models.shapes.expected_shapes`.
"""

import math
import re

from ..config import torchvision_preset
from ..errors import CheckpointError, ConfigError
from ..models.shapes import expected_shapes, flatten_layer

__all__ = ["COUNTER", "expected_shapes", "flatten_layer", "infer_config"]

COUNTER = ".num_batches_tracked"  # batch norms count their batches in torchvision; nothing here depends on it


def infer_config(kind, arrays):
    """The ModelConfig of a torchvision model whose widths, depths and classes are those of these arrays.

    Where an array is missing the setting stays the published one, so that the accounting names what is missing.
    Raises CheckpointError for shapes that no model can have.
    """
    published = torchvision_preset(kind)
    heads = _Shapes(arrays, "roi_heads.")
    classes = heads.size("box_predictor.cls_score.bias", 0, published.num_classes)  # one number each: a real count
    depth = _Shapes(arrays, "rpn.head.").count(r"conv\.(\d+)\.", published.rpn.conv_depth)
    backbone = _infer_backbone(arrays, published.backbone)
    roi = _infer_box_head(heads, published.roi, backbone["fpn_channels"])
    if "mask" in published.heads:
        roi["mask_widths"] = heads.widths("mask_head.{}.0.weight", published.roi.mask_widths)
        roi["mask_deconv_width"] = heads.size("mask_predictor.conv5_mask.weight", 1, published.roi.mask_deconv_width)
    if "keypoint" in published.heads:
        roi["keypoint_widths"] = heads.widths("keypoint_head.{}.weight", published.roi.keypoint_widths, step=2)
        joints = heads.size("keypoint_predictor.kps_score_lowres.weight", 1, published.roi.num_keypoints)
        roi["num_keypoints"] = joints
    try:
        return torchvision_preset(kind, num_classes=classes, backbone=backbone, rpn={"conv_depth": depth}, roi=roi)
    except ConfigError as error:
        raise CheckpointError(f"the arrays have wrong shapes for any {kind}: {error}") from error


class _Shapes:
    """The shapes of the arrays below a prefix, asked with a default for what is missing."""

    def __init__(self, arrays, prefix):
        self.shapes = {n.removeprefix(prefix): a.shape for n, a in arrays.items() if n.startswith(prefix)}

    def size(self, name, axis, default):
        shape = self.shapes.get(name, ())
        return shape[axis] if len(shape) > axis else default

    def count(self, pattern, default):
        """How many different numbers appear in names; never the largest number, which a name could make huge."""
        return len({match[1] for match in (re.match(pattern, name) for name in self.shapes) if match}) or default

    def widths(self, template, default, step=1):
        """Output channels of numbered convolutions."""
        number = self.count(re.escape(template).replace(r"\{\}", r"(\d+)"), len(default))
        return tuple(self.size(template.format(i * step), 0, default[min(i, len(default) - 1)]) for i in range(number))


def _infer_backbone(arrays, published):
    body, fpn = _Shapes(arrays, "backbone.body."), _Shapes(arrays, "backbone.fpn.")
    is_basic = "layer1.0.conv2.weight" in body.shapes and "layer1.0.conv3.weight" not in body.shapes
    last = "conv2" if is_basic else "conv3"
    found = {
        "block": "basic" if is_basic else "bottleneck",
        "depths": tuple(body.count(rf"layer{i}\.(\d+)\.", d) for i, d in enumerate(published.depths, start=1)),
        "widths": tuple(body.size(f"layer{i}.0.{last}.weight", 0, w) for i, w in enumerate(published.widths, start=1)),
        "stem": "3x3" if body.size("conv1.weight", 2, 7) == 3 else "7x7",
        "stem_width": body.size("conv1.weight", 0, published.stem_width),
        "fpn_channels": fpn.size("inner_blocks.0.0.weight", 0, published.fpn_channels),
    }
    if any(name.endswith(COUNTER) for name in body.shapes):
        found |= {"norm": "batch", "norm_eps": 1e-5}  # only batch norms that are trained count their batches
    outputs, inputs = (body.size("layer1.0.conv2.weight", axis, 1) for axis in (0, 1))
    if not is_basic and inputs and found["widths"][0] and outputs > inputs:  # ResNeXt
        found["groups"] = outputs // inputs
        found["group_width"] = inputs * 256 // found["widths"][0]
    return found


def _infer_box_head(heads, published, channels):
    convs = heads.widths("box_head.{}.0.weight", published.box_convs) if published.box_convs else ()
    first = f"box_head.{len(convs) + 1 if convs else 'fc6'}.weight"
    inputs, per_pixel = heads.size(first, 1, 0), convs[-1] if convs else channels
    side = math.isqrt(inputs // per_pixel) if per_pixel else 0
    width = heads.size(first, 0, published.head_width)
    return {"box_convs": convs, "head_width": width, "box_size": side or published.box_size}
