"""The steps of a detection from its proposal on: level, grid, class, deltas, NMS of its class, the best, mask."""

import numpy as np

from ..models.postprocess import paste_masks
from ..models.roi_heads import assign_levels
from .after import after_settings
from .chain import Counterfactual, Step, moved, name_of, ordinal, place_of, plural, size_of
from .proposal_steps import stays, suppression, too_small
from .sampling import sample_grid


def detection_steps(trace, row, *, truth_mask=None, min_iou=0.5):
    """Of detection `row`: DetectionTrace, truth_mask (H, W) of its object, if it has one  ->  [Step]"""
    steps = [_level(trace, row), _grid(trace, row), _class(trace, row), _deltas(trace, row), _nms(trace, row)]
    steps.append(_best(trace, row))
    if trace.mask_probabilities is not None:
        steps.append(_mask(trace, row, truth_mask, min_iou))
    if trace.detections.keypoints is not None:
        steps.append(_keypoints(trace, row))
    return steps


# ---------------------------------------------------------------- what is cut out


def _level(trace, row):
    roi, config = trace.proposals.boxes[trace.origins[row]][None], trace.config.roi
    level, name = int(trace.proposals.level[trace.origins[row]]), trace.config.backbone.level_name
    seen = trace.config.backbone.levels[:4]  # the fifth serves the RPN only
    side = float(np.sqrt(max((roi[0, 2] - roi[0, 0]) * (roi[0, 3] - roi[0, 1]), 1e-12)))
    if len(seen) == 1:
        return Step("level", f"{name(level)}, the only map", {"level": level, "side": side})
    exact = config.canonical_level + np.log2(side / config.canonical_size)
    text = (
        f"{name(level)}: √(w·h) is {side:.1f} px, {config.canonical_level} + log2({side:.1f} / "
        f"{config.canonical_size:g}) is {exact:.2f}, rounded down"
    )
    text += (
        "" if seen[0] <= np.floor(exact + 1e-6) <= seen[-1] else f", no level but {name(seen[0])} to {name(seen[-1])}"
    )
    rule = {"canonical_level": config.canonical_level, "lowest": seen[0], "highest": seen[-1]}
    said = []
    for other in (level - 1, level + 1):
        if seen[0] <= other <= seen[-1]:
            said.append(_other_level(roi, level, other, config.canonical_size, rule, name, side))
    return Step("level", text, {"level": level, "side": side, "exact": float(exact)}, tuple(said))


def _other_level(roi, level, other, now, rule, name, side):
    """The canonical size from which on a RoI is cut from the next level, found by halving."""
    here, there = now, now * (4.0 if other < level else 0.25)
    while int(assign_levels(roi, canonical_size=there, **rule)[0]) == level:
        there = there * (2.0 if other < level else 0.5)
    while (middle := (here + there) / 2) not in (here, there):
        if int(assign_levels(roi, canonical_size=middle, **rule)[0]) == level:
            here = middle
        else:
            there = middle
    below = other < level
    words = (
        f"{name(other)} {'below' if below else 'from'} a side of {side * now / here:.1f} px, "
        f"or {'above' if below else 'up to'} roi.canonical_size {here if below else there:.4g}"
    )
    return Counterfactual("roi.canonical_size", now, here, there, words)


def grid_of(trace, row):
    """The SampleGrid of the box head's crop for detection `row`."""
    origin = trace.origins[row]
    level = int(trace.proposals.level[origin])
    shape = trace.pyramid[level - trace.config.backbone.levels[0]].shape
    config = trace.config.roi
    return sample_grid(trace.proposals.boxes[origin], level, shape, config, size=config.box_size)


