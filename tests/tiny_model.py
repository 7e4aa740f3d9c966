"""A Mask R-CNN, and its relatives, small enough to check every derivative, and scenes of two rectangles for them."""

import dataclasses

import numpy as np

from tinymaskrcnn.config import BackboneConfig, ModelConfig, RCNNConfig, RoIConfig, RPNConfig
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.structures import TargetBatch


def tiny_config(
    norm="batch",
    objectness="sigmoid",
    block="basic",
    stem="3x3",
    heads=("box", "mask"),
    version="",
    kind="resnet",
    fpn="full",
    mask_kind="per_class",
    box_gradient="none",
    positive_iou=0.5,
    pooling="align",
    mask_iou_widths=(),
):
    """version "v2": batch norms in the pyramid and the heads, convolutions in the box head, a deeper RPN.

    kind, fpn: of the backbone; without a pyramid all anchors lie on its one map. First weights are the papers': boxes
    begin where the anchors are, and with these pictures proposals that move are positive, too.
    """
    v2, vgg, one = version == "v2", kind == "vgg", fpn in ("p2", "c4", "c5")
    res5 = kind == "resnet" and fpn == "c4"
    return ModelConfig(
        system="mask_scoring_rcnn" if mask_iou_widths else "mask_rcnn",
        heads=heads,
        num_classes=3,
        class_names=("background", "flat", "tall"),
        box_gradient=box_gradient,
        backbone=BackboneConfig(
            kind=kind,
            block=block,
            depths=(1, 1, 1, 1, 1) if vgg else (1, 1, 1, 1),
            widths=(4, 4, 4, 4, 4) if vgg else (4, 4, 4, 4),
            stem=stem,
            stem_width=4,
            norm=norm,
            init="fan_in",
            fpn_channels=4,
            fpn_norm="batch" if v2 else "",
            fpn=fpn,
        ),
        rpn=RPNConfig(
            anchor_sizes=((8, 16, 32),) if one else ((8,), (16,), (32,), (64,), (96,)),
            objectness=objectness,
            samples_per_image=8,
            pre_nms_top_n=(20, 20),
            post_nms_top_n=(8, 8),
            conv_depth=2 if v2 else 1,
        ),
        roi=RoIConfig(
            samples_per_image=6,
            positive_fraction=0.5,
            positive_iou=positive_iou,
            box_size=3,
            mask_size=4,
            head_width=6,
            box_init="gaussian",
            mask_widths=(4, 4),
            mask_deconv_width=4,
            box_convs=(4, 4) if v2 else (),
            box_norm="batch" if v2 or (res5 and norm == "batch") else "",
            mask_norm="batch" if v2 else "",
            mask_iou_widths=mask_iou_widths,
            num_keypoints=3,
            keypoint_widths=(4, 4),
            keypoint_size=4,
            mask_kind=mask_kind,
            canonical_size=16,
            pooling=pooling,
        ),
    )


def tiny_model(seed=0, **config):
    """Weights and biases are all drawn, so that no ReLU sits exactly on its kink."""
    rng = np.random.default_rng(seed)
    return drawn(build_model(tiny_config(**config), rng=rng), rng)


def drawn(model, seed):
    """The model with weights and biases that are all drawn; seed: a number, or a generator to go on with."""
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        p.value += rng.normal(0, 0.1, p.value.shape).astype(np.float32)
    return model


def tiny_scene(objects=(2, 1), size=64, seed=0, keypoints=0):
    """Images (N, size, size, 1) and their TargetBatch: object k is a rectangle without its first corner.

    With keypoints it has that many on its diagonal, the last one absent.
    """
    rng = np.random.default_rng(seed)
    n, m = len(objects), max(1, *objects)
    images = 0.1 * rng.random((n, size, size, 1), dtype=np.float32)
    boxes, labels = np.zeros((n, m, 4), np.float32), np.zeros((n, m), np.int64)
    points = np.zeros((n, m, keypoints, 3), np.float32) if keypoints else None
    masks, valid = np.zeros((n, m, size, size), np.uint8), np.zeros((n, m), bool)
    for i, count in enumerate(objects):
        for k in range(count):
            x, y = rng.integers(2, size - 30, 2)
            width, height = (22, 12) if rng.random() < 0.5 else (11, 21)
            boxes[i, k] = x, y, x + width, y + height
            labels[i, k] = 1 if width > height else 2
            masks[i, k, y : y + height, x : x + width] = 1
            masks[i, k, y : y + 3, x : x + 4] = 0
            images[i, masks[i, k] > 0] += 0.8  # the noise stays: equal pixels would tie in max pooling
            valid[i, k] = True
            for j in range(keypoints):
                share = (j + 0.5) / keypoints
                points[i, k, j] = x + share * width, y + share * height, 2 if j < keypoints - 1 else 0
    return images, TargetBatch(boxes, labels, masks, valid, points)


def tiny_rcnn(seed=0, norm="group", **settings):
    """An R-CNN of the same kind; its boxes come from outside: `tiny_proposals`."""
    config = tiny_config(norm=norm, heads=("box",))
    roi, rcnn = dataclasses.replace(config.roi, nms_iou=0.3), RCNNConfig(warp_size=32, context=3, **settings)
    config = dataclasses.replace(config, system="rcnn", roi=roi, rcnn=rcnn)
    return drawn(build_model(config, rng=np.random.default_rng(seed)), seed)


def tiny_proposals(targets, count=8, size=64, seed=0):
    """Boxes (N, count, 4) of which some lie near objects, and valid (N, count), False where rows are padding."""
    rng = np.random.default_rng(seed)
    n, m = targets.valid.shape
    corner = rng.uniform(0, size - 12, (n, count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(8, 30, (n, count, 2))], axis=2)
    near = min(m, count // 2)
    boxes[:, :near] = targets.boxes[:, :near] + rng.uniform(-2, 2, (n, near, 4))
    valid = np.ones((n, count), bool)
    valid[:, :near] = targets.valid[:, :near]
    return np.clip(boxes, 0, size).astype(np.float32), valid


def tiny_samples(model, images, targets, seed=0, **given):
    """The decisions of one training step: with them held fixed, the losses are a differentiable function."""
    kept = []
    choose = model.choose_samples
    model.choose_samples = lambda *args, **data: kept.append(choose(*args, **data)) or kept[0]
    try:
        model.forward(images, targets=targets, rng=np.random.default_rng(seed), **given)
    finally:
        del model.choose_samples
    return kept[0]


def change_heads(model, **settings):
    """Give the heads of a model other settings, while it lives; returns their RoIConfig."""
    config = dataclasses.replace(model.roi_heads.config, **settings)
    model.roi_heads.config = config
    for head in model.roi_heads.heads.values():
        head.config = head.pool.config = config
    return config
