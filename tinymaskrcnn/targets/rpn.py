"""What the region proposal network should answer at every anchor."""

from dataclasses import dataclass
from typing import Any

from ..backend import array_module
from ..ops import anchors as anchor_ops
from ..ops import boxes
from .matcher import NEUTRAL, POSITIVE, balanced_sample, draw_keys, match


@dataclass(frozen=True)
class RPNTargets:
    """For N images and A anchors: positive (N, A) 0/1, weight (N, A) 0/1 of the sample, deltas (N, A, 4)."""

    positive: Any
    weight: Any
    deltas: Any


def assign_anchors(anchors, targets, config, *, image_size=None):
    """Match anchors with objects: `match` at the RPN's thresholds, with the low-quality rule.

    anchors (A, 4), targets with boxes (N, M, 4)  ->  matched (N, A), label (N, A)

    With config.ignore_border_anchors, anchors that leave the image of image_size (H, W) are neutral, as in the
    Faster R-CNN paper; torchvision keeps them.
    """
    xp = array_module(anchors)
    iou = boxes.iou_matrix(targets.boxes, anchors[None])  # (N, M, A): in memory, anchors lie side by side
    iou = iou.transpose(0, 2, 1)  # (N, A, M)
    thresholds = {"positive_iou": config.positive_iou, "negative_iou": config.negative_iou}
    matched, label = match(iou, targets.valid, **thresholds, low_quality=True)
    if config.ignore_border_anchors:
        outside = anchor_ops.crosses_border(anchors, height=image_size[0], width=image_size[1])
        label = xp.where(outside, NEUTRAL, label)
    return matched, label


def rpn_targets(anchors, targets, config, *, image_size=None, rng):
    """Sampled objectness labels and box deltas for every anchor.

    anchors (A, 4), targets with boxes (N, M, 4)  ->  RPNTargets
    """
    xp = array_module(anchors)
    matched, label = assign_anchors(anchors, targets, config, image_size=image_size)
    keys = draw_keys(label.shape, rng=rng, like=anchors)
    chosen = balanced_sample(label, keys, count=config.samples_per_image, positive_fraction=config.positive_fraction)
    positive = label == POSITIVE
    objects = xp.take_along_axis(targets.boxes, matched[..., None], axis=1)  # (N, A, 4)
    objects = xp.where(positive[..., None], objects, anchors)  # a stand-in whose deltas are 0, never log 0
    deltas = boxes.encode(objects, anchors[None])
    return RPNTargets(positive.astype(anchors.dtype), chosen.astype(anchors.dtype), deltas)
