"""Greedy non-maximum suppression by a sweep: boxes sorted by their left edge meet only neighbours that can overlap.

Two boxes whose IoU is above t share more than the t-th part of the wider one, so that their left edges are less than
(1 - t) widths apart, and their upper edges less than (1 - t) heights. At t = 0.7 that leaves some twentieth of all
pairs. Where it leaves too many (a low threshold, one huge box), boxes are compared block by block instead.
"""

import numpy as np

from ..devices import Workspace
from ..kernel_lookup import register_kernel
from .threads import run

PAIRS = 1 << 16  # pairs compared at a time
NEIGHBOURS = 256  # pairs per box above which the sweep is slower than blocks
BLOCK = 128  # boxes decided together
COLUMNS = 512  # boxes that a block is compared with at a time: a quarter of a MB per array
LARGEST = 1e9  # beyond, areas overflow; such boxes are left to the text
SLACK = 1e-5  # of the largest coordinate: far more than rounding can move an edge

_workspace = Workspace()


def _takes(boxes, scores, *, iou_threshold, group=None, valid=None):
    if len(boxes) == 0 or not 0 <= iou_threshold <= 1:
        return False
    return bool(np.abs(boxes).max() < LARGEST) and not np.isnan(scores).any()


@register_kernel("nms", applies=_takes)
def nms(boxes, scores, *, iou_threshold, group=None, valid=None):
    """Fast twin of ops.nms.nms: the same comparisons of the same numbers, fewer of them."""
    iou_threshold = float(iou_threshold)
    keys = (boxes[:, 0],) if group is None else (boxes[:, 0], group)
    order = np.lexsort(keys)  # by group, then from left to right
    if valid is not None:
        order = order[valid[order]]
    sorted_group = np.zeros(len(order), np.int8) if group is None else group[order]
    corners = np.ascontiguousarray(boxes[order].T)  # x1, y1, x2, y2, each (K,)
    corners = np.concatenate([corners, _areas(corners)[None]])

    meets = _last_met(corners, sorted_group, iou_threshold) - np.arange(len(order))  # boxes from its own to the last
    better_first = np.lexsort((order, -scores[order]))
    if meets.sum() > NEIGHBOURS * len(order):
        kept = _by_blocks(corners, sorted_group, better_first, iou_threshold)
    else:
        a, b = _clashes(corners, meets, iou_threshold)
        place = np.empty(len(order), np.intp)
        place[better_first] = np.arange(len(order))
        a_is_better = place[a] < place[b]
        kept = _survivors(len(order), np.where(a_is_better, a, b), np.where(a_is_better, b, a))
    keep = np.zeros(len(boxes), bool)
    keep[order[kept]] = True
    return keep


def _areas(corners):
    x1, y1, x2, y2 = corners
    return np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0)


# ---------------------------------------------------------------- the sweep


def _reach(low, high, threshold, slack):
    """How far behind its own low edge the low edge of a box may lie that overlaps it by more than the threshold."""
    return (1 - threshold) * np.maximum(high - low, 0) + slack


def _slack(corners):
    return SLACK * (1 + np.abs(corners[:4]).max(initial=0))


def _last_met(corners, group, threshold):
    """The sweep's end for each box: behind the last box of its group whose left edge it can reach.

    corners and areas (5, K) sorted by group and left edge, group (K,)  ->  end (K,) int
    """
    left, right = corners[0].astype(np.float64), corners[2].astype(np.float64)
    left, right = left - left.min(initial=0), right - left.min(initial=0)
    stretch = 2 * (right.max(initial=0) + 1)  # the groups lie one after another on the line, out of reach
    offset = stretch * np.cumsum(np.diff(group, prepend=group[:1]) != 0)
    reach = np.minimum(_reach(left, right, threshold, _slack(corners)), stretch / 2)
    return np.searchsorted(left + offset, left + offset + reach, side="right")


def _clashes(corners, meets, threshold):
    """The pairs that overlap by more than the threshold: indices a and b, a left of b."""
    ends = np.cumsum(meets)
    cuts = np.searchsorted(ends, np.arange(PAIRS, ends[-1] if len(ends) else 0, PAIRS))
    edges = [0, *np.unique(cuts[cuts > 0]).tolist(), len(meets)]
    reach = _reach(corners[1], corners[3], threshold, _slack(corners)).astype(corners.dtype)
    parts = [_clashes_of(corners, reach, meets, slice(*some), threshold) for some in zip(edges, edges[1:])]
    return tuple(np.concatenate(indices) for indices in zip(*parts))