def _grid(trace, row):
    grid, config = grid_of(trace, row), trace.config.roi
    size, points = config.box_size, len(grid.x) * len(grid.y)
    how = {
        "align": f"RoIAlign, {points} points in {size}x{size} bins",
        "pool": f"RoIPool, the largest of whole cells in {size}x{size} bins, {points} cells in all",
        "warp": f"RoIWarp, {points} points, the largest of each 2x2 of them",
        "prroi": f"PrRoIPool, the mean over each of {size}x{size} bins",
    }[config.pooling]
    text = (
        f"{how}; a bin is {np.diff(grid.x_edges)[0] / grid.cell:.2f} x {np.diff(grid.y_edges)[0] / grid.cell:.2f} cells"
    )
    effect = "nothing changes in the crop" if config.pooling == "pool" else "it reads the same cells, in other shares"
    words = f"moved by less than {grid.shift:.3g} px {effect}"
    said = (Counterfactual("shift", 0.0, 0.0, grid.shift, words),) if np.isfinite(grid.shift) else ()
    return Step("grid", text, {"points": points, "cell": grid.cell, "shift": grid.shift}, said)


# ---------------------------------------------------------------- what it is


def _class(trace, row):
    probabilities, label = trace.proposals.probabilities[trace.origins[row]], int(trace.detections.labels[row])
    others = np.where(np.arange(len(probabilities)) == label, -1, probabilities)
    rival = int(np.argmax(others))
    score, second = probabilities[label], probabilities[rival]
    logit = float(np.log(max(score, 1e-30)) - np.log(max(second, 1e-30)))
    own, its = name_of(trace.config, label), name_of(trace.config, rival)
    order = "before" if score >= second else "behind"
    text = f"{own} {score:.4g}, {abs(score - second):.4g} {order} {its} {second:.2g}"
    now, less = trace.config.roi.score_threshold, float(np.nextafter(score, score.dtype.type(-1)))
    threshold = Counterfactual(
        *("roi.score_threshold", now, less, float(score), f"goes on below roi.score_threshold {score:.4g}"),
        after_settings(trace, row, {"roi.score_threshold": float(score)}),
    )
    words = f"{its if logit >= 0 else own} would be the likeliest class with a logit {abs(logit):.2f} higher"
    margin = Counterfactual("class logit", 0.0, 0.0, abs(logit), words)
    numbers = {"score": float(score), "second": rival, "second_score": float(second), "margin": float(score - second)}
    return Step("class", text, numbers | {"logit_margin": logit}, (threshold, margin))


def _deltas(trace, row):
    before, after = trace.proposals.boxes[trace.origins[row]], trace.detections.boxes[row]
    text = f"{moved(before, after)}: {size_of(after)} {place_of(after)}"
    boxes, scores, valid = class_group(trace, int(trace.detections.labels[row]) - 1)
    said = too_small(trace, row, "roi.min_size", (boxes, scores), int(trace.origins[row]), valid)
    return Step("box deltas", text, {"before": before.tolist(), "after": after.tolist()}, (said,))


def class_group(trace, column):
    """All boxes of a class, their scores, and which take part in NMS: (P, 4), (P,), (P,) bool"""
    proposals = trace.proposals
    boxes = proposals.refined[:, column]
    sound = (boxes[:, 2:] - boxes[:, :2] >= trace.config.roi.min_size).all(axis=1)
    return boxes, proposals.probabilities[:, column + 1], proposals.likely[:, column] & sound


def _nms(trace, row):
    origin, column = int(trace.origins[row]), int(trace.detections.labels[row]) - 1
    boxes, scores, valid = class_group(trace, column)
    now = trace.config.roi.nms_iou
    text, numbers = suppression(boxes, scores, trace.proposals.kept[:, column], now, origin, valid)
    name = name_of(trace.config, column + 1)
    text = f"stays among {plural(int(valid.sum()), 'box', 'boxes')} of class {name}; {text}"
    return Step("final NMS", text, numbers, stays(trace, row, "roi.nms_iou", now, boxes, scores, origin, valid))


def _best(trace, row):
    count, limit = int(trace.proposals.kept.sum()), trace.config.roi.detections_per_image
    said, text = [], f"{ordinal(row + 1)} of {count} in the picture; {min(limit, count)} are reported"
    if row:
        then = after_settings(trace, row, {"roi.detections_per_image": row})
        words = f"reported from roi.detections_per_image {row + 1} on"
        said = [Counterfactual("roi.detections_per_image", limit, row + 1, row, words, then)]
    return Step("detections", text, {"rank": row + 1, "of": count}, tuple(said))


