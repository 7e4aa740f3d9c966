"""Which detection found which object: overlap of candidate pairs, then COCO's greedy matching for every threshold."""

import numpy as np

from ..data import rle
from ..errors import ShapeError

_WORD = 64  # pixels in one packed word


# ---------------------------------------------------------------- overlap of pairs


def box_areas(boxes):
    """Area of each box.

    boxes (K, 4)  ->  areas (K,) float64
    """
    boxes = boxes.astype(np.float64)
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def box_intersections(detections, truths):
    """Area shared by the boxes of each pair.

    detections (P, 4), truths (P, 4)  ->  areas (P,) float64
    """
    a, b = detections.astype(np.float64), truths.astype(np.float64)
    width = np.minimum(a[:, 2], b[:, 2]) - np.maximum(a[:, 0], b[:, 0])
    height = np.minimum(a[:, 3], b[:, 3]) - np.maximum(a[:, 1], b[:, 1])
    return np.maximum(width, 0) * np.maximum(height, 0)


def mask_areas(masks):
    """Pixels of each mask.

    masks (M, H, W), or a list of M RLE  ->  areas (M,) float64
    """
    if isinstance(masks, np.ndarray):
        return np.count_nonzero(masks, axis=(1, 2)).astype(np.float64)
    return np.array([rle.area(mask) for mask in masks], np.float64)


def mask_intersections(detections, truths, detection, truth):
    """Pixels shared by the masks of each pair, given as row numbers detection (P,) and truth (P,).

    detections (K, H, W), truths (M, H, W), or lists of RLE  ->  pixels (P,) float64

    Arrays are packed to 64 pixels a word first, so that one AND and one bit count compare 64 pixels.
    """
    if len(detection) == 0:
        return np.zeros(0)
    if not (isinstance(detections, np.ndarray) and isinstance(truths, np.ndarray)):
        return rle.pair_intersections(rle.encoded(detections), rle.encoded(truths), detection, truth)
    if detections.shape[1:] != truths.shape[1:]:
        raise ShapeError(
            f"masks of detections and truths must be of one size; got {detections.shape[1:]} and {truths.shape[1:]}"
        )
    used, row = np.unique(detection, return_inverse=True)  # a detection of no object's class is never packed
    a, b = pack(detections[used]), pack(truths)
    return np.bitwise_count(a[row] & b[truth]).sum(axis=1, dtype=np.float64)


def pack(masks):
    """Masks as bits.

    masks (M, H, W)  ->  words (M, ceil(H * W / 64)) uint64
    """
    M, H, W = masks.shape
    octets = np.packbits(masks.reshape(M, H * W), axis=1)  # any value but 0 is on
    words = np.zeros((M, -(-H * W // _WORD)), np.uint64)
    words.view(np.uint8)[:, : octets.shape[1]] = octets
    return words


def intersection_over_union(shared, detection_area, truth_area, crowd):
    """IoU of each pair; for a crowd region, intersection over the detection's area.

    shared (P,), detection_area (P,), truth_area (P,), crowd (P,) bool  ->  iou (P,)
    """
    union = np.where(crowd, detection_area, detection_area + truth_area - shared)
    return np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)


# ---------------------------------------------------------------- matching


def greedy_match(detection, truth, iou, *, group, ignored, crowd, thresholds, num_detections):
    """COCO's matching: from the best score down, each detection takes the free object that it overlaps most.

    detection (P,) int, truth (P,) int, iou (P,), group (P,) int, ignored (G,) bool, crowd (G,) bool, thresholds (T,)
      ->  matched (num_detections, T) bool, on_ignored (num_detections, T) bool

    The P pairs are the only ones that can match. Row numbers of detections run from the best score down within a group
    (one class in one image); groups are independent. An ignored object is taken only when no other is left; a crowd
    region is never used up. Among equal overlaps the last object wins, as in pycocotools.

    So each group is a queue of pairs in order of preference, and a pair is taken when both sides are still free. The
    first pairs of all queues are settled at once, for all thresholds, then the second ones, and so on.
    """
    matched = np.zeros((num_detections, len(thresholds)), bool)
    on_ignored = np.zeros((num_detections, len(thresholds)), bool)
    taken = np.zeros((len(ignored), len(thresholds)), bool)

    queue = np.lexsort((-truth, -iou, ignored[truth], detection, group))
    for pairs in _rounds(queue, group):
        d, g = detection[pairs], truth[pairs]
        take = (iou[pairs, None] >= thresholds) & ~matched[d] & ~taken[g]  # (pairs, T)
        matched[d] |= take
        on_ignored[d] |= take & ignored[g, None]
        taken[g] |= take & ~crowd[g, None]
    return matched, on_ignored


def _rounds(queue, group):
    """Yield the first pair of every group, then the second of every group that has one, ..."""
    if len(queue) == 0:
        return
    ordered = group[queue]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    start = np.flatnonzero(first)
    place = np.arange(len(queue)) - start[np.cumsum(first) - 1]  # position within the group's queue
    by_place = np.argsort(place)
    yield from np.split(queue[by_place], np.cumsum(np.bincount(place))[:-1])
