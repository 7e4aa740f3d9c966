"""COCO's results files: a JSON list with one entry per detection, written by one program and judged by another.

{"image_id": 42, "category_id": 18, "score": 0.9, "bbox": [x, y, width, height], "segmentation": {"size": [H, W],
"counts": "..."}, "keypoints": [x, y, score, ...]}, where of the last three those are given that the model finds.
A model that scores its masks adds "mask_score", by which they are ranked here; other programs read over it.
"""

import json
import math
from pathlib import Path

import numpy as np

from ..backend import to_host
from ..data import rle
from ..errors import ArgumentError, DataError
from ..files import read_json, whole_file
from ..structures import Detections
from .evaluator import Evaluator

LARGEST = 1e100  # no number is larger: the product of two, an area, is finite then
PARTS = {"bbox": "bbox", "segm": "segmentation", "keypoints": "keypoints"}  # what an iou_type compares


# ---------------------------------------------------------------- writing


def save_results(path, detections, *, image_ids, category_ids=None):
    """Write the Detections of images as a results file; the file is whole or not there.

    detections is an iterable of N Detections, as long as image_ids (N,); it may be a generator, of which one is held at
    a time. category_ids[k] is the category of label k + 1; without it, labels are written as they are. Detections whose
    category is None are left out.
    """
    with ResultsWriter(path, category_ids=category_ids) as writer:
        for image_id, found in zip(image_ids, detections, strict=True):
            writer.add(found, image_id=image_id)


class ResultsWriter:
    """save_results image by image: `with ResultsWriter(path) as writer: writer.add(found, image_id=7)`.

    The file gets its name when the block ends well; whatever else happens, no part of it stays behind. left_out counts
    what was found of classes that have no category, for which the format has no place.
    """

    def __init__(self, path, *, category_ids=None):
        self.path, self.category_ids = Path(path), category_ids
        self._writing = whole_file(self.path, "w", encoding="ascii")
        self._file, self._separator, self.left_out = None, "\n", 0

    def __enter__(self):
        if not self.path.parent.is_dir():
            raise DataError(f"{self.path}: there is no folder {self.path.parent}")
        self._file = self._writing.__enter__()
        self._file.write("[")
        return self

    def add(self, found, *, image_id):
        entries = results_entries(found, image_id=image_id, category_ids=self.category_ids)
        self.left_out += len(found) - len(entries)
        for entry in entries:
            self._file.write(self._separator + json.dumps(entry, allow_nan=False))
            self._separator = ",\n"

    def __exit__(self, kind, error, trace):
        if kind is None:
            self._file.write("\n]\n")
        return self._writing.__exit__(kind, error, trace)


def results_entries(found, *, image_id, category_ids=None):
    """The entries of one image.

    Detections  ->  list of dict
    """
    boxes, labels, scores = (to_host(values) for values in (found.boxes, found.labels, found.scores))
    boxes = boxes.astype(np.float64)
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    if not all(np.isfinite(values).all() for values in (xywh, scores, to_host(found.scores_of("segm")))):
        raise ArgumentError(f"image {image_id}: boxes and scores must be finite to be written")
    entries = []
    for label, score, box in zip(labels.tolist(), scores.tolist(), xywh.tolist()):
        entries.append({"image_id": int(image_id), "category_id": _category(label, category_ids), "bbox": box})
        entries[-1]["score"] = score
    if found.masks is not None:
        masks = found.masks if isinstance(found.masks, list) else to_host(found.masks)
        for entry, mask in zip(entries, rle.encoded(masks), strict=True):
            entry["segmentation"] = rle.to_coco(mask)
    if found.keypoints is not None:
        for entry, points in zip(entries, to_host(found.keypoints).tolist(), strict=True):
            entry["keypoints"] = [value for point in points for value in point]
    if found.mask_scores is not None:
        for entry, score in zip(entries, to_host(found.mask_scores).tolist(), strict=True):
            entry["mask_score"] = score
    return [entry for entry in entries if entry["category_id"] is not None]


def _category(label, category_ids):
    if category_ids is None:
        return label
    if not 1 <= label <= len(category_ids):
        raise ArgumentError(f"label must be in 1..{len(category_ids)} to have a category id; got {label}")
    category = category_ids[label - 1]
    return None if category is None else int(category)


# ---------------------------------------------------------------- reading