# ---------------------------------------------------------------- the further heads


def soft_mask(trace, row):
    """The mask of detection `row` before the threshold, (H, W)."""
    height, width = trace.image.shape[:2]
    where = {"height": height, "width": width, "threshold": None, "mode": trace.config.roi.paste}
    return paste_masks(trace.mask_probabilities[row : row + 1], trace.detections.boxes[row : row + 1], **where)[0]


def _mask(trace, row, truth, min_iou):
    soft, now = soft_mask(trace, row), trace.config.roi.mask_threshold
    mask = trace.detections.masks[row]
    numbers = {"pixels": int(mask.sum()), "highest": float(soft.max())}
    text = f"{plural(numbers['pixels'], 'pixel')} from {now:g} on, the surest at {soft.max():.3g}"
    if trace.detections.mask_scores is not None:
        own, score = float(trace.detections.mask_scores[row]), float(trace.detections.scores[row])
        numbers |= {"mask_score": own, "predicted_iou": own / score if score else 0.0}
        text += f"; the model thinks that it has IoU {numbers['predicted_iou']:.2f}, which ranks it with {own:.2f}"
    if truth is None:
        more = float(np.nextafter(soft.max(), soft.dtype.type(2)))
        words = f"empty above roi.mask_threshold {soft.max():.4g}"
        said = (
            (Counterfactual("roi.mask_threshold", now, float(soft.max()), more, words),)
            if more <= 1 and mask.any()
            else ()
        )
        return Step("mask", text, numbers, said)
    iou = float((mask & truth).sum() / max((mask | truth).sum(), 1))
    return Step(
        "mask",
        f"{text}; IoU {iou:.2f} with the object's",
        numbers | {"iou": iou},
        mask_limits(soft, truth, now, min_iou),
    )


def mask_limits(soft, truth, now, min_iou):
    """The thresholds, nearest to the present one on either side, at which a mask begins or ceases to fit."""
    order = np.argsort(-soft, axis=None, kind="stable")
    values, inside = soft.ravel()[order], np.cumsum(truth.ravel()[order])
    last = np.flatnonzero(np.append(np.diff(values) != 0, True))  # a threshold takes all pixels of one value
    levels, taken = values[last], last + 1
    fits = inside[last] / (taken + truth.sum() - inside[last]) >= min_iou  # of the threshold that is this value
    here = int((levels >= levels.dtype.type(now)).sum())  # levels that are taken at present
    fits, levels = np.append(False, fits), np.append(levels[:1] + 1, levels)  # and before them the empty mask
    said = []
    verb = "fits" if fits[here] else "does not fit"
    for way, side in ((range(here - 1, -1, -1), "up"), (range(here + 1, len(levels)), "down")):
        other = next((i for i in way if fits[i] != fits[here]), None)
        if other is None:
            continue
        if side == "up":  # it is as it was up to the last value of its kind
            same = levels[other + 1]
            beyond = np.nextafter(same, levels.dtype.type(2))
        else:
            beyond = levels[other]
            same = np.nextafter(beyond, levels.dtype.type(2))
        if 0 < beyond <= 1 and 0 < same <= 1:
            words = f"{verb} (IoU {min_iou:g}) {side} to roi.mask_threshold {same:.4g}"
            said.append(Counterfactual("roi.mask_threshold", now, float(same), float(beyond), words))
    return tuple(said)


def _keypoints(trace, row):
    points = trace.detections.keypoints[row]
    names = trace.config.keypoint_names or tuple(f"keypoint {j}" for j in range(len(points)))
    least = int(np.argmin(points[:, 2]))
    x, y, score = points[least].tolist()
    text = f"{plural(len(points), 'place')}; the least sure is {names[least]}, at {x:.1f}, {y:.1f} with {score:.3g}"
    return Step("keypoints", text, {"points": points.tolist(), "least": least, "score": score})
