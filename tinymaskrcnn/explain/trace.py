"""A detection with everything in between: what each stage of the network handed to the next, for one image.

`trace_detection` walks through `MaskRCNN.detect` with the model's own methods and keeps what it meets on the way.
`what_if` walks the same way again with other settings, and leaves the network alone.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..config import ModelConfig
from ..errors import ArgumentError, listed, shown
from ..models.found import Found
from ..models.postprocess import detections_from_boxes, paste_masks
from ..models.roi_heads import assign_levels
from ..ops import activation, boxes, nms, softmax
from ..structures import Detections
from .said import listen, with_config

SETTINGS = (  # that decide and are no part of the network: what `what_if` takes
    *("rpn.pre_nms_top_n", "rpn.min_size", "rpn.nms_iou", "rpn.post_nms_top_n"),
    *("roi.score_threshold", "roi.min_size", "roi.nms_iou", "roi.detections_per_image", "roi.mask_threshold"),
)
PAIRS = ("rpn.pre_nms_top_n", "rpn.post_nms_top_n")  # in training and at inference, which is meant here


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

    boxes (P, 4), scores (P,) the RPN's, anchor (P,) int: a row of Anchors (both None without an RPN), level (P,) int:
    the one they are cut from, 2 for P2; probabilities (P, num_classes); refined (P, num_classes - 1, 4): for each
    class, without background, its own box; likely and kept (P, num_classes - 1) bool: the probability is above the
    threshold, and it survived NMS among those of its class.
    """

    boxes: np.ndarray
    scores: np.ndarray | None
    anchor: np.ndarray | None
    level: np.ndarray
    probabilities: np.ndarray
    refined: np.ndarray
    likely: np.ndarray
    kept: np.ndarray


@dataclass(frozen=True)
class DetectionTrace:
    """One image on its way through the network, in pixels of that image.

    image (H, W, C), pyramid [(h, w, channels)] * L, Anchors and Candidates (None without an RPN), Proposals,
    Detections: those of `MaskRCNN.detect`; origins (D,) int: the proposal that each detection was made of;
    mask_probabilities (D, 2S, 2S) before they are pasted (None without a mask head); config: the settings that decided;
    said: what the network said, by which `what_if` decides anew.
    """

    image: np.ndarray
    pyramid: list
    anchors: Anchors | None
    candidates: Candidates | None
    proposals: Proposals
    detections: Detections
    origins: np.ndarray
    mask_probabilities: np.ndarray | None
    config: ModelConfig
    said: Any = field(default=None, repr=False)


def trace_detection(model, image, *, proposals=None):
    """Find the objects of one image as `model.detect` does, and keep every stage of it.

    MaskRCNN in eval mode on the host, image (H, W, C) in 0..1 of the size the network should see; for a model without
    an RPN proposals (P, 4) in pixels of it, best first  ->  DetectionTrace
    """
    said = listen(model, image, proposals=proposals)
    config = replace(model.config, roi=model.roi_heads.config)
    config = config if said.logits is None else replace(config, rpn=model.rpn.config)
    anchors = None if said.logits is None else _anchors(said, config.backbone.levels[0])
    return _decide(said, anchors, config)


def what_if(trace, settings, *, boxes_only=False):
    """The trace that the same picture would have had with other settings; backbone and RPN are not asked again.

    DetectionTrace, {"roi.nms_iou": 0.3, ...} with names of SETTINGS; of those that differ between training and
    inference, the number at inference  ->  DetectionTrace; boxes_only leaves masks and keypoints out of it
    """
    if trace.said is None:
        raise ArgumentError("what_if: needs a trace of trace_detection, which knows its network")
    config = changed(trace.config, settings)
    candidates = trace.candidates if config.rpn == trace.config.rpn else None
    return _decide(trace.said, trace.anchors, config, candidates=candidates, boxes_only=boxes_only)


def without_anchor(trace, anchor):
    """The trace, without masks, that a picture would have had, had an anchor been no candidate: a row of Anchors."""
    said = trace.said.with_objectness(anchor, -np.inf)
    return _decide(said, _anchors(said, trace.config.backbone.levels[0]), trace.config, boxes_only=True)


def changed(config, settings):
    """A ModelConfig with other settings, as `what_if` takes them."""
    if strange := sorted(settings.keys() - set(SETTINGS), key=str):
        raise ArgumentError(f"what_if: settings must be some of {listed(SETTINGS)}; got {shown(strange)}")
    for name, value in settings.items():
        part, entry = name.split(".")
        own = getattr(config, part)
        value = (getattr(own, entry)[0], value) if name in PAIRS else value
        config = replace(config, **{part: replace(own, **{entry: value})})
    return config


