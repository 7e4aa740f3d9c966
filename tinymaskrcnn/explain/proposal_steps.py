"""The steps of a detection up to its proposal: anchor, objectness, deltas, the RPN's NMS, the best over all levels."""

import numpy as np

from ..ops import boxes as box_ops
from .after import after_removal, after_settings
from .chain import Counterfactual, Step, moved, ordinal, place_of, plural, size_of
from .thresholds import limit_of_nms, limit_of_sides, suppressors

LISTED = 2  # boxes that were suppressed, told one by one


def proposal_steps(trace, row):
    """Of detection `row`: DetectionTrace  ->  [Step]"""
    origin = trace.origins[row]
    if trace.anchors is None:
        count = len(trace.proposals.boxes)
        box = trace.proposals.boxes[origin]
        text = f"{size_of(box)} {place_of(box)}, number {origin + 1} of {count} that came with the picture"
        return [Step("proposal", text, {"number": int(origin) + 1, "of": count})]
    anchor = int(trace.proposals.anchor[origin])
    candidate = int(np.flatnonzero(trace.candidates.anchor == anchor)[0])
    return [
        _anchor(trace, row, anchor),
        _objectness(trace, row, anchor),
        _deltas(trace, row, anchor, candidate),
        _rpn_nms(trace, row, candidate),
        _best_of_all(trace, row, origin),
    ]


