"""Why an object was missed, told again in plain loops, and traces in which boxes lie anywhere."""

import dataclasses

import numpy as np
from tiny_model import tiny_config

from tinymaskrcnn.explain.fate import STAGES
from tinymaskrcnn.explain.trace import Anchors, Candidates, DetectionTrace, Proposals
from tinymaskrcnn.structures import Detections

CLASSES = ("background", "flat", "tall", "round", "odd")
OBJECT = (20.0, 20.0, 40.0, 40.0)
MIN_IOU, MIN_SCORE = 0.5, 0.5


def drawn_trace(rng, lost, label):
    """A trace in which no box fits the object from the stage `lost` on, and where some fit before it."""
    names = [name for name, _ in STAGES]
    reached = lambda name: names.index(name) < lost  # noqa: E731
    fits = lambda count, share=0.3: _boxes(rng, rng.random(count) < share)  # noqa: E731
    columns = np.arange(4) if label is None else np.array([label - 1])
    R, P, D = 14, 12, 6

    anchors = Anchors(
        fits(20) if reached("anchors") else fits(20, 0),
        fits(20) if reached("deltas") else fits(20, 0),
        _scores(rng, 20),
        rng.integers(2, 5, 20),
        rng.permutation(40)[:20],
    )
    kept = rng.random(R) < 0.7
    found = fits(R) if reached("top-n") else fits(R, 0)
    if not reached("RPN NMS"):
        found[kept] = fits(kept.sum(), 0)
    scores = _scores(rng, R)
    scores[kept] = (1 + scores[kept]) / 2  # what NMS keeps is mostly better
    candidates = Candidates(found, scores, rng.integers(2, 5, R), np.arange(R), kept)

    refined = fits(P * 4).reshape(P, 4, 4)
    likely, chosen = rng.random((P, 4)) < 0.7, rng.random((P, 4)) < 0.7
    if not reached("box deltas"):
        refined[:, columns] = fits(P * len(columns), 0).reshape(P, -1, 4)
    fitting = _iou(refined.reshape(-1, 4)).reshape(P, 4) >= MIN_IOU
    ours = np.isin(np.arange(4), columns)
    likely = likely & ~(fitting & ours & (not reached("class score")))
    chosen = likely & chosen & ~(fitting & ours & (not reached("final NMS")))
    scores = rng.random((P, 5)).astype(np.float32)
    proposals = Proposals(
        fits(P) if reached("proposals") else fits(P, 0),
        _scores(rng, P),
        np.zeros(P, int),
        rng.integers(2, 5, P),
        scores / scores.sum(axis=1, keepdims=True),
        refined,
        likely,
        chosen,
    )
    labels = rng.integers(1, 5, D)
    found = fits(D, 0.6)
    low = _scores(rng, D)
    masks = np.zeros((D, 64, 64), bool)
    for mask in masks[:, 20:40, 20:40]:
        mask[: rng.integers(1, 20)] = True
    ours = np.ones(D, bool) if label is None else labels == label
    if not reached("detections"):
        found[ours] = fits(ours.sum(), 0)
    if not reached("shown"):
        low[ours & (_iou(found) >= MIN_IOU)] *= 0.5
    if not reached("mask"):
        masks[ours & (_iou(found) >= MIN_IOU), 30:] = False
        masks[:, 29] = False
    config = dataclasses.replace(tiny_config(), num_classes=5, class_names=CLASSES)
    return DetectionTrace(
        np.zeros((64, 64, 1), np.float32),
        [],
        anchors,
        candidates,
        proposals,
        Detections(found, labels, low, masks),
        rng.integers(0, P, D),
        None,
        config,
    )


def _boxes(rng, fits):
    """(n, 4): close to the object, or beside it."""
    aside = rng.choice([-1, 1], (len(fits), 2)) * rng.uniform(9, 14, (len(fits), 2))
    shift = np.where(fits[:, None], rng.uniform(-3, 3, (len(fits), 2)), aside)
    return (np.array(OBJECT) + np.tile(shift, 2) + rng.uniform(-1, 1, (len(fits), 4))).astype(np.float32)


def _scores(rng, count):
    return rng.uniform(0.1, 0.99, count).astype(np.float32)


