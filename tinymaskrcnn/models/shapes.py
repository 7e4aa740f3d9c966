"""Names and shapes of what a configuration asks for, and the memory it takes; nothing here makes an array."""

import math

from ..config_rules import OUTSIDE
from .backbone_shapes import (
    body_shapes,
    conv_norm,
    first_map,
    kept_maps,
    last_maps,
    looked_at,
    pyramid_shapes,
    stage_shapes,
    stage_width,
    with_bias,
)


def expected_shapes(config):
    """{name: shape} of a model with these settings, in torchvision's layout, without the counters of batch norms."""
    if config.system == "rcnn":
        return _rcnn(config)
    backbone, roi, channels = config.backbone, config.roi, config.backbone.channels
    shapes = body_shapes("backbone.body", backbone) | pyramid_shapes("backbone.fpn", backbone)
    shapes |= {} if config.system in OUTSIDE else _rpn(channels, config.rpn)
    width = roi.head_width
    if backbone.has_res5:
        shapes |= stage_shapes("roi_heads.box_head.layer4", 3, backbone)
        width = backbone.widths[3]
    else:
        shapes |= _box_head(channels, roi)
    shapes |= with_bias("roi_heads.box_predictor.cls_score", (config.num_classes, width))
    shapes |= with_bias("roi_heads.box_predictor.bbox_pred", (config.num_classes * 4, width))
    if "mask" in config.heads:
        shapes |= _mask_head(channels, roi, config.num_classes)
    if roi.mask_iou_widths:
        shapes |= _mask_iou_head(channels, roi, config.num_classes)
    if "keypoint" in config.heads:
        shapes |= _keypoint_head(channels, roi)
    return shapes


def _rpn(channels, rpn):
    anchors = len(rpn.anchor_ratios) * len(rpn.anchor_sizes[0])
    logits = anchors if rpn.objectness == "sigmoid" else 2 * anchors
    shapes = {}
    for i in range(rpn.conv_depth):
        shapes |= conv_norm(f"rpn.head.conv.{i}", channels, channels, 3)
    shapes |= with_bias("rpn.head.cls_logits", (logits, channels, 1, 1))
    return shapes | with_bias("rpn.head.bbox_pred", (anchors * 4, channels, 1, 1))


def _box_head(channels, roi):
    shapes = {}
    for i, width in enumerate(roi.box_convs):
        shapes |= conv_norm(f"roi_heads.box_head.{i}", channels, width, 3, roi.box_norm)
        channels = width
    first = (roi.head_width, channels * roi.box_size**2)
    if roi.box_convs:
        return shapes | with_bias(flatten_layer(roi), first)
    return with_bias(flatten_layer(roi), first) | with_bias("roi_heads.box_head.fc7", (roi.head_width,) * 2)


def flatten_layer(roi):
    """The name of the linear layer that reads a flattened crop: fc6, or a position behind convolutions and Flatten."""
    return f"roi_heads.box_head.{len(roi.box_convs) + 1 if roi.box_convs else 'fc6'}"


