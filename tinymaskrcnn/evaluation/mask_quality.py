"""Do the scores of masks know how good the masks are? The loss of a MaskIoU head is too small a number to say so."""

import dataclasses

import numpy as np

from ..structures import lacks
from . import matching

MIN_BOX_IOU = 0.5  # of a detection's box with an object's, for the detection to count as having found it


class MaskQuality:
    """Collects, image by image, the scores of detections that found an object and the IoU of their masks with it.

    A ranking by scores is as good as they agree with that IoU: see `summarize`.
    """

    def __init__(self):
        self._columns = [], [], []  # score of the class, score of the mask, mask IoU

    def add(self, truth, found):
        """Compare what was found in one image with its objects: Target, Detections, both with masks."""
        row, box_iou, mask_iou = _pairs(truth, found)
        row, mask_iou = row[box_iou >= MIN_BOX_IOU], mask_iou[box_iou >= MIN_BOX_IOU]
        best = _best(mask_iou, row, len(found))
        rows = np.unique(row)
        for column, values in zip(self._columns, (found.scores, found.scores_of("segm"), best)):
            column.extend(values[rows].tolist())

    def collected(self):
        """What was kept of all images, as arrays by name."""
        return {str(i): np.array(column, np.float64) for i, column in enumerate(self._columns)}

    def gather(self, parts):
        """Hold what several have `collected`, in their order, and no more."""
        for i, column in enumerate(self._columns):
            column[:] = [value for part in parts for value in part[str(i)].tolist()]

    def summarize(self):
        """Spearman's rank correlation with the mask IoU, of the scores of classes and of masks."""
        classes, masks, iou = self._columns
        return {"class_score": spearman(classes, iou), "mask_score": spearman(masks, iou)}


def mask_ious(truth, found):
    """The IoU of each detection's mask with the object of its class that it fits best, 0 where there is none.

    Target, Detections  ->  iou (K,) float64
    """
    row, _, mask_iou = _pairs(truth, found)
    return _best(mask_iou, row, len(found))


def with_true_scores(truth, found):
    """The ceiling of mask scoring: the same Detections, whose mask_scores are the true IoU of their masks.

    Where no object is found twice, no other ranking of these masks has a higher AP at any threshold.
    """
    return dataclasses.replace(found, mask_scores=mask_ious(truth, found))


def spearman(a, b):
    """Spearman's rank correlation, -1..1, equal values sharing their ranks; 0 where one of the two does not vary.

    a (K,), b (K,)  ->  float
    """
    if len(a) < 2:
        return 0.0
    ranks = [_ranks(np.asarray(values, np.float64)) for values in (a, b)]
    a, b = (rank - rank.mean() for rank in ranks)
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else 0.0


def _ranks(values):
    """0 for the smallest; those that are equal share the mean of their places."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[group]


def _pairs(truth, found):
    """All pairs of a detection and an object of its class, crowd regions left out: row of the detection, IoUs."""
    crowd = np.zeros(len(truth), bool) if truth.crowd is None else truth.crowd.astype(bool)
    row, column = np.nonzero((found.labels[:, None] == truth.labels) & ~crowd)
    if len(row) == 0 or lacks(truth, "masks") or lacks(found, "masks"):
        return row[:0], np.zeros(0), np.zeros(0)
    shared = matching.box_intersections(found.boxes[row], truth.boxes[column])
    areas = matching.box_areas(found.boxes)[row], matching.box_areas(truth.boxes)[column]
    box_iou = matching.intersection_over_union(shared, *areas, crowd[column])
    shared = matching.mask_intersections(found.masks, truth.masks, row, column)
    areas = matching.mask_areas(found.masks)[row], matching.mask_areas(truth.masks)[column]
    return row, box_iou, matching.intersection_over_union(shared, *areas, crowd[column])


def _best(iou, row, count):
    best = np.zeros(count)
    np.maximum.at(best, row, iou)
    return best
