"""What would become of a detection, or of a missed object, if a number were another: decided anew, not guessed."""

import numpy as np

from ..ops.boxes import iou_matrix
from .chain import name_of, ordinal
from .fate import why_missed
from .trace import what_if, without_anchor

SAME_PLACE = 0.5  # IoU from which on another detection counts as one in the same place


def after_settings(trace, row, settings):
    """What would become of detection `row` with other settings, in words."""
    return _said(trace, row, what_if(trace, settings, boxes_only=True))


def after_removal(trace, row, anchor):
    """What would become of detection `row` had its anchor been no candidate."""
    return _said(trace, row, without_anchor(trace, anchor))


def _said(trace, row, other):
    found, ours = trace.detections, _identity(trace)[row]
    if ours in (others := _identity(other)):
        return f"it stays, {ordinal(others.index(ours) + 1)}"
    stand_in = best_there(other.detections, found.boxes[row], found.labels[row])
    if stand_in is None:
        return "it is gone"
    k, iou = stand_in
    there = other.detections
    return f"{name_of(trace.config, there.labels[k])} {there.scores[k]:.2f} stands there, IoU {iou:.2f}"


def best_there(found, box, label):
    """The detection at the place of a box, one of its class before others: (row, IoU), or None."""
    iou = iou_matrix(found.boxes, np.asarray(box, found.boxes.dtype)[None])[:, 0]
    if not (iou >= SAME_PLACE).any():
        return None
    k = int(np.argmax(np.where(iou >= SAME_PLACE, iou + (found.labels == label), -1)))
    return k, float(iou[k])


def _identity(trace):
    """What each detection was made of: [(anchor, or row of the given proposals, label)]."""
    proposals = trace.proposals
    rows = np.arange(len(proposals.boxes)) if proposals.anchor is None else proposals.anchor
    return list(zip(rows[trace.origins].tolist(), trace.detections.labels.tolist()))


def after_for_object(trace, target_box, settings, **wanted):
    """What would become of a missed object with other settings; wanted: what `why_missed` takes."""
    boxes_only = wanted.get("mask") is None
    fate = why_missed(what_if(trace, settings, boxes_only=boxes_only), target_box, **wanted)
    if fate.stage == "found":
        return f"it is found, {fate.reason}"
    return f"it is lost at {fate.stage!r}"