def _rcnn(config):
    """R-CNN's: the network's last map is flattened, and two kinds of classifiers read what follows."""
    width, classes = config.roi.head_width, config.num_classes - 1
    flat = config.backbone.stage_channels[3] * (config.rcnn.warp_size // 32) ** 2
    shapes = body_shapes("backbone.body", config.backbone)
    shapes |= with_bias("roi_heads.box_head.fc6", (width, flat)) | with_bias("roi_heads.box_head.fc7", (width, width))
    name = "roi_heads.box_predictor"
    shapes |= with_bias(f"{name}.cls_score", (config.num_classes, width))
    shapes |= {f"{name}.svm_weight": (width, classes), f"{name}.svm_bias": (classes,)}
    return shapes | {f"{name}.bbox_weight": (flat, classes * 4), f"{name}.bbox_bias": (classes * 4,)}


def _mask_head(channels, roi, num_classes):
    if roi.mask_kind == "fc":
        return _flat_mask_head(channels, roi, num_classes)
    shapes = {}
    for i, width in enumerate(roi.mask_widths):
        shapes |= conv_norm(f"roi_heads.mask_head.{i}", channels, width, 3, roi.mask_norm)
        channels = width
    width, masks = roi.mask_deconv_width, 1 if roi.mask_kind == "agnostic" else num_classes
    shapes |= with_bias("roi_heads.mask_predictor.conv5_mask", (channels, width, 2, 2), outputs=width)
    return shapes | with_bias("roi_heads.mask_predictor.mask_fcn_logits", (masks, width, 1, 1))


def _flat_mask_head(channels, roi, num_classes):
    shapes, inputs = {}, channels * roi.mask_size**2
    for i, width in enumerate(roi.mask_widths):
        shapes |= with_bias(f"roi_heads.mask_head.{2 * i + 1}", (width, inputs))  # behind Flatten, ReLUs between them
        inputs = width
    pixels = num_classes * (2 * roi.mask_size) ** 2
    return shapes | with_bias("roi_heads.mask_predictor.mask_fcn_logits", (pixels, inputs))


def _mask_iou_head(channels, roi, num_classes):
    shapes, channels, name = {}, channels + 1, "roi_heads.mask_iou_head"
    for i, width in enumerate(roi.mask_iou_widths):
        shapes |= with_bias(f"{name}.{2 * i}", (width, channels, 3, 3))  # ReLUs have the odd numbers
        channels = width
    first, width = 2 * len(roi.mask_iou_widths) + 1, roi.head_width  # behind Flatten
    shapes |= with_bias(f"{name}.{first}", (width, channels * ((roi.mask_size + 1) // 2) ** 2))
    shapes |= with_bias(f"{name}.{first + 2}", (width, width))
    return shapes | with_bias("roi_heads.mask_iou_predictor.mask_iou", (num_classes, width))


def _keypoint_head(channels, roi):
    shapes = {}
    for i, width in enumerate(roi.keypoint_widths):
        shapes |= with_bias(f"roi_heads.keypoint_head.{2 * i}", (width, channels, 3, 3))  # ReLUs have the odd numbers
        channels = width
    joints = roi.num_keypoints
    name = "roi_heads.keypoint_predictor.kps_score_lowres"
    return shapes | with_bias(name, (channels, joints, 4, 4), outputs=joints)


# ---------------------------------------------------------------- the memory


def weights_bytes(config, *, arrays=1):
    """Bytes of all weights in float32; `arrays`: how many of them there are for each, with gradients and the like."""
    return 4 * arrays * sum(math.prod(shape) for shape in expected_shapes(config).values())


KEPT = {"align": 1, "pool": 2, "warp": 5, "prroi": 1}  # numbers by crop's number: where its maximum is; what is finer


def step_bytes(config, size, *, pictures):
    """Bytes that a training step on `pictures` of size (height, width) keeps at the very least, without the weights.

    Counted are the pictures, what the layers of the backbone, the pyramid and the heads put out, and the anchors.
    """
    backbone, rpn, roi, channels = config.backbone, config.rpn, config.roi, config.backbone.channels
    if config.system == "rcnn":  # every crop is a picture
        numbers = _numbers((config.rcnn.warp_size,) * 2, kept_maps(backbone)) * roi.samples_per_image
        return 4 * pictures * (numbers + size[0] * size[1] * backbone.in_channels)
    numbers = size[0] * size[1] * backbone.in_channels + _numbers(size, kept_maps(backbone))
    places = _numbers(size, [(stride, 1) for stride in looked_at(backbone)])
    numbers += places * channels * (0 if backbone.fpn in ("c4", "c5") else 2)
    proposals = config.proposals.most
    if config.system not in OUTSIDE:
        numbers += places * (channels * rpn.conv_depth + len(rpn.anchor_ratios) * len(rpn.anchor_sizes[0]) * 5)
        proposals = rpn.post_nms_top_n[0]
    crops = min(roi.samples_per_image, proposals)
    numbers += crops * (roi.box_size**2 * (channels * KEPT[roi.pooling] + sum(roi.box_convs)) + config.num_classes * 5)
    if backbone.has_res5:
        numbers += crops * math.ceil(roi.box_size / 2) ** 2 * stage_width(backbone, 3)
    return 4 * pictures * numbers


def detect_bytes(config, size, *, pictures):
    """Bytes that finding objects in `pictures` of size (height, width) needs at one time at the very least.

    Counted are the pictures and, beside them, the largest of three: what the first convolution reads and puts out, what
    the stages of the backbone do, what the pyramid does.
    """
    backbone = config.backbone
    if config.system == "rcnn":
        return 4 * pictures * size[0] * size[1] * backbone.in_channels
    picture = size[0] * size[1] * backbone.in_channels
    first, stages = _numbers(size, [first_map(backbone)]), _numbers(size, last_maps(backbone))
    maps = _numbers(size, [(stride, backbone.channels) for stride in looked_at(backbone)])
    return 4 * pictures * (picture + max(picture + first, stages, maps))


def _numbers(size, maps):
    """How many numbers maps [(stride, channels)] of a picture of size (height, width) hold."""
    return sum(math.ceil(size[0] / stride) * math.ceil(size[1] / stride) * channels for stride, channels in maps)
