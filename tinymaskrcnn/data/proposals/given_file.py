"""Proposals that somebody brings along: a file that names, for each box, the picture it lies in.

JSON in COCO's results format, a list of {"image_id", "bbox": [x, y, width, height], "score"}; or an .npz file of the
arrays image_id (T,) int, boxes (T, 4) as x1, y1, x2, y2, and, where they are known, scores (T,). Best score first;
without scores in the order of the file.
"""

from pathlib import Path

import numpy as np

from ...errors import DataError, shown
from ...files import read_json
from ...plain_arrays import read_npz

LARGEST = 1e6  # pixels: no picture is larger
SLACK = 1.0  # pixels that a box may reach beyond its picture, as rounding leaves them


class GivenFile:
    """The proposals of a file for the pictures of a CocoDataset: of(number) -> boxes (P, 4) float32 in pixels.

    A picture without proposals in the file has none. DataError when the file is of other pictures.
    """

    def __init__(self, path, dataset):
        by_id = read_proposals(path)
        known = [number for number, picture in enumerate(dataset.pictures) if picture.id in by_id]
        if not known:
            example = shown(next(iter(by_id), None))
            raise DataError(
                f"{path}: holds proposals of another data set: none of its {len(by_id)} image ids (such as {example}) "
                f"is that of a picture of {dataset.path}"
            )
        self.dataset, self.known = dataset, {number: by_id[dataset.pictures[number].id] for number in known}
        for number, boxes in self.known.items():
            self._check(path, dataset.pictures[number], boxes)

    def of(self, number):
        return self.known.get(number, np.zeros((0, 4), np.float32))

    def counts(self):
        """Of every picture how many proposals and single objects it has: {"found", "objects"}."""
        entries = [self.dataset.objects[picture.id] for picture in self.dataset.pictures]
        objects = tuple(sum(not entry.crowd for entry in of_picture) for of_picture in entries)
        return {"found": tuple(len(self.of(number)) for number in range(len(entries))), "objects": objects}

    def missing(self, numbers):
        return []

    def flush(self):
        pass

    @staticmethod
    def _check(path, picture, boxes):
        size = np.array([picture.width, picture.height] * 2)
        if (boxes < -SLACK).any() or (boxes > size + SLACK).any():
            row = int(np.flatnonzero((boxes < -SLACK).any(axis=1) | (boxes > size + SLACK).any(axis=1))[0])
            raise DataError(
                f"{path}: holds proposals of another data set: image {picture.id} ({shown(picture.file_name)}) has "
                f"{picture.width}x{picture.height} pixels, its box {row} is x1, y1, x2, y2 = {boxes[row].tolist()}"
            )


def read_proposals(path):
    """{image id: boxes (P, 4) float32, best first} of a file; DataError names what cannot be used."""
    ids, boxes, scores = (_from_npz if Path(path).suffix == ".npz" else _from_json)(path)
    if not len(ids):
        raise DataError(f"{path}: holds no proposals")
    sound = (np.abs(boxes) < LARGEST).all(axis=1)  # NaN is not
    wrong = ~sound | (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(f"{path}: box {row}, of image {ids[row]}, has no area: {shown(boxes[row].tolist())}")
    order = np.lexsort((-scores, ids))  # stable: of equal scores, or none, the earlier row first
    ids, boxes = ids[order], boxes[order].astype(np.float32)
    starts = 1 + np.flatnonzero(ids[1:] != ids[:-1])
    return dict(zip(ids[[0, *starts]].tolist(), np.split(boxes, starts)))


def _from_npz(path):
    arrays = read_npz(path)
    for name, kinds, shape in (("image_id", "iu", 1), ("boxes", "f", 2)):
        if name not in arrays or arrays[name].dtype.kind not in kinds or arrays[name].ndim != shape:
            raise DataError(f"{path}: must hold image_id (T,) integers and boxes (T, 4) floats; {name} is not so")
    ids, boxes = arrays["image_id"], arrays["boxes"]
    scores = arrays.get("scores", np.zeros(len(ids)))
    if boxes.shape != (len(ids), 4) or scores.shape != ids.shape or not np.isfinite(scores).all():
        shapes = f"{ids.shape}, {boxes.shape} and {scores.shape}"
        raise DataError(f"{path}: image_id, boxes and scores must have as many rows; got {shapes}")
    return ids.astype(np.int64), boxes.astype(np.float64), scores.astype(np.float64)


def _from_json(path):
    entries = read_json(path)
    if not isinstance(entries, list):
        raise DataError(f'{path}: must be a list of {{"image_id", "bbox", "score"}}; got {type(entries).__name__}')
    ids, boxes, scores = [], [], []
    for row, entry in enumerate(entries):
        try:
            number, (x, y, w, h), score = entry["image_id"], map(float, entry["bbox"]), float(entry.get("score", 0))
            if type(number) is not int or not -(2**63) <= number < 2**63:
                raise TypeError
        except (TypeError, ValueError, KeyError, AttributeError):
            wanted = f'{path}: entry {row} must have "image_id" and "bbox" [x, y, w, h]'
            raise DataError(f"{wanted}; got {shown(entry)}") from None
        ids.append(number)
        boxes.append([x, y, x + w, y + h])
        scores.append(score)
    return np.array(ids, np.int64), np.array(boxes, np.float64).reshape(-1, 4), np.array(scores, np.float64)
