"""A detection with everything in between: what each stage of the network handed to the next, for one image.

`trace_detection` walks through `MaskRCNN.detect` with the model's own methods and keeps what it meets on the way.
"""

from dataclasses import dataclass

import numpy as np

from ..config import ModelConfig
from ..config_rules import OUTSIDE
from ..errors import ArgumentError
from ..models.postprocess import paste_masks
from ..models.roi_heads import assign_levels
from ..ops import activation, boxes, nms, softmax
from ..structures import Detections, check_pictures, collate


@dataclass(frozen=True)
class Anchors:
    """What the RPN says about every anchor: A in all, level after level, the lowest (mostly P2) first.

    boxes (A, 4), moved (A, 4) by their deltas and clipped, objectness (A,) in 0..1, level (A,) int, rank (A,) int: the
    place in the order of objectness among the anchors of the same level, from 0.
    """

    boxes: np.ndarray
    moved: np.ndarray
    objectness: np.ndarray
    level: np.ndarray
    rank: np.ndarray


@dataclass(frozen=True)
class Candidates:
    """The best anchors of each level, on their way through NMS: R in all.

    boxes (R, 4), scores (R,), level (R,) int, anchor (R,) int: a row of Anchors, kept (R,) bool: survived NMS.
    """

    boxes: np.ndarray
    scores: np.ndarray
    level: np.ndarray
    anchor: np.ndarray
    kept: np.ndarray


@dataclass(frozen=True)
class Proposals:
    """The RoIs and what the box head made of them: P in all, best first.

    boxes (P, 4), scores (P,) the RPN's, anchor (P,) int: a row of Anchors, level (P,) int: the one they are cut from, 2
    for P2; probabilities (P, num_classes); refined (P, num_classes - 1, 4): for each class, without background, its own
    box; likely and kept (P, num_classes - 1) bool: the probability is above the threshold, and it survived NMS among
    those of its class.
    """

    boxes: np.ndarray
    scores: np.ndarray
    anchor: np.ndarray
    level: np.ndarray
    probabilities: np.ndarray
    refined: np.ndarray
    likely: np.ndarray
    kept: np.ndarray


@dataclass(frozen=True)
class DetectionTrace:
    """One image on its way through the network, in pixels of that image.

    image (H, W, C), pyramid [(h, w, channels)] * L, Anchors, Candidates, Proposals, Detections: those of
    `MaskRCNN.detect`; origins (D,) int: the proposal that each detection was made of; mask_probabilities (D, 2S, 2S)
    before they are pasted (None without a mask head).
    """

    image: np.ndarray
    pyramid: list
    anchors: Anchors
    candidates: Candidates
    proposals: Proposals
    detections: Detections
    origins: np.ndarray
    mask_probabilities: np.ndarray | None
    config: ModelConfig


def trace_detection(model, image):
    """Find the objects of one image as `model.detect` does, and keep every stage of it.

    MaskRCNN in eval mode on the host, image (H, W, C) in 0..1 of the size the network should see  ->  DetectionTrace
    """
    if model.training:
        raise ArgumentError("trace_detection: call model.eval() first, so that nothing is kept and statistics rest")
    if model.config.system in OUTSIDE:
        raise ArgumentError(f"trace_detection: needs a model with an RPN; got one of system {model.config.system!r}")
    batch = collate(check_pictures([image], channels=model.config.backbone.in_channels))
    images, sizes = batch.images, batch.sizes
    x, _ = model.normalize.forward(images, sizes=sizes)
    pyramid, _ = model.backbone.forward(x)
    (logits, deltas), _ = model.rpn.forward(pyramid)
    levels = model.rpn.anchors(pyramid, images.shape[1:3])

    lowest = model.config.backbone.levels[0]
    anchors = _anchors(model.rpn, logits, deltas, levels, sizes, lowest)
    candidates = _candidates(model.rpn, logits, deltas, levels, sizes, lowest)
    rois, valid = model.rpn.propose(pyramid, logits, deltas, image_size=images.shape[1:3], sizes=sizes)
    found = model.roi_heads.detect(pyramid, rois, valid, sizes=sizes).of_image(0)
    proposals = _proposals(model, pyramid, rois[:, valid[0]], candidates, sizes)
    size = image.shape[:2]
    detections = model.roi_heads.report(found, old=size, new=size, paste=paste_masks)
    return DetectionTrace(
        image=image,
        pyramid=[level[0] for level in pyramid],
        anchors=anchors,
        candidates=candidates,
        proposals=proposals,
        detections=detections,
        origins=_origins(proposals, len(detections)),
        mask_probabilities=found.said.get("mask"),
        config=model.config,
    )