def anchor_place(trace, anchor):
    """Where an anchor stands: {"level", "row", "column", "size", "ratio", "number" and "of" within its level}."""
    config, level = trace.config, int(trace.anchors.level[anchor])
    of_level = np.flatnonzero(trace.anchors.level == level)
    index = level - config.backbone.levels[0]
    height, width = trace.pyramid[index].shape[:2]
    sizes, ratios = config.rpn.anchor_sizes[index], config.rpn.anchor_ratios
    cell, shape = divmod(int(anchor - of_level[0]), len(sizes) * len(ratios))  # all sizes of a ratio stand together
    place = {"level": level, "row": cell // width, "column": cell % width, "cells": (height, width)}
    return place | {"size": sizes[shape % len(sizes)], "ratio": ratios[shape // len(sizes)], "of": len(of_level)}


def _anchor(trace, row, anchor):
    place = anchor_place(trace, anchor)
    rows, columns = place["cells"]
    text = (
        f"{size_of(trace.anchors.boxes[anchor])} (size {place['size']:g}, height/width {place['ratio']:g}) on "
        f"{trace.config.backbone.level_name(place['level'])}, row {place['row']} of {rows}, "
        f"column {place['column']} of {columns}"
    )
    iou = _iou(trace.anchors.boxes[anchor], trace.detections.boxes[row])
    score = float(trace.anchors.objectness[anchor])
    said = Counterfactual("objectness", score, score, 0.0, "without this anchor", after_removal(trace, row, anchor))
    return Step("anchor", f"{text}; IoU {iou:.2f} with the detection", place | {"iou": iou}, (said,))


def _objectness(trace, row, anchor):
    anchors, limit = trace.anchors, trace.config.rpn.pre_nms_top_n[1]
    level, rank = anchors.level[anchor], int(anchors.rank[anchor])
    of_level = anchors.level == level
    count, score = int(of_level.sum()), float(anchors.objectness[anchor])
    where = trace.config.backbone.level_name(int(level))
    text = f"{score:.4g}, {ordinal(rank + 1)} of {count} on {where}; {min(limit, count)} go on"
    said = _needs(trace, row, "rpn.pre_nms_top_n", limit, rank)
    if count > limit:
        next_one = float(anchors.objectness[of_level & (anchors.rank == limit)][0])
        words = f"goes on above {next_one:.4g}, the objectness of number {limit + 1}"
        said.append(Counterfactual("objectness", score, score, next_one, words, after_removal(trace, row, anchor)))
    return Step("objectness", text, {"objectness": score, "rank": rank + 1, "of": count}, tuple(said))


def _needs(trace, row, setting, limit, rank):
    """That a number of boxes must be more than a rank; nothing could stop the first."""
    if rank == 0:
        return []
    then = after_settings(trace, row, {setting: rank})
    words = f"goes on from {setting} {rank + 1} on"
    return [Counterfactual(setting, limit, rank + 1, rank, words, then)]


def too_small(trace, row, setting, group, me, valid):
    """Up to which least side of all boxes the box `me` of an NMS's group goes on."""
    part, name = setting.split(".")
    config = getattr(trace.config, part)
    boxes, scores = group
    side = limit_of_sides(boxes, scores, config.nms_iou, me, valid=valid)
    more = float(np.nextafter(side, side.dtype.type(np.inf)))
    words = f"goes on up to {setting} {side:.4g}"
    if side < np.min(boxes[me, 2:] - boxes[me, :2]):
        words += ": without a smaller box another one stays, which suppresses it"
    then = after_settings(trace, row, {setting: more})
    return Counterfactual(setting, getattr(config, name), float(side), more, words, then)


def _deltas(trace, row, anchor, candidate):
    before, after = trace.anchors.boxes[anchor], trace.anchors.moved[anchor]
    text = f"{moved(before, after)}: {size_of(after)} {place_of(after)}"
    rows, valid = rpn_group(trace, candidate)
    group = trace.candidates.boxes[rows], trace.candidates.scores[rows]
    said = too_small(trace, row, "rpn.min_size", group, int(np.searchsorted(rows, candidate)), valid)
    return Step("deltas", text, {"before": before.tolist(), "after": after.tolist()}, (said,))


def rpn_group(trace, candidate):
    """The candidates that one competes with, and which of them have an area: rows (n,) int, valid (n,) bool."""
    candidates = trace.candidates
    rows = np.flatnonzero(candidates.level == candidates.level[candidate])
    sides = candidates.boxes[rows, 2:] - candidates.boxes[rows, :2]
    return rows, (sides >= trace.config.rpn.min_size).all(axis=1)


def _rpn_nms(trace, row, candidate):
    candidates, now = trace.candidates, trace.config.rpn.nms_iou
    rows, valid = rpn_group(trace, candidate)
    group = candidates.boxes[rows], candidates.scores[rows]
    text, numbers = suppression(*group, candidates.kept[rows], now, int(np.searchsorted(rows, candidate)), valid)
    said = stays(trace, row, "rpn.nms_iou", now, *group, int(np.searchsorted(rows, candidate)), valid)
    where = trace.config.backbone.level_name(int(candidates.level[candidate]))
    return Step("RPN NMS", f"stays among {plural(len(rows), 'box', 'boxes')} of {where}; {text}", numbers, said)


def suppression(boxes, scores, kept, threshold, me, valid):
    """Whom the box `me` of a group suppressed, in words and numbers."""
    by, shared = suppressors(boxes, scores, kept, threshold, valid=valid)
    victims = np.flatnonzero(by == me)
    victims = victims[np.argsort(-scores[victims], kind="stable")]
    listed = ", ".join(f"one of {scores[v]:.2g} at IoU {shared[v]:.2f}" for v in victims[:LISTED])
    more = f" and {len(victims) - LISTED} more" if len(victims) > LISTED else ""
    text = f"suppressed {plural(len(victims), 'box', 'boxes')}{f': {listed}{more}' if len(victims) else ''}"
    numbers = {"suppressed": len(victims), "scores": scores[victims].tolist(), "ious": shared[victims].tolist()}
    return text, numbers | {"boxes": boxes[victims].tolist()}


def stays(trace, row, setting, now, boxes, scores, me, valid):
    """Down to which IoU of an NMS a box that stayed would stay: only better ones can end it."""
    better = np.flatnonzero(np.argsort(np.argsort(-scores, kind="stable")) <= _place(scores, me))
    place = int(np.searchsorted(better, me))
    group = boxes[better], scores[better]
    limit = limit_of_nms(*group, now, lambda kept: not kept[place], valid=valid[better])
    if limit is None:
        return ()
    other = float(np.nextafter(boxes.dtype.type(limit), boxes.dtype.type(-1)))
    then = after_settings(trace, row, {setting: other})
    return (Counterfactual(setting, now, limit, other, f"stays down to {setting} {limit:.4g}", then),)


def _place(scores, me):
    """The place of a box in the order of scores."""
    return int(np.argsort(np.argsort(-scores, kind="stable"))[me])


def _best_of_all(trace, row, origin):
    proposals, limit = trace.proposals, trace.config.rpn.post_nms_top_n[1]
    kept = int(trace.candidates.kept.sum())
    text = f"{ordinal(origin + 1)} of {kept} over all levels; {min(limit, kept)} become proposals"
    numbers = {"rank": int(origin) + 1, "of": kept, "score": float(proposals.scores[origin])}
    return Step("proposals", text, numbers, tuple(_needs(trace, row, "rpn.post_nms_top_n", limit, int(origin))))


def _iou(a, b):
    return float(box_ops.iou_matrix(a[None], b[None].astype(a.dtype))[0, 0])
