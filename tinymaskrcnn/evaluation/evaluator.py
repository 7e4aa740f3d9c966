"""Collects detections and objects image by image, then matches all of them at once and fills the curves."""

import dataclasses

import numpy as np

from ..backend import to_host
from ..errors import ArgumentError, ShapeError
from ..structures import lacks
from . import matching
from .average_precision import (
    COCO_AREA_RANGES,
    IOU_THRESHOLDS,
    KEYPOINT_AREA_RANGES,
    RECALL_THRESHOLDS,
    Evaluation,
    precision_recall,
)
from .oks import COCO_SIGMAS, keypoint_extents, keypoint_similarity

KINDS = ("bbox", "segm", "keypoints")


class Evaluator:
    """Collects images one by one and keeps only numbers: masks are compared in `add` and never held.

    iou_type says what is compared: "bbox", "segm", or "keypoints" (whose OKS takes one of `sigmas` per keypoint).
    Area ranges are in pixels, both ends included, and need an entry "all"; without them, and without max_detections,
    they are COCO's for this iou_type. An object's area is the one of its annotation (Target.areas), else that of its
    mask, for boxes too, else that of its box; truth_area="box" always takes its box's. num_classes counts background;
    None takes the classes that occur. Masks are arrays or lists of RLE, ranked by mask_scores where there are some.
    """

    def __init__(
        self,
        *,
        iou_type="bbox",
        area_ranges=None,
        max_detections=None,
        num_classes=None,
        truth_area="mask",
        sigmas=COCO_SIGMAS,
    ):
        keypoints = iou_type == "keypoints"
        area_ranges = area_ranges or (KEYPOINT_AREA_RANGES if keypoints else COCO_AREA_RANGES)
        max_detections = max_detections or ((20,) if keypoints else (1, 10, 100))
        _check_settings(iou_type, area_ranges, max_detections, truth_area, sigmas)
        self.iou_type = iou_type
        self.area_ranges = {name: (float(low), float(high)) for name, (low, high) in area_ranges.items()}
        self.max_detections = tuple(sorted(max_detections))
        self.num_classes = num_classes
        self.truth_area = truth_area
        self.sigmas = tuple(float(sigma) for sigma in sigmas)
        self._forget()

    def _forget(self):
        self.num_images = 0
        self._detections = _Table(image=np.int64, label=np.int64, rank=np.int64, score=np.float64, area=np.float64)
        self._truths = _Table(label=np.int64, area=np.float64, crowd=bool, ignored=bool)
        self._pairs = _Table(detection=np.int64, truth=np.int64, iou=np.float64)

    def add(self, truth, detections, *, areas=None, detection_areas=None):
        """Compare the detections of one image with its objects. Either may be empty, and in any order of scores.

        areas (M,), when given, are the objects' areas, and detection_areas (K,) those of the detections, which say
        only whether one that found nothing belongs to an area range.
        """
        name = f"image {self.num_images}"
        truth, detections = (_complete(name, self.iou_type, _on_host(record)) for record in (truth, detections))
        _check(name, truth, detections, self)
        scores = detections.scores_of(self.iou_type)
        order = np.argsort(-scores, kind="stable")
        rank = rank_within_class(detections.labels[order])
        kept = rank < self.max_detections[-1]
        order, rank = order[kept], rank[kept]

        crowd = np.zeros(len(truth), bool) if truth.crowd is None else truth.crowd.astype(bool)
        truth_area = self._truth_areas(name, truth, areas)
        row, column = np.nonzero(detections.labels[order, None] == truth.labels)
        iou, detection_area = self._overlap(truth, truth_area, detections, crowd, order[row], column)
        if detection_areas is not None:
            detection_area = _areas_of(name, "detection_areas", detection_areas, len(detections))
        useful = iou >= IOU_THRESHOLDS[0]  # no other pair can match at any threshold
        self._pairs.append(
            detection=row[useful] + len(self._detections), truth=column[useful] + len(self._truths), iou=iou[useful]
        )
        self._detections.append(
            image=np.full(len(order), self.num_images),
            label=detections.labels[order],
            rank=rank,
            score=scores[order],
            area=detection_area[order],
        )
        ignored = crowd if self.iou_type != "keypoints" else crowd | _unlabelled(truth)
        self._truths.append(label=truth.labels, area=truth_area, crowd=crowd, ignored=ignored)
        self.num_images += 1

    def collected(self):
        """What was kept of all images, as arrays by name."""
        tables = ("detections", self._detections), ("truths", self._truths), ("pairs", self._pairs)
        kept = {f"{table}.{name}": column for table, rows in tables for name, column in rows.columns().items()}
        return kept | {"num_images": np.array(self.num_images)}

    def gather(self, parts):
        """Hold what several have `collected`, each of images that come after those of the one before; no more."""
        self._forget()
        for part in parts:
            shift = {"detections.image": self.num_images}
            shift |= {"pairs.detection": len(self._detections), "pairs.truth": len(self._truths)}
            columns = {name: column + shift.get(name, 0) for name, column in part.items()}
            for table in ("detections", "truths", "pairs"):
                rows = {name.partition(".")[2]: column for name, column in columns.items() if name.startswith(table)}
                getattr(self, f"_{table}").append(**rows)
            self.num_images += int(part["num_images"])

    def _overlap(self, truth, truth_area, detections, crowd, row, column):
        if self.iou_type == "keypoints" and len(row) == 0:
            return np.zeros(0), keypoint_extents(detections.keypoints)
        if self.iou_type == "keypoints":
            similarity = keypoint_similarity(
                detections.keypoints[row],
                truth.keypoints[column],
                truth.boxes[column],
                truth_area[column],
                sigmas=self.sigmas,
            )
            return similarity, keypoint_extents(detections.keypoints)
        if self.iou_type == "bbox":
            detection_area, truth_area = matching.box_areas(detections.boxes), matching.box_areas(truth.boxes)
            shared = matching.box_intersections(detections.boxes[row], truth.boxes[column])
        else:
            detection_area, truth_area = matching.mask_areas(detections.masks), matching.mask_areas(truth.masks)
            shared = matching.mask_intersections(detections.masks, truth.masks, row, column)
        iou = matching.intersection_over_union(shared, detection_area[row], truth_area[column], crowd[column])
        return iou, detection_area

    def _truth_areas(self, name, truth, areas):
        if areas is not None:
            return _areas_of(name, "areas", areas, len(truth))
        if self.truth_area == "mask" and truth.areas is not None:
            return _areas_of(name, "areas", truth.areas, len(truth))
        if self.truth_area == "mask" and truth.masks is not None:
            return matching.mask_areas(truth.masks)
        return matching.box_areas(truth.boxes)

    def accumulate(self):
        """Match all detections seen so far and compute the curves; more images may be added afterwards.

        ->  Evaluation
        """
        detections, truths, pairs = self._detections.columns(), self._truths.columns(), self._pairs.columns()
        K = self._count_classes(detections["label"], truths["label"])
        T, R, A, M = len(IOU_THRESHOLDS), len(RECALL_THRESHOLDS), len(self.area_ranges), len(self.max_detections)
        precision, scores = -np.ones((T, R, K, A, M)), -np.ones((T, R, K, A, M))
        recall, num_truths = -np.ones((T, K, A, M)), np.zeros((K, A), np.int64)

        # one class after the other, best score first; ties stay in the order of the images
        best_first = np.lexsort((-detections["score"], detections["label"]))
        first = np.searchsorted(detections["label"][best_first], np.arange(1, K + 2))
        for a, (low, high) in enumerate(self.area_ranges.values()):
            ignored = truths["ignored"] | (truths["area"] < low) | (truths["area"] > high)
            hit, miss = _judge(detections, pairs, truths["crowd"], ignored, low, high)
            labels = truths["label"][~ignored].astype(np.intp)  # the only type that is counted, here or in a browser
            num_truths[:, a] = np.bincount(labels, minlength=K + 1)[1:]
            for k in np.flatnonzero(num_truths[:, a]):
                rows = best_first[first[k] : first[k + 1]]
                for m, most in enumerate(self.max_detections):
                    chosen = rows[detections["rank"][rows] < most]
                    p, r, reached = precision_recall(hit[chosen], miss[chosen], num_truths[k, a])
                    score = np.append(detections["score"][chosen], 0.0)[reached]
                    precision[:, :, k, a, m], recall[:, k, a, m], scores[:, :, k, a, m] = p.T, r, score.T
        return Evaluation(
            precision, recall, scores, num_truths, dict(self.area_ranges), self.max_detections, self.iou_type
        )

    def summarize(self):
        """The figures of all images seen so far, by name."""
        return self.accumulate().figures()

    def _count_classes(self, *labels):
        if self.num_classes is not None:
            return self.num_classes - 1
        return int(max((column.max() for column in labels if len(column)), default=0))


