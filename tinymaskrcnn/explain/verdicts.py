"""What each detection is worth where the truth is known: right, or which kind of mistake.

The kinds are those of Bolya et al. 2020 (TIDE), in their order, and one more: a mask that does not fit though its box
does.
"""

from dataclasses import dataclass

import numpy as np

from ..evaluation.matching import intersection_over_union, mask_areas, mask_intersections
from .after import after_settings
from .chain import Counterfactual, Step, name_of
from .detection_steps import class_group, mask_limits, soft_mask
from .judging import FITS, TOUCHES, crowds, judge_overlaps, overlaps
from .proposal_steps import stays

KINDS = ("right", "poor mask", "poor box", "wrong class", "duplicate", "background", "wrong class, poor box", "crowd")


@dataclass(frozen=True)
class Verdict:
    """kind: one of KINDS; object: the one it is about, None for background; iou: of the boxes; better: of a duplicate,
    the detection that found the object; mask_iou: of the masks, None where it is not asked for."""

    kind: str
    object: int | None
    iou: float
    better: int | None = None
    mask_iou: float | None = None


def judge_detections(found, target, *, min_iou=FITS, background_iou=TOUCHES):
    """Verdicts of all detections, best first, and which objects were found.

    Detections, Target  ->  [Verdict] * D, found (M,) bool; crowds are never missed
    """
    crowd = crowds(target)
    limits = {"min_iou": min_iou, "background_iou": background_iou}
    judged = judge_overlaps(overlaps(found, target), found.labels, target.labels, crowd, **limits)
    return [_verdict(k, judged, found, target, min_iou) for k in range(len(found))], (judged.by >= 0) | crowd


def _verdict(k, judged, found, target, min_iou):
    kind, m, iou = str(judged.kind[k]), int(judged.object[k]), float(judged.iou[k])
    if kind == "right":
        mask_iou = _mask_iou(found, k, target, m)
        return Verdict("poor mask" if mask_iou is not None and mask_iou < min_iou else kind, m, iou, None, mask_iou)
    return Verdict(kind, m if m >= 0 else None, iou, int(judged.by[m]) if kind == "duplicate" else None)


def _mask_iou(found, k, target, m):
    if found.masks is None or target.masks is None:
        return None
    shared = mask_intersections(found.masks, target.masks, np.array([k]), np.array([m]))
    areas = mask_areas(found.masks[k : k + 1]), mask_areas(target.masks[m : m + 1])
    return float(intersection_over_union(shared, *areas, np.array([False]))[0])


# ---------------------------------------------------------------- as a step of the chain


def verdict_step(trace, row, verdict, target, *, min_iou):
    """Step "verdict" of detection `row`: DetectionTrace, its Verdict, Target"""
    own = name_of(trace.config, trace.detections.labels[row])
    its = None if verdict.object is None else name_of(trace.config, target.labels[verdict.object])
    text, said = {
        "right": lambda: (f"IoU {verdict.iou:.2f} with object {verdict.object}, a {its}", ()),
        "crowd": lambda: (f"inside a region of many, {its}: it counts for nothing", ()),
        "poor mask": lambda: _poor_mask(trace, row, verdict, target, min_iou),
        "poor box": lambda: _short(trace, row, verdict, f"of object {verdict.object}, a {its}", min_iou),
        "wrong class": lambda: _wrong_class(trace, row, verdict, target, own, its),
        "duplicate": lambda: _duplicate(trace, row, verdict, its),
        "wrong class, poor box": lambda: _short(trace, row, verdict, f"of object {verdict.object}, a {its}", min_iou),
        "background": lambda: _background(trace, row, verdict),
    }[verdict.kind]()
    numbers = {"object": verdict.object, "iou": verdict.iou, "better": verdict.better, "mask_iou": verdict.mask_iou}
    return Step("verdict", f"{verdict.kind}: {text}", {"kind": verdict.kind} | numbers, tuple(said))


def _not_reported(trace, row):
    """From which threshold of scores on it would not be there."""
    score, now = trace.detections.scores[row], trace.config.roi.score_threshold
    less, then = float(np.nextafter(score, score.dtype.type(-1))), {"roi.score_threshold": float(score)}
    words = f"not there from roi.score_threshold {score:.4g} on"
    then = after_settings(trace, row, then)
    return Counterfactual("roi.score_threshold", now, less, float(score), words, then)


def _background(trace, row, verdict):
    most = (
        f"shares at most IoU {verdict.iou:.2f} with an object" if verdict.iou > 0 else "shares nothing with any object"
    )
    return most, [_not_reported(trace, row)]


def _short(trace, row, verdict, whose, min_iou):
    words = f"right with IoU {min_iou:g}: {min_iou - verdict.iou:.2f} more"
    said = Counterfactual("IoU", verdict.iou, verdict.iou, min_iou, words)
    return f"it has IoU {verdict.iou:.2f} with the box {whose}", [said, _not_reported(trace, row)]


def _duplicate(trace, row, verdict, its):
    better = trace.detections.scores[verdict.better]
    text = f"object {verdict.object}, a {its}, is found better with {better:.2f}, detection {verdict.better}"
    column = int(trace.detections.labels[row]) - 1
    boxes, scores, valid = class_group(trace, column)
    settings = "roi.nms_iou", trace.config.roi.nms_iou
    return text, stays(trace, row, *settings, boxes, scores, int(trace.origins[row]), valid)


def _wrong_class(trace, row, verdict, target, own, its):
    probabilities = trace.proposals.probabilities[trace.origins[row]]
    label = int(target.labels[verdict.object])
    gap = float(np.log(max(probabilities.max(), 1e-30)) - np.log(max(probabilities[label], 1e-30)))
    words = f"{its} would be the likeliest class with a logit {gap:.2f} higher"
    said = [Counterfactual("class logit", 0.0, 0.0, gap, words)] if gap > 0 else []  # else the second best shows, too
    text = f"object {verdict.object} is a {its}, which gets {probabilities[label]:.2g}; IoU {verdict.iou:.2f}"
    return text, [*said, _not_reported(trace, row)]


def _poor_mask(trace, row, verdict, target, min_iou):
    truth = truth_mask(target, verdict.object)
    said = mask_limits(soft_mask(trace, row), truth, trace.config.roi.mask_threshold, min_iou)
    text = f"the box has IoU {verdict.iou:.2f} with object {verdict.object}, the mask {verdict.mask_iou:.2f}"
    return text + ("" if said else "; no threshold would do"), said


def truth_mask(target, number):
    """The mask of one object, (H, W) bool, or None."""
    return None if target.masks is None else np.asarray(target.masks[number], bool)
