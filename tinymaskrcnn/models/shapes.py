"""Names and shapes of what a configuration asks for, and the memory it takes; nothing here makes an array."""

import math


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


# ---------------------------------------------------------------- the memory


def weights_bytes(config, *, arrays=1):
    """Bytes of all weights in float32; `arrays`: how many of them there are for each, with gradients and the like."""
    return 4 * arrays * sum(math.prod(shape) for shape in expected_shapes(config).values())


def step_bytes(config, size, *, pictures):
    """Bytes that a training step on `pictures` of size (height, width) keeps at the very least, without the weights.

    Counted are the pictures, what the layers of the backbone, the pyramid and the heads put out, and the anchors.
    """
    backbone, rpn, roi, channels = config.backbone, config.rpn, config.roi, config.backbone.fpn_channels
    cells = [math.ceil(size[0] / stride) * math.ceil(size[1] / stride) for stride in (2, 4, 8, 16, 32, 64)]
    wide = 2 if backbone.block == "basic" else 1  # layers of a block with all its channels
    numbers = size[0] * size[1] * backbone.in_channels + cells[0] * backbone.stem_width
    for depth, width, count in zip(backbone.depths, backbone.widths, cells[1:]):
        numbers += count * width * depth * wide
    numbers += sum(cells[1:]) * channels * (2 + rpn.conv_depth)
    numbers += sum(cells[1:]) * len(rpn.anchor_ratios) * len(rpn.anchor_sizes[0]) * 5
    rois = roi.samples_per_image
    crops = min(rois, rpn.post_nms_top_n[0])
    numbers += crops * (roi.box_size**2 * (channels + sum(roi.box_convs)) + config.num_classes * 5)
    return 4 * pictures * numbers


def detect_bytes(config, size, *, pictures):
    """Bytes that finding objects in `pictures` of size (height, width) needs at one time at the very least.

    Counted are the pictures and, beside them, the largest of three: what the first convolution reads and puts out, what
    the stages of the backbone do, what the pyramid does.
    """
    backbone = config.backbone
    cells = [math.ceil(size[0] / stride) * math.ceil(size[1] / stride) for stride in (2, 4, 8, 16, 32, 64)]
    picture = size[0] * size[1] * backbone.in_channels
    stages = sum(width * count for width, count in zip(backbone.widths, cells[1:]))
    most = max(picture + cells[0] * backbone.stem_width, stages, sum(cells[1:]) * backbone.fpn_channels)
    return 4 * pictures * (picture + most)
