"""A drawn scene on its way through a detector: what each stage hands to the next, as arrays and words for a page."""

from dataclasses import dataclass, replace

import numpy as np

from tinymaskrcnn.explain import Explanation, trace_detection, what_if, why_missed
from tinymaskrcnn.explain.chain import name_of
from tinymaskrcnn.explain.detection_steps import grid_of
from tinymaskrcnn.explain.missed import missed_chain
from tinymaskrcnn.ops import roi_align
from tinymaskrcnn.ops.boxes import iou_matrix

from . import markup, words
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
    found, places = trace.detections, _places(scene)
    detections = [_detection(told, scene, k) for k in range(len(told))]
    return {
        "image": np.rint(255 * scene.image[:, :, 0]).astype(np.uint8),
        "digits": places,
        "levels": [_level(trace, index) for index in range(len(trace.pyramid))],
        "nms": _nms(trace),
        "detections": detections,
        "owner": _owner(found.masks[: len(told)]),
        "missed": [_missed(told, scene, m) for m in told.missed],
        "words": words.summary([one["verdict"] for one in detections], sum(place is not None for place in places)),
    }


def _nms(trace):
    """The boxes on both sides of NMS, the likeliest last, each (x1, y1, x2, y2, score, place of its map); in words."""
    candidates, proposals = trace.candidates, trace.proposals
    first, last = f"{len(trace.anchors.boxes)} anchors", f"{int(candidates.kept.sum())} stay"
    return {
        "before": {
            "boxes": _drawn(trace, candidates),
            "words": f"{first}, the {len(candidates.boxes)} likeliest go on",
        },
        "after": {
            "boxes": _drawn(trace, proposals),
            "words": f"{last}, the best {len(proposals.boxes)} become proposals",
        },
    }


def _drawn(trace, boxes):
    map_of = boxes.level - trace.config.backbone.levels[0]
    return np.column_stack([boxes.boxes, boxes.scores, map_of])[::-1].astype(np.float32)


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
    maps = [_spread(features), np.sqrt(objectness.max(axis=2))]  # the root: little shows, too
    return {"name": name, "maps": maps}


def _spread(values):
    """Values from their least to their most  ->  0..1"""
    low, high = values.min(), values.max()
    return (values - low) / max(high - low, np.finfo(values.dtype).tiny)


def _detection(told, scene, k):
    found, verdict = scene.trace.detections, told.verdicts[k]
    digit = None if verdict.object is None else int(scene.which[verdict.object])
    named = digit is not None and scene.sketch.digits[digit].digit is not None
    kind = "found" if verdict.kind == "right" and not named else verdict.kind
    box, score = found.boxes[k].tolist(), float(found.scores[k])
    name = name_of(scene.trace.config, found.labels[k])
    told = {"box": box, "name": name, "score": score, "verdict": kind, "iou": verdict.iou, "digit": digit}
    return told | words.of_detection(name, score, kind)


def _wanted(told, scene, m):
    """How `why_missed` is asked about an object: any class, where nobody named it."""
    digit = scene.sketch.digits[scene.which[m]].digit
    label = None if digit is None else digit + 1
    return {"label": label, "mask": scene.target.masks[m], "min_iou": FITS, "min_score": told.min_score}


def _missed(told, scene, m):
    digit, box = int(scene.which[m]), scene.target.boxes[m].tolist()
    stage = _fate(told, scene, m).stage
    return {"digit": digit, "box": box, "stage": stage, "label": words.label("missed", stage)}


def _fate(told, scene, m):
    return why_missed(scene.trace, scene.target.boxes[m], **_wanted(told, scene, m))


# ---------------------------------------------------------------- one thing


def of_cell(scene, level, row, column):
    """The anchors over a cell of a map, from the smallest ratio on, where their deltas move them, and what is said.

    place: of the cell in the picture, as x, y, width, height.
    """
    trace, number = scene.trace, level + scene.trace.config.backbone.levels[0]
    height, width = trace.pyramid[level].shape[:2]
    rows = np.flatnonzero(trace.anchors.level == number).reshape(height, width, -1)[row, column]
    anchors = trace.anchors
    told = {name: getattr(anchors, name)[rows].tolist() for name in ("boxes", "moved", "objectness", "rank")}
    count, stride = int((anchors.level == number).sum()), 2**number
    told |= {"place": [column * stride, row * stride, stride, stride]}
    each = zip(told["boxes"], told["objectness"], told["rank"])
    title = f"{trace.config.backbone.level_name(number)}, row {row}, column {column}:"
    return told | {"html": markup.of_cell(title, [words.of_anchor(*one, count) for one in each])}