def _anchors(rpn, logits, deltas, levels, sizes, lowest):
    every = np.concatenate(levels)
    ranks, start = [], 0
    for level in levels:
        order = nms.top_n(logits[:, start : start + len(level)], len(level))[0]
        ranks.append(np.argsort(order))  # the place of each anchor in the order
        start += len(level)
    height, width = sizes[0].astype(deltas.dtype)
    return Anchors(
        boxes=every,
        moved=boxes.clip(boxes.decode(deltas[0], every), height=height, width=width),
        objectness=activation.sigmoid_forward(logits)[0][0],
        level=np.repeat(np.arange(len(levels)) + lowest, [len(level) for level in levels]),
        rank=np.concatenate(ranks),
    )


def _candidates(rpn, logits, deltas, levels, sizes, lowest):
    found, scores, anchor, level = rpn.candidates(logits, deltas, levels, sizes=sizes)
    kept = rpn.suppress(found, scores, level)
    return Candidates(found[0], scores[0], level + lowest, anchor[0], kept[0])


def _proposals(model, pyramid, rois, candidates, sizes):
    """What the box head says about the RoIs (1, P, 4), and what is left of it."""
    head, config, count = model.roi_heads.heads["box"], model.roi_heads.config, rois.shape[1]
    (logits, deltas), _ = head.forward(pyramid, rois=rois[0], image_index=np.zeros(count, int))
    probabilities = softmax.softmax_forward(logits)[0]
    classes = probabilities.shape[1] - 1
    height, width = sizes[0].astype(deltas.dtype)
    every = np.repeat(rois[0], classes, axis=0)
    refined = boxes.decode(deltas[:, 1:].reshape(-1, 4), every, weights=config.delta_weights)
    refined = boxes.clip(refined, height=height, width=width)
    likely = probabilities[:, 1:] > config.score_threshold
    sound = (refined[:, 2:] - refined[:, :2] >= config.min_size).all(axis=1)
    kept = nms.nms(
        refined,
        probabilities[:, 1:].reshape(-1),
        iou_threshold=config.nms_iou,
        group=np.tile(np.arange(classes), count),
        valid=likely.reshape(-1) & sound,
    )
    best = nms.top_n(np.where(candidates.kept, candidates.scores, -1)[None], count)[0]
    return Proposals(
        boxes=rois[0],
        scores=candidates.scores[best],
        anchor=candidates.anchor[best],
        level=assign_levels(
            rois[0],
            canonical_size=config.canonical_size,
            canonical_level=config.canonical_level,
            lowest=head.pool.lowest,
            highest=head.pool.lowest + min(head.pool.levels, len(pyramid)) - 1,
        ),
        probabilities=probabilities,
        refined=refined.reshape(count, classes, 4),
        likely=likely,
        kept=kept.reshape(count, classes),
    )


def _origins(proposals, count):
    """The proposal of each of the `count` detections: they are the kept pairs of proposal and class, best first."""
    scores = np.where(proposals.kept, proposals.probabilities[:, 1:], -1).reshape(1, -1)
    return nms.top_n(scores, count)[0] // proposals.kept.shape[1]