def evaluate(truths, detections, **settings):
    """COCO's figures for a list of images; for curves, or for more images than fit in memory, see Evaluator.

    list of N Target, list of N Detections  ->  {"AP": ..., "AP50": ..., ...}, -1 where there is no object to find

    Twelve figures for iou_type "bbox" and "segm", ten for "keypoints". The settings are those of Evaluator.
    """
    if len(truths) != len(detections):
        raise ShapeError(
            f"evaluate: needs one Detections per Target; got {len(truths)} truths and {len(detections)} detections"
        )
    evaluator = Evaluator(**settings)
    for truth, found in zip(truths, detections):
        evaluator.add(truth, found)
    return evaluator.summarize()


def _judge(detections, pairs, crowd, ignored, low, high):
    """Every detection is a hit, a miss, or (matched to an ignored object, or unmatched and of another size) neither."""
    detection = pairs["detection"]
    group = detections["image"][detection] * (detections["label"].max(initial=0) + 1) + detections["label"][detection]
    matched, on_ignored = matching.greedy_match(
        detection,
        pairs["truth"],
        pairs["iou"],
        group=group,
        ignored=ignored,
        crowd=crowd,
        thresholds=IOU_THRESHOLDS,
        num_detections=len(detections["label"]),
    )
    counts = (detections["area"] >= low) & (detections["area"] <= high)
    return matched & ~on_ignored, ~matched & counts[:, None]


