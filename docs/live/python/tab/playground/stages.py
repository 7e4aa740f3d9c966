"""A drawn scene on its way through a detector: what each stage hands to the next, as arrays and words for a page."""

from dataclasses import dataclass, replace

import numpy as np

from tinymaskrcnn.explain import Explanation, trace_detection, what_if, why_missed
from tinymaskrcnn.explain.chain import name_of
from tinymaskrcnn.explain.detection_steps import grid_of
from tinymaskrcnn.explain.missed import missed_chain
from tinymaskrcnn.ops import roi_align
from tinymaskrcnn.ops.boxes import iou_matrix

from .sketch import draw_sketch

FITS = 0.5  # IoU from which on a box fits a digit


@dataclass(frozen=True)
class Scene:
    """A Sketch that was looked at: its picture, its true objects, the digit that each of them is, and the trace."""

    sketch: object
    image: np.ndarray
    target: object
    which: np.ndarray
    trace: object


def see(model, sketch):
    """Draw a Sketch and look at it once: MaskRCNN in eval mode, Sketch  ->  Scene"""
    image, target, which = draw_sketch(sketch)
    return Scene(sketch, image, target, which, trace_detection(model, image))


def decided(scene, settings):
    """The same look, decided with other settings ({"rpn.nms_iou": 0.5}); the network is not asked again."""
    return replace(scene, trace=what_if(scene.trace, settings)) if settings else scene


def explained(scene, min_score):
    """An Explanation of the detections from min_score on.

    A digit that nobody named counts as what the surest detection that fits it calls it.
    """
    return Explanation(scene.trace, replace(scene.target, labels=_labels(scene, min_score)), min_score, FITS)


def _labels(scene, min_score):
    labels, found = scene.target.labels.copy(), scene.trace.detections
    overlap = iou_matrix(scene.target.boxes.astype(found.boxes.dtype), found.boxes)
    for m, number in enumerate(scene.which):
        fits = np.flatnonzero((overlap[m] >= FITS) & (found.scores >= min_score))
        if scene.sketch.digits[number].digit is None and len(fits):
            labels[m] = found.labels[fits[0]]
    return labels


# ---------------------------------------------------------------- all of it


def overview(scene, min_score):
    """Every stage of a Scene: the picture, the maps, all boxes before and after NMS, what is found, what is missed."""
    trace, told = scene.trace, explained(scene, min_score)
    candidates, proposals, found = trace.candidates, trace.proposals, trace.detections
    return {
        "image": np.rint(255 * scene.image[:, :, 0]).astype(np.uint8),
        "digits": _places(scene),
        "levels": [_level(trace, index) for index in range(len(trace.pyramid))],
        "counts": {"anchors": len(trace.anchors.boxes), "kept": int(candidates.kept.sum())},
        "candidates": {"boxes": candidates.boxes, "scores": candidates.scores, "level": candidates.level},
        "proposals": {"boxes": proposals.boxes, "scores": proposals.scores, "level": proposals.level},
        "detections": [_detection(told, scene, k) for k in range(len(told))],
        "owner": _owner(found.masks[: len(told)]),
        "missed": [_missed(told, scene, m) for m in told.missed],
    }


def _owner(masks):
    """To which mask each pixel belongs, the best first: masks (D, H, W)  ->  (H, W) uint8, from 1; 0: to none"""
    owner = np.zeros(masks.shape[1:], np.uint8)
    for k in reversed(range(len(masks))):
        owner[masks[k]] = k + 1
    return owner


def _places(scene):
    """Where each digit of the sketch can be seen: its box, or None."""
    boxes = {int(number): box.tolist() for number, box in zip(scene.which, scene.target.boxes)}
    return [boxes.get(number) for number in range(len(scene.sketch.digits))]


def _level(trace, index):
    number = index + trace.config.backbone.levels[0]
    features = np.sqrt((trace.pyramid[index].astype(np.float64) ** 2).mean(axis=2))
    of_level = trace.anchors.level == number
    objectness = trace.anchors.objectness[of_level].reshape(*features.shape, -1)
    name = trace.config.backbone.level_name(number)
    return {"name": name, "stride": 2**number, "features": features, "objectness": objectness.max(axis=2)}