def _decide(said, anchors, config, *, candidates=None, boxes_only=False):
    """All that is decided about what a network said, stage by stage; candidates: where they are known."""
    if anchors is None:
        proposed = np.arange(said.given.shape[1]), said.given, np.ones(said.given.shape[:2], bool)
        ahead = None
    else:
        candidates = candidates or _candidates(said, config)
        best = nms.top_n(np.where(candidates.kept, candidates.scores, -1)[None], config.rpn.post_nms_top_n[1])[0]
        proposed = candidates.anchor[best], candidates.boxes[best][None], candidates.kept[best][None]

        def ahead():
            return candidates.anchor, candidates.boxes

    rows, rois, valid = proposed
    logits, deltas = said.of_boxes(rows, rois, ahead)
    proposals = _proposals(logits, deltas, proposed, candidates, said, config)
    found = Found(*detections_from_boxes(logits, deltas, rois, valid, config.roi, sizes=said.sizes))
    count = int(found.valid.sum())
    found = Found(*(array[:, :count] for array in (found.boxes, found.labels, found.scores, found.valid)))
    origins = _origins(proposals, count)
    keys = list(zip(rows[valid[0]][origins].tolist(), found.labels[0].tolist()))
    found = found if boxes_only else said.of_found(found, keys)
    return DetectionTrace(
        image=said.image,
        pyramid=[level[0] for level in said.pyramid],
        anchors=anchors,
        candidates=candidates,
        proposals=proposals,
        detections=said.report(found, config.roi, paste_masks, boxes_only=boxes_only),
        origins=origins,
        mask_probabilities=found.said["mask"][0] if "mask" in found.said else None,
        config=config,
        said=said,
    )


def _anchors(said, lowest):
    every = np.concatenate(said.levels)
    ranks, start = [], 0
    for level in said.levels:
        order = nms.top_n(said.logits[:, start : start + len(level)], len(level))[0]
        ranks.append(np.argsort(order))  # the place of each anchor in the order
        start += len(level)
    height, width = said.sizes[0].astype(said.deltas.dtype)
    return Anchors(
        boxes=every,
        moved=boxes.clip(boxes.decode(said.deltas[0], every), height=height, width=width),
        objectness=activation.sigmoid_forward(said.logits)[0][0],
        level=np.repeat(np.arange(len(said.levels)) + lowest, [len(level) for level in said.levels]),
        rank=np.concatenate(ranks),
    )


def _candidates(said, config):
    rpn = with_config(said.model.rpn, config.rpn)
    found, scores, anchor, level = rpn.candidates(said.logits, said.deltas, said.levels, sizes=said.sizes)
    kept = rpn.suppress(found, scores, level)
    return Candidates(found[0], scores[0], level + config.backbone.levels[0], anchor[0], kept[0])


def _proposals(logits, deltas, proposed, candidates, said, config):
    """What the box head says about the RoIs, and what is left of it; rows that were no proposals are left out."""
    rows, rois, valid = proposed
    used, roi = valid[0], config.roi
    rows, rois, deltas = rows[used], rois[0][used], deltas[used]
    probabilities = softmax.softmax_forward(logits)[0][used]
    count, classes = len(rois), probabilities.shape[1] - 1
    height, width = said.sizes[0].astype(deltas.dtype)
    refined = boxes.decode(deltas[:, 1:].reshape(-1, 4), np.repeat(rois, classes, axis=0), weights=roi.delta_weights)
    refined = boxes.clip(refined, height=height, width=width)
    likely = probabilities[:, 1:] > roi.score_threshold
    sound = (refined[:, 2:] - refined[:, :2] >= roi.min_size).all(axis=1)
    kept = nms.nms(
        refined,
        probabilities[:, 1:].reshape(-1),
        iou_threshold=roi.nms_iou,
        group=np.tile(np.arange(classes), count),
        valid=likely.reshape(-1) & sound,
    )
    pool = said.model.roi_heads.heads["box"].pool
    limits = {"lowest": pool.lowest, "highest": pool.lowest + min(pool.levels, len(said.pyramid)) - 1}
    return Proposals(
        boxes=rois,
        scores=None if candidates is None else _scores_of(candidates, rows),
        anchor=None if candidates is None else rows,
        level=assign_levels(rois, canonical_size=roi.canonical_size, canonical_level=roi.canonical_level, **limits),
        probabilities=probabilities,
        refined=refined.reshape(count, classes, 4),
        likely=likely,
        kept=kept.reshape(count, classes),
    )


def _scores_of(candidates, anchors):
    """The RPN's scores of some anchors that are candidates: anchors (P,)  ->  (P,)"""
    order = np.argsort(candidates.anchor)
    return candidates.scores[order[np.searchsorted(candidates.anchor[order], anchors)]]


def _origins(proposals, count):
    """The proposal of each of the `count` detections: they are the kept pairs of proposal and class, best first."""
    scores = np.where(proposals.kept, proposals.probabilities[:, 1:], -1).reshape(1, -1)
    return nms.top_n(scores, count)[0] // proposals.kept.shape[1]