def _clashes_of(corners, reach, meets, rows, threshold):
    """The same for some of the boxes as the left one of a pair."""
    x1, y1, x2, y2, area = corners
    meets = meets[rows] - 1  # without itself
    row = np.arange(rows.start, rows.stop)
    first = np.cumsum(meets) - meets  # where the pairs of each row begin
    a = np.repeat(row, meets)
    b = np.arange(len(a)) - np.repeat(first - row - 1, meets)

    below = y1.take(b) - y1.take(a)  # take is twice as fast as an index in brackets
    near = np.flatnonzero((below <= reach.take(a)) & (below >= -reach.take(b)))
    a, b = a.take(near), b.take(near)
    width = np.maximum(np.minimum(x2.take(a), x2.take(b)) - x1.take(b), 0)
    height = np.maximum(np.minimum(y2.take(a), y2.take(b)) - np.maximum(y1.take(a), y1.take(b)), 0)
    intersection = width * height
    union = area.take(a) + area.take(b) - intersection
    clash = np.flatnonzero(intersection / np.where(union > 0, union, 1) > threshold)
    return a.take(clash), b.take(clash)


def _survivors(count, better, worse):
    """Which of `count` boxes stay, given every clash as a pair: (count,) bool.

    A box without a better one left to fear stays; what it clashes with goes, and takes its own clashes along. Each
    round settles at least the best box that is still in doubt.
    """
    kept = np.ones(count, bool)
    while len(better):
        feared = np.ones(count, bool)
        feared[worse] = False  # True: no better box is left
        lost = np.zeros(count, bool)
        lost[worse[feared[better]]] = True
        kept &= ~lost
        open_ = ~(lost[better] | lost[worse])
        better, worse = better[open_], worse[open_]
    return kept


# ---------------------------------------------------------------- block by block


def _by_blocks(corners, group, better_first, threshold):
    """The same answer for crowds: (K,) bool."""
    sequence = better_first[np.argsort(group[better_first], kind="stable")]  # by group, then best first
    ends = [*(np.flatnonzero(np.diff(group[sequence])) + 1).tolist(), len(sequence)]
    kept = np.zeros(len(sequence), bool)
    for start, end in zip([0, *ends], ends):
        own = sequence[start:end]
        kept[own[_suppress(corners[:, own], threshold)]] = True
    return kept


def _suppress(corners, threshold):
    """Which boxes of one group stay: corners and areas (5, K), best first  ->  indices, ascending."""
    left = np.arange(corners.shape[1])  # not suppressed yet
    kept = [left[:0]]
    while len(left):
        block, rest = left[:BLOCK], left[BLOCK:]
        block = block[_greedy(_clash(corners, block, block, threshold))]
        kept.append(block)
        if len(rest):
            rest = rest[_free(corners, block, rest, threshold)]
        left = rest
    return np.concatenate(kept)


def _free(corners, kept, rest, threshold):
    """Which of the rest no kept box suppresses: (R,) bool."""
    some = [rest[i : i + COLUMNS] for i in range(0, len(rest), COLUMNS)]
    free = run(lambda columns=columns: ~_clash(corners, kept, columns, threshold).any(axis=0) for columns in some)
    return np.concatenate(free)


def _greedy(clash):
    """clash (B, B), best first  ->  kept (B,) bool: what no kept better box clashes with.

    The rule itself is repeated until it changes nothing. Each round settles at least one more box, so that there are
    never more rounds than boxes, and mostly a few. The only answer that the rule leaves alone is the greedy one.
    """
    suppressed_by = np.tril(clash, -1).astype(np.float32)  # clash is symmetric: row i, its better boxes
    kept = np.ones(len(clash), bool)
    for _ in range(len(clash)):
        before, kept = kept, suppressed_by @ kept.astype(np.float32) == 0
        if np.array_equal(before, kept):
            break
    return kept


def _clash(corners, a, b, threshold):
    """Which boxes a (B,) overlap which boxes b (R,) by more than the threshold: (B, R) bool."""
    ax1, ay1, ax2, ay2, a_area = corners[:, a, None]
    bx1, by1, bx2, by2, b_area = corners[:, b]
    width, height, other = (_workspace.take(i, (len(a), len(b)), corners.dtype) for i in range(3))
    zero = np.zeros(len(b), corners.dtype)  # a row is compared twice as fast as a single number
    for length, start, end in ((width, (ax1, bx1), (ax2, bx2)), (height, (ay1, by1), (ay2, by2))):
        np.minimum(*end, out=length)
        length -= np.maximum(*start, out=other)
        np.maximum(length, zero, out=length)
    intersection = np.multiply(width, height, out=width)
    union = np.add(a_area, b_area, out=other)
    union -= intersection
    zero += np.finfo(union.dtype).smallest_subnormal
    np.maximum(union, zero, out=union)  # two empty boxes: 0 / tiny, not 0 / 0
    return np.divide(intersection, union, out=height) > threshold