def _unlabelled(truth):
    return ~(truth.keypoints[..., 2] > 0).any(axis=1) if len(truth) else np.zeros(0, bool)


def rank_within_class(labels):
    """0 for the best of each class, 1 for the second, ...; labels (K,) come from the best score down."""
    by_class = np.argsort(labels, kind="stable")
    ordered = labels[by_class]
    rank = np.empty(len(labels), np.int64)
    rank[by_class] = np.arange(len(labels)) - np.searchsorted(ordered, ordered)
    return rank


def _on_host(record):
    """The same Target or Detections with NumPy arrays; lists of RLE pass through."""
    values = {name: getattr(record, name) for name in record.__dataclass_fields__}
    arrays = {name: to_host(value) for name, value in values.items() if hasattr(value, "dtype")}
    return type(record)(**(values | arrays))


def _check_settings(iou_type, area_ranges, max_detections, truth_area, sigmas):
    if iou_type not in KINDS:
        raise ArgumentError(f"Evaluator: iou_type must be 'bbox', 'segm' or 'keypoints'; got {iou_type!r}")
    if truth_area not in ("mask", "box"):
        raise ArgumentError(f"Evaluator: truth_area must be 'mask' or 'box'; got {truth_area!r}")
    if "all" not in area_ranges:
        raise ArgumentError(f"Evaluator: area_ranges needs an entry 'all'; got {list(area_ranges)}")
    if min(max_detections) < 1:
        raise ArgumentError(f"Evaluator: max_detections must be numbers from 1; got {max_detections}")
    if len(sigmas) == 0 or not np.isfinite(sigmas).all() or min(sigmas) <= 0:
        raise ArgumentError(f"Evaluator: sigmas must be positive, one per keypoint; got {list(sigmas)}")


