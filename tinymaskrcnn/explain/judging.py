"""What every detection of one picture is worth, all at once: right, or one of the kinds of mistakes of TIDE.

The kinds and their order are those of Bolya et al. 2020. Objects are found as COCO's evaluation finds them.
"""

from dataclasses import dataclass

import numpy as np

from ..evaluation import matching

FITS, TOUCHES = 0.5, 0.1  # IoU from which on a box fits an object, and from which on it is not background
ERRORS = ("wrong class", "poor box", "wrong class, poor box", "duplicate", "background")  # of detections
MISSED = "missed"  # of an object that no mistake about its class or box points to


@dataclass(frozen=True)
class Judged:
    """Of D detections and M objects: kind (D,) of str, "right", "crowd" or one of ERRORS; object (D,) int: the one it
    is about, -1 for background; iou (D,) with it, of background the largest; by (M,) int: who found each, or -1."""

    kind: np.ndarray
    object: np.ndarray
    iou: np.ndarray
    by: np.ndarray


def judge_overlaps(iou, labels, truth_labels, crowd, *, min_iou=FITS, background_iou=TOUCHES):
    """Kinds of detections, best first, by what they share with objects.

    iou (D, M), labels (D,), truth_labels (M,), crowd (M,) bool  ->  Judged
    """
    same = labels[:, None] == truth_labels
    fits = (iou >= min_iou) & same
    by, matched = np.full(len(truth_labels), -1), np.full(len(labels), -1)
    for k in np.flatnonzero((fits & ~crowd).any(axis=1)):
        free = np.flatnonzero(fits[k] & ~crowd & (by < 0))
        if len(free):
            matched[k] = free[np.flatnonzero(iou[k, free] == iou[k, free].max())[-1]]  # of equals the last, as in COCO
            by[matched[k]] = k
    in_crowd, ours, others = (_best(iou, chosen) for chosen in (fits & crowd, same & ~crowd, ~same & ~crowd))
    right = (
        matched,
        np.where(matched >= 0, np.append(iou, np.zeros((len(iou), 1)), axis=1)[range(len(iou)), matched], 0),
    )
    nothing = np.full(len(labels), -1), np.maximum(np.maximum(ours[1], others[1]), 0.0)
    rules = [
        ("right", matched >= 0, right),
        ("crowd", in_crowd[0] >= 0, in_crowd),
        ("poor box", (ours[1] >= background_iou) & (ours[1] < min_iou), ours),
        ("wrong class", others[1] >= min_iou, others),
        ("duplicate", ours[1] >= min_iou, ours),
        ("wrong class, poor box", others[1] >= background_iou, others),
        ("background", np.ones(len(labels), bool), nothing),
    ]
    first = np.argmax([holds for _, holds, _ in rules], axis=0)
    names = np.array([name for name, _, _ in rules])
    objects, overlaps = (np.stack([said[part] for _, _, said in rules]) for part in (0, 1))
    rows = np.arange(len(labels))
    return Judged(names[first], objects[first, rows], overlaps[first, rows], by)


def _best(iou, among):
    """(object, IoU) of the largest overlap of every detection among some objects (D, M) bool; (-1, -1.0) without."""
    held = np.append(np.where(among, iou, -1.0), np.full((len(iou), 1), -1.0), axis=1)
    best = held.argmax(axis=1)
    overlap = held[np.arange(len(iou)), best]
    return np.where(overlap >= 0, best, -1), overlap


def overlaps(found, target, iou_type="bbox"):
    """IoU of every detection with every object, of boxes or masks; with a crowd region, the share inside it.

    Detections, Target  ->  iou (D, M)
    """
    D, M = len(found), len(target)
    if not D or not M:
        return np.zeros((D, M))
    d, m = np.repeat(np.arange(D), M), np.tile(np.arange(M), D)
    if iou_type == "bbox":
        shared = matching.box_intersections(found.boxes[d], target.boxes[m])
        areas = matching.box_areas(found.boxes), matching.box_areas(target.boxes)
    else:
        shared = matching.mask_intersections(found.masks, target.masks, d, m)
        areas = matching.mask_areas(found.masks), matching.mask_areas(target.masks)
    crowd = crowds(target)
    return matching.intersection_over_union(shared, areas[0][d], areas[1][m], crowd[m]).reshape(D, M)


def crowds(target):
    """Which objects are regions of many: (M,) bool"""
    return np.zeros(len(target), bool) if target.crowd is None else np.asarray(target.crowd, bool)
