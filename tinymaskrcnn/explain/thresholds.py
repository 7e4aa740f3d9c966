"""From which threshold on does NMS decide otherwise? Exactly, and with all that its other decisions would change, too.

At a threshold t a box goes when a better one that stays shares more than t with it. Between two thresholds nothing
changes until t passes what some pair shares; so one walks from pair to pair, and decides anew at each.
"""

import numpy as np

from ..ops.boxes import iou_matrix


def limit_of_nms(boxes, scores, threshold, until, *, valid=None, upward=False):
    """The threshold nearest to the present one beyond which `until(kept)` is true of what NMS keeps of one group.

    boxes (K, 4), scores (K,), until(kept (K,) bool) -> bool, valid (K,) bool  ->  limit, or None where there is none

    upward: it is true from the limit on; otherwise it is true below the limit. A limit is exact, in the boxes' type.
    """
    order = np.argsort(-scores, kind="stable")
    order = order if valid is None else order[valid[order]]
    shared = np.tril(iou_matrix(boxes[order], boxes[order]), -1)  # of each with the better ones
    at = shared.dtype.type(threshold)
    while True:
        kept = _greedy(shared, at)
        most = (shared * kept).max(axis=1, initial=0)  # that each shares with a better one that stays
        if upward:
            limit = most[~kept].min(initial=np.inf)
            if not np.isfinite(limit):
                return None  # nothing is suppressed any more
            at = limit
        else:
            limit = most[kept].max(initial=0)
            if limit <= 0:
                return None  # what stays shares nothing
            at = np.nextafter(limit, limit.dtype.type(-1))
        every = np.zeros(len(boxes), bool)
        every[order[_greedy(shared, at)]] = True
        if until(every):
            return float(limit)


def limit_of_sides(boxes, scores, threshold, me, *, valid):
    """Up to which least side of all boxes NMS keeps a box that it keeps at present.

    boxes (K, 4), scores (K,), valid (K,) bool: what takes part now  ->  its own side, or the side of a smaller box
    without which a third one would stay, and suppress it
    """
    order = np.argsort(-scores, kind="stable")
    order = order[valid[order]]
    order = order[: 1 + int(np.flatnonzero(order == me)[0])]  # worse ones cannot end it
    sides = (boxes[order, 2:] - boxes[order, :2]).min(axis=1)
    shared = np.tril(iou_matrix(boxes[order], boxes[order]), -1)
    if (shared[-1] > shared.dtype.type(threshold)).any():  # by some that others suppress
        for side in np.unique(sides[sides < sides[-1]]):
            stays = np.flatnonzero(sides > side)
            if not _greedy(shared[np.ix_(stays, stays)], shared.dtype.type(threshold))[-1]:
                return side
    return sides[-1]


def _greedy(shared, threshold):
    """shared (K, K), best first, with the better ones only  ->  kept (K,) bool"""
    clash = shared > threshold
    kept = np.ones(len(shared), bool)
    for k in np.flatnonzero(clash.any(axis=1)):  # in order: all that is better is decided
        kept[k] = not (clash[k] & kept).any()
    return kept


def suppressors(boxes, scores, kept, threshold, *, valid=None):
    """By which box each was suppressed, the best one that stays and shares too much with it, and how much.

    boxes (K, 4), scores (K,), kept (K,) bool of one group  ->  by (K,) int, -1 where none was; shared (K,)
    """
    better = np.argsort(np.argsort(-scores, kind="stable"))  # the place of each in the order
    shared = iou_matrix(boxes, boxes)
    could = (shared > shared.dtype.type(threshold)) & kept & (better < better[:, None])
    could &= (~kept if valid is None else ~kept & valid)[:, None]
    best = np.where(could, better, len(boxes)).argmin(axis=1) if len(boxes) else np.zeros(0, int)
    by = np.where(could.any(axis=1), best, -1)
    return by, shared[np.arange(len(boxes)), best] if len(boxes) else np.zeros(0, boxes.dtype)
