"""Non-maximum suppression: of boxes that lie on top of each other, only the best stays."""

from ..backend import array_module, has_kernel
from ..contract import checked
from ..errors import ArgumentError
from .boxes import iou_matrix

BLOCK = 128  # boxes compared with all later ones at a time: memory stays K * BLOCK, never K * K


@checked
@has_kernel
def nms(boxes, scores, *, iou_threshold, group=None, valid=None):
    """Greedy NMS: from the best score down, keep a box unless it overlaps a kept one by more than the threshold.

    boxes (K, 4), scores (K,), group (K,) int, valid (K,) bool  ->  keep (K,) bool, in the order of the input
    Only boxes of the same group compete: `image_index * num_classes + label` treats every class of every picture on
    its own in one call. A row that is not valid is never kept and suppresses nothing. Equal scores: the earlier row
    goes first. The threshold is rounded to the type of the boxes, so that an IoU equal to it suppresses in no type.
    """
    if not 0 <= iou_threshold <= 1:
        raise ArgumentError(f"nms: iou_threshold must lie between 0 and 1; got {iou_threshold}")
    iou_threshold = float(iou_threshold)  # a NumPy float64 would make the comparison one of float64
    xp = array_module(boxes)
    # BEGIN SOLUTION hw03.nms
    order = xp.argsort(-scores, kind="stable")  # best first
    boxes = boxes[order]
    group = None if group is None else group[order]
    alive = xp.ones(len(order), dtype=bool) if valid is None else valid[order]

    for first in range(0, len(order), BLOCK):
        size = len(boxes[first : first + BLOCK])
        clash = iou_matrix(boxes[first : first + size], boxes[first:]) > iou_threshold  # (size, K - first)
        if group is not None:
            clash &= group[first : first + size, None] == group[first:]
        kept = _greedy(alive[first : first + size], clash[:, :size])
        suppressed = (clash[:, size:] & kept[:, None]).any(axis=0)
        alive = xp.concatenate([alive[:first], kept, alive[first + size :] & ~suppressed])

    keep = xp.empty_like(alive)
    keep[order] = alive
    return keep
    # END SOLUTION


def _greedy(alive, clash):
    """Decide one block, best box first: a box that is still alive when its turn comes ends those it clashes with.

    alive (B,) bool, clash (B, B) bool  ->  kept (B,) bool
    """
    xp = array_module(alive)
    later = xp.triu(xp.ones(clash.shape, dtype=bool), 1)
    clash = clash & later
    for i in range(len(alive)):
        alive = alive & ~(clash[i] & alive[i])
    return alive


@has_kernel
def top_n(scores, n):
    """Indices of the n largest scores of each row, largest first; ties in order of position.

    scores (N, A)  ->  (N, min(n, A))
    """
    xp = array_module(scores)
    return xp.argsort(-scores, axis=1, kind="stable")[:, :n]