def of_detection(scene, k):
    """What the heads read and said of detection k: the points of its RoI, the crop, every class, its mask.

    window: what is shown of the picture, as x, y, width, height; lines: between the bins; crop: from 0 to 1.
    """
    trace, grid = scene.trace, grid_of(scene.trace, k)
    origin, config = trace.origins[k], trace.config
    level = int(trace.proposals.level[origin])
    features = trace.pyramid[level - config.backbone.levels[0]][None]
    how = {"output_size": config.roi.box_size, "scale": 1 / 2**level, "samples": config.roi.sampling_ratio}
    rois = trace.proposals.boxes[origin][None]
    crop, _ = roi_align.roi_align_forward(
        features, rois, image_index=np.zeros(1, int), aligned=config.roi.aligned, **how
    )
    strength = np.sqrt((crop[0].astype(np.float64) ** 2).mean(axis=2))
    probabilities = trace.proposals.probabilities[origin].tolist()
    caption = f"{words.size_of(rois[0])}, read from {config.backbone.level_name(level)}; dashed: after its deltas"
    return {
        "roi": rois[0].tolist(),
        "box": trace.detections.boxes[k].tolist(),
        "window": _window(rois[0]),
        "lines": _lines(rois[0].tolist(), grid),
        "dots": [[x, y] for x in grid.x.tolist() for y in grid.y.tolist()],
        "words": caption,
        "crop": strength / max(strength.max(), np.finfo(strength.dtype).tiny),
        "probabilities": probabilities,
        "html": markup.of_classes(config.class_names, probabilities),
        "mask": trace.mask_probabilities[k],
    }


def _window(box):
    """The square around a box of which something more is seen than the box."""
    side = 1.35 * max(box[2] - box[0], box[3] - box[1], 8)
    return [float((box[0] + box[2] - side) / 2), float((box[1] + box[3] - side) / 2), float(side), float(side)]


def _lines(box, grid):
    """The edges of the bins of a box, each as two points."""
    x1, y1, x2, y2 = box
    upright = [[[x, y1], [x, y2]] for x in grid.x_edges.tolist()]
    return upright + [[[x1, y], [x2, y]] for y in grid.y_edges.tolist()]


def chain_of(scene, min_score, k):
    """The chain of detection k in words: {"title", "steps": [{"name", "text", "others": [text]}], "html": the steps}"""
    told = explained(scene, min_score)
    if not len(told):
        text = "Nothing is found that could be explained."
        return {"title": text, "steps": [], "html": f"<li>{text}</li>"}
    chain = _told(told.chain(k))
    return chain | {"html": markup.of_steps(chain["steps"])}


def missed_ones(scene, min_score, most):
    """Where each missed digit was lost, and of the first `most` what would have had to be otherwise: {"missed", "html"}

    missed: [{"digit", "stage", "reason", "steps", "funnel": [(stage, share, count)]}]
    """
    told, said = explained(scene, min_score), []
    for place, m in enumerate(told.missed):
        fate = _fate(told, scene, m)
        reason = "a detection fits it, and counts for another digit" if fate.stage == "found" else fate.reason
        steps = _steps_of(told, scene, m) if place < most else []
        one = {"digit": int(scene.which[m]), "stage": fate.stage, "reason": reason}
        said.append(one | {"steps": steps, "funnel": _funnel(fate)})
    return {"missed": said, "html": markup.of_missed(said)}


def _steps_of(told, scene, m):
    wanted = _wanted(told, scene, m)
    return _told(missed_chain(scene.trace, scene.target.boxes[m], wanted.pop("label"), **wanted))["steps"]


def _funnel(fate):
    """The stages up to the one where an object was lost: how many boxes fit it after each, as a share of the most.

    The share is one of logarithms, since there are thousands at first and few at last.
    """
    stages, most = list(fate.counts), np.log1p(max(1, *fate.counts.values()))
    passed = stages[: stages.index(fate.stage) + 1] if fate.stage in stages else []
    return [(name, float(np.log1p(fate.counts[name]) / most), int(fate.counts[name])) for name in passed]


def _told(chain):
    steps = [{"name": s.name, "text": s.text, "others": [str(o) for o in s.counterfactuals]} for s in chain.steps]
    return {"title": chain.title, "steps": steps}
