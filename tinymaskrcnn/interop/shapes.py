"""Names and shapes of torchvision's detection models: those a configuration asks for, and the reverse.

Nothing here makes an array, so a file can be judged, in torchvision's own words, before any memory is spent on it.
"""

import math
import re

from ..config import torchvision_preset

COUNTER = ".num_batches_tracked"  # batch norms count their batches in torchvision; nothing here depends on it


# ---------------------------------------------------------------- from a configuration to shapes


def expected_shapes(config):
    """{name: shape} of a model with these settings, in torchvision's layout, without the counters of batch norms."""
    backbone, roi, channels = config.backbone, config.roi, config.backbone.fpn_channels
    anchors = len(config.rpn.anchor_ratios) * len(config.rpn.anchor_sizes[0])
    logits = anchors if config.rpn.objectness == "sigmoid" else 2 * anchors
    shapes = _body("backbone.body", backbone)
    for i, width in enumerate(backbone.widths):
        shapes |= _conv_norm(f"backbone.fpn.inner_blocks.{i}", width, channels, 1, backbone.fpn_norm)
    for i in range(len(backbone.widths)):
        shapes |= _conv_norm(f"backbone.fpn.layer_blocks.{i}", channels, channels, 3, backbone.fpn_norm)
    for i in range(config.rpn.conv_depth):
        shapes |= _conv_norm(f"rpn.head.conv.{i}", channels, channels, 3)
    shapes |= _with_bias("rpn.head.cls_logits", (logits, channels, 1, 1))
    shapes |= _with_bias("rpn.head.bbox_pred", (anchors * 4, channels, 1, 1))
    shapes |= _box_head(channels, roi)
    shapes |= _with_bias("roi_heads.box_predictor.cls_score", (config.num_classes, roi.head_width))
    shapes |= _with_bias("roi_heads.box_predictor.bbox_pred", (config.num_classes * 4, roi.head_width))
    if "mask" in config.heads:
        shapes |= _mask_head(channels, roi, config.num_classes)
    if "keypoint" in config.heads:
        shapes |= _keypoint_head(channels, roi)
    return shapes


def _with_bias(name, shape, outputs=None):
    return {f"{name}.weight": shape, f"{name}.bias": (outputs or shape[0],)}


def _norm(name, channels, kind="batch"):
    statistics = () if kind == "group" else ("running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in ("weight", "bias", *statistics)}


def _conv_norm(name, channels, outputs, kernel, norm=""):
    """A convolution with a bias, or one without and a batch norm behind it."""
    shape = (outputs, channels, kernel, kernel)
    if not norm:
        return _with_bias(f"{name}.0", shape)
    return {f"{name}.0.weight": shape} | _norm(f"{name}.1", outputs)


def _body(name, config):
    kernel = int(config.stem[0])
    shapes = {f"{name}.conv1.weight": (config.stem_width, config.in_channels, kernel, kernel)}
    shapes |= _norm(f"{name}.bn1", config.stem_width, config.norm)
    channels = config.stem_width
    for i, (depth, width) in enumerate(zip(config.depths, config.widths)):
        for j in range(depth):
            halves = j == 0 and (i > 0 or config.stem == "3x3")
            block = f"{name}.layer{i + 1}.{j}"
            shapes |= _block(block, channels, width, config)
            if halves or channels != width:
                shapes[f"{block}.downsample.0.weight"] = (width, channels, 1, 1)
                shapes |= _norm(f"{block}.downsample.1", width, config.norm)
            channels = width
    return shapes


def _block(name, channels, width, config):
    """Convolutions of a residual block as (outputs, inputs, kernel), each with its norm."""
    if config.block == "basic":
        convs = [(width, channels, 3), (width, width, 3)]
    else:
        inner = width * config.group_width // 256 * config.groups
        convs = [(inner, channels, 1), (inner, inner // config.groups, 3), (width, inner, 1)]
    shapes = {}
    for k, (outputs, inputs, kernel) in enumerate(convs, start=1):
        shapes |= {f"{name}.conv{k}.weight": (outputs, inputs, kernel, kernel)} | _norm(
            f"{name}.bn{k}", outputs, config.norm
        )
    return shapes


def _box_head(channels, roi):
    shapes = {}
    for i, width in enumerate(roi.box_convs):
        shapes |= _conv_norm(f"roi_heads.box_head.{i}", channels, width, 3, roi.box_norm)
        channels = width
    first = (roi.head_width, channels * roi.box_size**2)
    if roi.box_convs:
        return shapes | _with_bias(flatten_layer(roi), first)
    return _with_bias(flatten_layer(roi), first) | _with_bias("roi_heads.box_head.fc7", (roi.head_width,) * 2)


def flatten_layer(roi):
    """The name of the linear layer that reads a flattened crop: fc6, or a position behind convolutions and Flatten."""
    return f"roi_heads.box_head.{len(roi.box_convs) + 1 if roi.box_convs else 'fc6'}"


def _mask_head(channels, roi, num_classes):
    shapes = {}
    for i, width in enumerate(roi.mask_widths):
        shapes |= _conv_norm(f"roi_heads.mask_head.{i}", channels, width, 3, roi.mask_norm)
        channels = width
    width = roi.mask_deconv_width
    shapes |= _with_bias("roi_heads.mask_predictor.conv5_mask", (channels, width, 2, 2), outputs=width)
    return shapes | _with_bias("roi_heads.mask_predictor.mask_fcn_logits", (num_classes, width, 1, 1))


def _keypoint_head(channels, roi):
    shapes = {}
    for i, width in enumerate(roi.keypoint_widths):
        shapes |= _with_bias(f"roi_heads.keypoint_head.{2 * i}", (width, channels, 3, 3))  # ReLUs have the odd numbers
        channels = width
    joints = roi.num_keypoints
    name = "roi_heads.keypoint_predictor.kps_score_lowres"
    return shapes | _with_bias(name, (channels, joints, 4, 4), outputs=joints)


# ---------------------------------------------------------------- from shapes to a configuration


def infer_config(kind, arrays):
    """The ModelConfig of a torchvision model whose widths, depths and classes are those of these arrays.

    Where an array is missing the setting stays the published one, so that the accounting names what is missing.
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
    return torchvision_preset(kind, num_classes=classes, backbone=backbone, rpn={"conv_depth": depth}, roi=roi)


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