def _detection(told, scene, k):
    found, verdict = scene.trace.detections, told.verdicts[k]
    digit = None if verdict.object is None else int(scene.which[verdict.object])
    named = digit is not None and scene.sketch.digits[digit].digit is not None
    kind = "found" if verdict.kind == "right" and not named else verdict.kind
    box, score = found.boxes[k].tolist(), float(found.scores[k])
    name = name_of(scene.trace.config, found.labels[k])
    return {"box": box, "name": name, "score": score, "verdict": kind, "iou": verdict.iou, "digit": digit}


def _wanted(told, scene, m):
    """How `why_missed` is asked about an object: any class, where nobody named it."""
    digit = scene.sketch.digits[scene.which[m]].digit
    label = None if digit is None else digit + 1
    return {"label": label, "mask": scene.target.masks[m], "min_iou": FITS, "min_score": told.min_score}


def _missed(told, scene, m):
    fate = why_missed(scene.trace, scene.target.boxes[m], **_wanted(told, scene, m))
    counts = {stage: int(count) for stage, count in fate.counts.items()}
    taken = "a detection fits it, and counts for another digit"
    reason = taken if fate.stage == "found" else fate.reason
    return {"object": m, "digit": int(scene.which[m]), "stage": fate.stage, "reason": reason, "counts": counts}


# ---------------------------------------------------------------- one thing


def of_cell(scene, level, row, column):
    """The anchors over a cell of a map, from the smallest ratio on, where their deltas move them, and what is said."""
    trace, number = scene.trace, level + scene.trace.config.backbone.levels[0]
    height, width = trace.pyramid[level].shape[:2]
    rows = np.flatnonzero(trace.anchors.level == number).reshape(height, width, -1)[row, column]
    anchors = trace.anchors
    told = {name: getattr(anchors, name)[rows].tolist() for name in ("boxes", "moved", "objectness", "rank")}
    return told | {"of": int((anchors.level == number).sum())}


def of_detection(scene, k):
    """What the heads read and said of detection k: the points of its RoI, the crop, every class, its mask."""
    trace, grid = scene.trace, grid_of(scene.trace, k)
    origin, config = trace.origins[k], trace.config
    level = int(trace.proposals.level[origin])
    features = trace.pyramid[level - config.backbone.levels[0]][None]
    how = {"output_size": config.roi.box_size, "scale": 1 / 2**level, "samples": config.roi.sampling_ratio}
    rois = trace.proposals.boxes[origin][None]
    crop, _ = roi_align.roi_align_forward(
        features, rois, image_index=np.zeros(1, int), aligned=config.roi.aligned, **how
    )
    points = {name: getattr(grid, name).tolist() for name in ("x", "y", "x_edges", "y_edges")}
    return {
        "roi": rois[0].tolist(),
        "box": trace.detections.boxes[k].tolist(),
        "level": config.backbone.level_name(level),
        "grid": points,
        "crop": np.sqrt((crop[0].astype(np.float64) ** 2).mean(axis=2)),
        "classes": list(config.class_names),
        "probabilities": trace.proposals.probabilities[origin].tolist(),
        "mask": trace.mask_probabilities[k],
    }


def chain_of(scene, min_score, k):
    """The chain of detection k in words: {"title", "steps": [{"name", "text", "others": [text]}]}"""
    return _told(explained(scene, min_score).chain(k))


def fate_of(scene, min_score, m):
    """The chain of a missed object: where it was lost, and what would have had to be otherwise."""
    told = explained(scene, min_score)
    wanted = _wanted(told, scene, m)
    return _told(missed_chain(scene.trace, scene.target.boxes[m], wanted.pop("label"), **wanted))


def _told(chain):
    steps = [{"name": s.name, "text": s.text, "others": [str(o) for o in s.counterfactuals]} for s in chain.steps]
    return {"title": chain.title, "steps": steps}