def _iou(boxes, other=OBJECT):
    """IoU (n,) of boxes (n, 4) with one, by the formula."""
    found = np.zeros(len(boxes))
    for k, (x1, y1, x2, y2) in enumerate(np.asarray(boxes, float)):
        u1, v1, u2, v2 = map(float, other)
        shared = max(min(x2, u2) - max(x1, u1), 0) * max(min(y2, v2) - max(y1, v1), 0)
        found[k] = shared / ((x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - shared)
    return found


# ---------------------------------------------------------------- told again


def told(trace, stage, label, mask):
    """(numbers in the order of the sentence, culprit or None) of an object that is lost at a stage."""
    anchors, candidates, proposals, found = trace.anchors, trace.candidates, trace.proposals, trace.detections
    config, columns = trace.config, range(4) if label is None else [label - 1]
    pairs = [(r, c) for r in range(len(proposals.boxes)) for c in columns if _fit(proposals.refined[r, c])]
    sure = lambda pair: proposals.probabilities[pair[0], pair[1] + 1]  # noqa: E731
    shown = [k for k in range(len(found)) if found.labels[k] - 1 in columns and _fit(found.boxes[k])]
    mask_iou = [(m & mask).sum() / (m | mask).sum() for m in found.masks]
    best = max(shown, key=lambda k: (mask_iou[k] >= MIN_IOU, found.scores[k]), default=None)
    if stage == "anchors":
        k = int(np.argmax(_iou(anchors.boxes)))
        return [anchors.level[k], _iou(anchors.boxes)[k], MIN_IOU], anchors.boxes[k]
    if stage == "deltas":
        k = int(np.argmax(_iou(anchors.boxes)))
        return [_iou(anchors.boxes)[k], _iou(anchors.moved)[k]], anchors.moved[k]
    if stage == "top-n":
        k = min((k for k in range(len(anchors.moved)) if _fit(anchors.moved[k])), key=lambda k: anchors.rank[k])
        limit = config.rpn.pre_nms_top_n[1]
        return [anchors.objectness[k], anchors.rank[k] + 1, anchors.level[k], limit], anchors.moved[k]
    if stage == "RPN NMS":
        k = max((k for k in range(len(candidates.boxes)) if _fit(candidates.boxes[k])), key=candidates.scores.item)
        level = candidates.level[k]
        rivals = [i for i in np.flatnonzero(candidates.kept) if candidates.level[i] == level]
        rivals = [(candidates.boxes[i], candidates.scores[i]) for i in rivals]
        told = _suppressed(candidates.boxes[k], candidates.scores[k], rivals, config.rpn.nms_iou)
        return [level, *told[0]], told[1]
    if stage == "proposals":
        order = sorted(np.flatnonzero(candidates.kept), key=lambda k: -candidates.scores[k])
        rank = next(n for n, k in enumerate(order) if _fit(candidates.boxes[k]))
        k = order[rank]
        return [candidates.scores[k], rank + 1, config.rpn.post_nms_top_n[1]], candidates.boxes[k]
    if stage == "box deltas":
        r = int(np.argmax(_iou(proposals.boxes)))
        c = max(columns, key=lambda c: _iou(proposals.refined[r, c, None])[0])
        return [_iou(proposals.boxes)[r], _iou(proposals.refined[r, c, None])[0]], proposals.refined[r, c]
    if stage == "class score":
        r, c = max(pairs, key=sure)
        winner = int(np.argmax(proposals.probabilities[r]))
        numbers = [CLASSES[c + 1], sure((r, c)), config.roi.score_threshold]
        return [*numbers, CLASSES[winner], proposals.probabilities[r, winner]], proposals.refined[r, c]
    if stage == "final NMS":
        r, c = max((p for p in pairs if proposals.likely[p]), key=sure)
        rivals = [(proposals.refined[i, c], sure((i, c))) for i in np.flatnonzero(proposals.kept[:, c])]
        told = _suppressed(proposals.refined[r, c], sure((r, c)), rivals, config.roi.nms_iou)
        return [CLASSES[c + 1], *told[0]], told[1]
    if stage == "detections":
        r, c = max((p for p in pairs if proposals.kept[p]), key=sure)
        better = [1 for i, j in zip(*np.nonzero(proposals.kept)) if sure((i, j)) > sure((r, c))]
        return [sure((r, c)), 1 + len(better), config.roi.detections_per_image], proposals.refined[r, c]
    if stage == "shown":
        said = proposals.probabilities[trace.origins[best]]
        winner = int(np.argmax(said))
        return [found.scores[best], MIN_SCORE, CLASSES[winner], said[winner]], found.boxes[best]
    if stage == "mask":
        return [mask_iou[best], MIN_IOU], found.boxes[best]
    return [found.scores[best], _iou(found.boxes)[best]], None


def _fit(box):
    return _iou([box])[0] >= MIN_IOU


def _suppressed(box, score, rivals, limit):
    """The rival, no worse than a box, that shares most with it."""
    rival, its = max(((b, s) for b, s in rivals if s >= score), key=lambda pair: _iou([pair[0]], box)[0])
    return [score, _iou([rival], box)[0], limit, its, _iou([rival])[0]], rival