class Results:
    """The detections of a results file by image; masks stay short strings until their image is asked for.

    parts are those of "bbox", "segmentation", "keypoints" that the file has; image_ids are in ascending order.
    """

    def __init__(self, name, images, labels, scores, columns, mask_scores=None):
        order = np.argsort(images, kind="stable")  # within an image the order of the file, which decides ties
        self.name = name
        self.parts = tuple(columns)
        self.image_ids, first = np.unique(images[order], return_index=True)
        self._rows = dict(zip(self.image_ids.tolist(), np.split(order, first[1:])))
        self._labels, self._scores, self._mask_scores, self._columns = labels, scores, mask_scores, columns

    def __len__(self):
        return len(self._labels)

    def detections(self, image_id, *, iou_type=None):
        """What was found in one image, none included: Detections with float64 boxes, masks as a list of RLE.

        Without boxes in the file they are put around the masks, or around the keypoints. With an iou_type only what it
        compares is made, which is faster; boxes that are not there are then zeros.
        """
        rows = self._rows.get(image_id, np.zeros(0, np.int64))
        wanted = self.parts if iou_type is None else (PARTS[iou_type],)
        masks = self._masks(rows) if "segmentation" in wanted else None
        keypoints = self._columns["keypoints"][rows] if "keypoints" in wanted else None
        if "bbox" in self.parts:
            x, y, width, height = self._columns["bbox"][rows].T
            boxes = np.stack([x, y, x + width, y + height], axis=1)
        elif iou_type is not None:
            boxes = np.zeros((len(rows), 4))
        elif masks is not None:
            boxes = rle.to_boxes(masks)
        else:
            boxes = np.concatenate([keypoints[..., :2].min(axis=1), keypoints[..., :2].max(axis=1)], axis=1)
        mask_scores = None if self._mask_scores is None else self._mask_scores[rows]
        return Detections(boxes, self._labels[rows], self._scores[rows], masks, keypoints, mask_scores)

    def areas(self, image_id):
        """The areas of an image's detections (K,), or None to take those of masks or keypoints.

        As in pycocotools: a file that has boxes gives their areas, whatever is compared.
        """
        rows = self._rows.get(image_id, np.zeros(0, np.int64))
        return self._columns["bbox"][rows, 2:].prod(axis=1) if "bbox" in self.parts else None

    def _masks(self, rows):
        column = self._columns["segmentation"]
        entries = [column[row] for row in rows]
        try:
            if all(isinstance(entry["counts"], str) for entry in entries):
                return rle.from_strings(
                    [entry["counts"] for entry in entries], sizes=[entry["size"] for entry in entries]
                )
            return [rle.from_coco(entry) for entry in entries]
        except DataError:
            for row, entry in zip(rows, entries):  # which one was it?
                try:
                    rle.from_coco(entry)
                except DataError as error:
                    raise DataError(f"{self.name}: entry {row}: segmentation: {error}") from None
            raise


def load_results(path, *, category_ids=None, sizes=None, skip_unknown=False):
    """Read and check a results file; DataError names the entry, counted from 0, that is broken.

    category_ids[k] is the category of label k + 1; without it, category ids are the labels. sizes {image id: (H, W)},
    when given, are the pictures that exist: other image ids, and masks of other sizes, are refused. Detections of other
    categories are refused too, for a wrong list of ids is a common mistake; skip_unknown leaves them out, as COCO does.
    """
    name = str(path)
    entries = read_json(path)
    if not isinstance(entries, list):
        raise DataError(f"{name}: a results file is a list of detections; got {type(entries).__name__}")
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict) or not {"image_id", "category_id", "score"} <= entry.keys():
            raise DataError(f"{name}: entry {i} must have image_id, category_id and score; got {_shorten(entry)}")
    if skip_unknown and category_ids is not None:
        _numbers(name, "category_id", entries, whole=True)  # what is no number is not unknown but wrong
        known = set(category_ids)
        entries = [entry for entry in entries if entry["category_id"] in known]
    images = _numbers(name, "image_id", entries, whole=True)
    labels = _labels(name, _numbers(name, "category_id", entries, whole=True), category_ids)
    scores = _numbers(name, "score", entries)
    if sizes is not None:
        _check_images(name, images, sizes)
    parts = [part for part in PARTS.values() if not entries or entries[0].get(part)]  # COCO: the first one decides
    if not parts:
        raise DataError(f"{name}: entry 0 has neither bbox, segmentation nor keypoints")
    columns = {part: _READ[part](name, entries, images, sizes) for part in parts}
    scored = bool(entries) and "mask_score" in entries[0]
    mask_scores = _numbers(name, "mask_score", entries) if scored else None
    return Results(name, images, labels, scores, columns, mask_scores)


def _numbers(name, part, entries, *, whole=False):
    """One number of every entry as an array (D,) int64 or float64."""
    values = [entry.get(part) for entry in entries]
    if not _are_numbers(values, whole):
        i = next(i for i, value in enumerate(values) if not _are_numbers([value], whole))
        wanted = "a whole number" if whole else "a finite number"
        if not whole and type(values[i]) in (int, float):
            wanted = f"a number within {LARGEST:.0e}"
        raise DataError(f"{name}: entry {i}: {part} must be {wanted}; got {_shorten(values[i])}")
    return np.array(values, np.int64 if whole else np.float64)


