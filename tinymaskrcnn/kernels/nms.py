"""Greedy non-maximum suppression, group by group and block by block, with suppressed boxes dropped at once."""

import numpy as np

from ..backend import Workspace, register_kernel
from .threads import run

BLOCK = 128  # boxes decided together
COLUMNS = 512  # boxes that a block is compared with at a time: a quarter of a MB per array
LARGEST = 1e9  # beyond, areas overflow; such boxes are left to the text

_workspace = Workspace()


def _takes(boxes, scores, *, iou_threshold, group=None, valid=None):
    return len(boxes) > 0 and 0 <= iou_threshold <= 1 and bool(np.abs(boxes).max() < LARGEST)


@register_kernel("nms", applies=_takes)
def nms(boxes, scores, *, iou_threshold, group=None, valid=None):
    """Fast twin of ops.nms.nms: the same comparisons of the same numbers, fewer of them."""
    keys = (-scores,) if group is None else (-scores, group)
    order = np.lexsort(keys)  # by group, then best first, then as given
    if valid is not None:
        order = order[valid[order]]
    corners = np.ascontiguousarray(boxes[order].T)  # x1, y1, x2, y2, each (K,)
    corners = np.concatenate([corners, _areas(corners)[None]])

    ends = [len(order)]
    if group is not None:
        sorted_group = group[order]
        ends = [*(np.flatnonzero(sorted_group[1:] != sorted_group[:-1]) + 1).tolist(), len(order)]
    # One group after the other: their many short steps would only wait for each other's Python.
    kept = [start + _suppress(corners[:, start:end], iou_threshold) for start, end in zip([0, *ends], ends)]
    keep = np.zeros(len(boxes), bool)
    keep[order[np.concatenate(kept)]] = True
    return keep


def _areas(corners):
    x1, y1, x2, y2 = corners
    return np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0)


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