_NEEDED = {"bbox": (), "segm": ("masks",), "keypoints": ("keypoints",)}


def _complete(name, iou_type, record):
    """The same record with what this iou_type compares: where there is no object, None is as good as nothing."""
    empty = {"masks": [], "keypoints": np.zeros((0, 0, 3), np.float32)}
    for part in _NEEDED[iou_type]:
        if lacks(record, part):
            what = "detections" if hasattr(record, "scores") else "truth"
            raise ArgumentError(f"{name}: iou_type {iou_type!r} needs {what} with {part}; got None")
        if getattr(record, part) is None:
            record = dataclasses.replace(record, **{part: empty[part]})
    return record


def _check(name, truth, detections, evaluator):
    """Raise one clear error unless truth and detections are sound and have what this iou_type compares."""
    iou_type, num_classes = evaluator.iou_type, evaluator.num_classes
    for what, record, parts in (
        ("truth", truth, ("boxes", "labels", "masks", "crowd", "keypoints")),
        ("detections", detections, ("boxes", "labels", "scores", "masks", "keypoints", "mask_scores")),
    ):
        counts = {part: len(getattr(record, part)) for part in parts if getattr(record, part) is not None}
        if len(set(counts.values())) > 1:
            raise ShapeError(f"{name}: the arrays of {what} must count the same objects; got {counts}")
        labels, boxes = record.labels, record.boxes
        if len(labels) and (labels.min() < 1 or (num_classes is not None and labels.max() >= num_classes)):
            wanted = "from 1" if num_classes is None else f"in 1..{num_classes - 1}"
            raise ArgumentError(
                f"{name}: labels of {what} must be {wanted}; got {int(labels.min())}..{int(labels.max())}"
            )
        if not np.isfinite(boxes).all() or (boxes[:, 2:] < boxes[:, :2]).any():
            raise ArgumentError(f"{name}: boxes of {what} must be finite with x2 >= x1 and y2 >= y1")
        if iou_type == "keypoints" and len(record):
            _check_keypoints(name, what, record.keypoints, len(evaluator.sigmas))
    scores = detections.scores_of(iou_type)
    if not np.isfinite(scores).all():
        raise ArgumentError(f"{name}: scores must be finite; got {np.unique(scores)}")


def _check_keypoints(name, what, keypoints, J):
    if keypoints.shape[1:] != (J, 3):
        raise ShapeError(
            f"{name}: keypoints of {what} must be (objects, {J}, 3), {J} being the number of sigmas; "
            f"got {keypoints.shape}"
        )
    if not np.isfinite(keypoints).all():
        raise ArgumentError(f"{name}: keypoints of {what} must be finite")


def _areas_of(name, what, areas, count):
    areas = np.asarray(to_host(areas), np.float64)
    if len(areas) != count:
        raise ShapeError(f"{name}: {what} must have one entry per object ({count}); got {len(areas)}")
    if not np.isfinite(areas).all() or areas.min(initial=0) < 0:
        raise ArgumentError(f"{name}: {what} must be finite and at least 0; got {areas.tolist()}")
    return areas


class _Table:
    """Columns that grow image by image."""

    def __init__(self, **dtypes):
        self._dtypes = dtypes
        self._parts = {name: [] for name in dtypes}
        self._length = 0

    def __len__(self):
        return self._length

    def append(self, **columns):
        for name, column in columns.items():
            self._parts[name].append(np.asarray(column, self._dtypes[name]))
        self._length += len(column)

    def columns(self):
        return {name: np.concatenate([np.zeros(0, self._dtypes[name]), *parts]) for name, parts in self._parts.items()}