def _are_numbers(values, whole=False):
    """Whether a list (of hundreds of thousands) holds nothing but numbers; True and False are none."""
    if not set(map(type, values)) <= ({int} if whole else {int, float}):
        return False
    limit = 2**63 if whole else LARGEST
    return not values or (-limit < min(values) and max(values) < limit and all(map(math.isfinite, values)))


def _labels(name, categories, category_ids):
    if category_ids is None:
        return categories
    known = np.array(list(category_ids), np.int64)
    wrong = np.flatnonzero(~np.isin(categories, known))
    if len(wrong):
        raise DataError(
            f"{name}: entry {wrong[0]}: there is no category {categories[wrong[0]]}; "
            f"there are {_shorten(known.tolist())}"
        )
    order = np.argsort(known)
    return order[np.searchsorted(known[order], categories)] + 1


def _check_images(name, images, sizes):
    wrong = np.flatnonzero(~np.isin(images, np.array(list(sizes), np.int64)))
    if len(wrong):
        raise DataError(
            f"{name}: entry {wrong[0]}: there is no image {images[wrong[0]]} among the {len(sizes)} of the annotations"
        )


def _boxes(name, entries, images, sizes):
    boxes = _rows_of_numbers(name, "bbox", entries, "four finite numbers x, y, width, height", lambda n: n == 4)
    boxes = boxes.reshape(-1, 4)
    wrong = np.flatnonzero((boxes[:, 2:] < 0).any(axis=1))
    if len(wrong):
        raise DataError(
            f"{name}: entry {wrong[0]}: width and height must be at least 0; got bbox {boxes[wrong[0]].tolist()}"
        )
    return boxes


def _keypoints(name, entries, images, sizes):
    wanted = "finite numbers, three for each keypoint, as many as entry 0 has"
    points = _rows_of_numbers(name, "keypoints", entries, wanted, lambda n: n > 0 and n % 3 == 0)
    return points.reshape(len(points), points.shape[1] // 3, 3)


def _rows_of_numbers(name, part, entries, wanted, right_length):
    """A list of numbers of every entry as an array (D, n); all lists are as long as the first."""
    rows = [entry.get(part) for entry in entries]
    n = len(rows[0]) if rows and isinstance(rows[0], list) else 0
    for i, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != n or not right_length(n):
            raise DataError(f"{name}: entry {i}: {part} must be {wanted}; got {_shorten(row)}")
    if not _are_numbers([value for row in rows for value in row]):
        i = next(i for i, row in enumerate(rows) if not _are_numbers(row))
        raise DataError(f"{name}: entry {i}: {part} must be {wanted}; got {_shorten(rows[i])}")
    return np.array(rows, np.float64).reshape(len(rows), n)


def _segmentations(name, entries, images, sizes):
    """Sizes are checked here; what the strings hold, when they are read."""
    column = [entry.get("segmentation") for entry in entries]
    for i, mask in enumerate(column):
        if not isinstance(mask, dict) or not {"size", "counts"} <= mask.keys():
            raise DataError(f"{name}: entry {i}: segmentation must be run-length encoded; got {_shorten(mask)}")
        if sizes is not None and mask["size"] != list(sizes[int(images[i])]):
            raise DataError(
                f"{name}: entry {i}: its mask must have the picture's size {list(sizes[int(images[i])])}; "
                f"got {_shorten(mask['size'])}"
            )
    return column


_READ = {"bbox": _boxes, "segmentation": _segmentations, "keypoints": _keypoints}


def _shorten(value):
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "..."


# ---------------------------------------------------------------- judging


def evaluate_results(truths, results, *, iou_type="bbox", **settings):
    """COCO's figures for a results file, without a model.

    truths is an iterable of (image id, Target), the ids ascending as in pycocotools  ->  {"AP": ..., ...}

    The other settings are those of Evaluator. An image of the file that truths do not have is refused.
    """
    if iou_type in PARTS and PARTS[iou_type] not in results.parts:
        raise ArgumentError(f"{results.name}: iou_type {iou_type!r} needs {PARTS[iou_type]}; has {list(results.parts)}")
    evaluator = Evaluator(iou_type=iou_type, **settings)
    seen = set()
    for image_id, truth in truths:
        found = results.detections(image_id, iou_type=iou_type)
        evaluator.add(truth, found, detection_areas=results.areas(image_id))
        seen.add(image_id)
    unknown = [i for i in results.image_ids.tolist() if i not in seen]
    if unknown:
        raise DataError(
            f"{results.name}: {len(unknown)} image(s) were not evaluated, or do not exist: {_shorten(unknown)}"
        )
    return evaluator.summarize()
