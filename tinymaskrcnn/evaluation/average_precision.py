"""COCO's average precision and average recall: the area under the precision-recall curve, averaged over IoU thresholds.

Read `precision_recall` first: one class, all detections of all images from the best score down. The rest is
book-keeping over thresholds (T = 10), recalls (R = 101), classes (K), area ranges (A) and detections per image (M).
"""

from dataclasses import dataclass, field

import numpy as np

from ..errors import ArgumentError

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_THRESHOLDS = np.linspace(0.0, 1.0, 101)
COCO_AREA_RANGES = {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}
KEYPOINT_AREA_RANGES = {name: limits for name, limits in COCO_AREA_RANGES.items() if name != "small"}


def precision_recall(hit, miss, num_truths):
    """Precision at 101 recalls, for detections of one class sorted from the best score down.

    hit (D, T) bool, miss (D, T) bool  ->  precision (R, T), recall (T,), reached (R, T) int

    After n detections recall is hits / num_truths and precision hits / (hits + misses). Precision at recall r is the
    best precision at any recall >= r, and 0 where r is never reached. `reached` is the row at which r is (D if never).
    """
    D, T = hit.shape
    hits = np.cumsum(hit, axis=0, dtype=np.float64)
    misses = np.cumsum(miss, axis=0, dtype=np.float64)
    recall = hits / num_truths
    precision = hits / (hits + misses + np.spacing(1))  # spacing: no 0 / 0 while everything so far is ignored
    envelope = np.zeros((D + 1, T))  # the last row: recall never reached
    envelope[:D] = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    reached = np.stack([np.searchsorted(recall[:, t], RECALL_THRESHOLDS) for t in range(T)], axis=1)
    return np.take_along_axis(envelope, reached, axis=0), recall[-1] if D else np.zeros(T), reached


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything behind the figures.

    precision (T, R, K, A, M), recall (T, K, A, M), scores (T, R, K, A, M): the score at which each recall is reached;
    num_truths (K, A). Row k is label k + 1. Entries are -1 where a class has no object in an area range.
    """

    precision: np.ndarray
    recall: np.ndarray
    scores: np.ndarray
    num_truths: np.ndarray
    area_ranges: dict
    max_detections: tuple
    iou_type: str
    iou_thresholds: np.ndarray = field(default_factory=IOU_THRESHOLDS.copy)
    recall_thresholds: np.ndarray = field(default_factory=RECALL_THRESHOLDS.copy)

    def average_precision(self, *, iou=None, area="all", label=None):
        """Mean precision over recalls, classes and (unless one iou is named) thresholds; -1 when there is no object."""
        chosen = self._thresholds(iou)
        values = self.precision[chosen][:, :, self._classes(label), self._area(area), -1]
        return _mean_defined(values)

    def average_recall(self, *, iou=None, area="all", label=None, max_detections=None):
        """Mean of the recall reached with at most max_detections per image and class; -1 when there is no object."""
        m = -1 if max_detections is None else self.max_detections.index(max_detections)
        return _mean_defined(self.recall[self._thresholds(iou)][:, self._classes(label), self._area(area), m])

    def figures(self):
        """The figures by name (AP, AP50, AP75, APsmall ..., AR1, AR10, AR100, ARsmall ...), as plain floats.

        For keypoints the recalls are AR, AR50, AR75, ARmedium, ARlarge. -1 stands for "no object to find", as in
        pycocotools. Own area ranges and numbers of detections change the names accordingly.
        """
        sizes = [name for name in self.area_ranges if name != "all"]
        figures = {
            "AP": self.average_precision(),
            "AP50": self.average_precision(iou=0.5),
            "AP75": self.average_precision(iou=0.75),
        }
        figures |= {f"AP{name}": self.average_precision(area=name) for name in sizes}
        if self.iou_type == "keypoints":
            figures |= {"AR": self.average_recall()}
            figures |= {"AR50": self.average_recall(iou=0.5), "AR75": self.average_recall(iou=0.75)}
        else:
            figures |= {f"AR{m}": self.average_recall(max_detections=m) for m in self.max_detections}
        figures |= {f"AR{name}": self.average_recall(area=name) for name in sizes}
        return figures

    def _thresholds(self, iou):
        if iou is None:
            return slice(None)
        found = np.flatnonzero(np.isclose(self.iou_thresholds, iou))
        if len(found) == 0:
            raise ArgumentError(f"iou must be one of {self.iou_thresholds.round(2).tolist()}; got {iou}")
        return found

    def _area(self, area):
        if area not in self.area_ranges:
            raise ArgumentError(f"area must be one of {list(self.area_ranges)}; got {area!r}")
        return list(self.area_ranges).index(area)

    def _classes(self, label):
        if label is None:
            return slice(None)
        if not 1 <= label <= self.num_truths.shape[0]:
            raise ArgumentError(f"label must be in 1..{self.num_truths.shape[0]}; got {label}")
        return slice(label - 1, label)


def _mean_defined(values):
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else -1.0
