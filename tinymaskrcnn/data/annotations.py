"""COCO's annotation files as the evaluation needs them: no picture is opened, no box is moved, no object left out.

Training is stricter, and cuts boxes off at the border of their picture: see data/coco.py.
"""

from pathlib import Path

import numpy as np

from ..errors import ArgumentError, DataError
from ..structures import Target
from . import polygons, rle
from .coco_check import LARGEST, read_json


class Annotations:
    """The objects of a COCO file by image id, in ascending order; label k + 1 is category category_ids[k].

    sizes {image id: (H, W)}. Everything but the segmentations is checked here; DataError names the annotation.
    """

    def __init__(self, path):
        self.path = Path(path)
        entries, constants = read_json(path)
        if constants:
            raise DataError(f"{path}: holds {constants} times NaN or Infinity, which JSON does not know")
        self.category_ids = tuple(self._once("category", entries["categories"]))
        self.sizes = dict(map(self._picture, self._once("image", entries["images"]).values()))
        self._labels = {category: k + 1 for k, category in enumerate(self.category_ids)}
        self._objects = {image_id: [] for image_id in self.sizes}
        for entry in entries["annotations"]:
            self._objects[self._checked(entry)].append(entry)
        self.parts = ["bbox"]
        self.parts += ["segmentation"] if any(map(_has_mask, entries["annotations"])) else []
        self.parts += ["keypoints"] if any(a.get("keypoints") for a in entries["annotations"]) else []
        lengths = {len(a["keypoints"]) // 3 for a in entries["annotations"] if a.get("keypoints")}
        if len(lengths) > 1:
            raise DataError(f"{path}: all objects must have as many keypoints, or none; got {sorted(lengths)}")
        self.num_keypoints = max(lengths, default=0)

    def __len__(self):
        return len(self.sizes)

    def target(self, image_id, *, iou_type="bbox"):
        """The objects of one image as a Target with float64 boxes; masks (a list of RLE) and keypoints when compared.

        Categories without keypoints have unlabelled ones, which are ignored.
        """
        objects = self._objects[image_id]
        x, y, width, height = np.array([a["bbox"] for a in objects], np.float64).reshape(-1, 4).T
        masks = [self._mask(a, image_id) for a in objects] if iou_type == "segm" else None
        keypoints = None
        if iou_type == "keypoints":
            keypoints = np.zeros((len(objects), self.num_keypoints, 3))
            for k, entry in enumerate(objects):
                if entry.get("keypoints"):
                    keypoints[k] = np.reshape(entry["keypoints"], (self.num_keypoints, 3))
        areas = [a.get("area") for a in objects]
        areas = None if None in areas else np.array(areas, np.float64)
        labels = np.array([self._labels[a["category_id"]] for a in objects], np.int64)
        crowd = np.array([a.get("iscrowd") for a in objects], bool)
        return Target(np.stack([x, y, x + width, y + height], axis=1), labels, masks, crowd, keypoints, areas)

    def targets(self, *, iou_type="bbox"):
        """Yield (image id, Target) of every image, one after the other."""
        for image_id in self.sizes:
            yield image_id, self.target(image_id, iou_type=iou_type)

    def _mask(self, entry, image_id):
        size = self.sizes[image_id]
        if not _has_mask(entry):
            raise DataError(f"{self.path}: annotation {entry.get('id')}: has no segmentation to judge masks by")
        try:
            parsed = polygons.parse_segmentation(entry.get("segmentation"), size=size)
            if not isinstance(parsed, list):
                return parsed
            masks = [polygons.polygon_to_rle(points, size=size) for points in parsed]
            return masks[0] if len(masks) == 1 else rle.merge(masks)
        except (ArgumentError, DataError) as error:
            raise DataError(f"{self.path}: annotation {entry.get('id')}: {error}") from None

    # ---------------------------------------------------------------- checks

    def _picture(self, entry):
        image_id = self._whole(entry, "id", "image")
        height, width = (self._whole(entry, side, f"image {image_id}") for side in ("height", "width"))
        if not (1 <= height <= LARGEST and 1 <= width <= LARGEST):
            raise DataError(f"{self.path}: image {image_id}: sides must be in 1..{LARGEST}; got {height} x {width}")
        return image_id, (height, width)

    def _checked(self, entry):
        """The image of an annotation, once everything in it but the segmentation is found sound."""
        where = f"annotation {entry.get('id') if isinstance(entry, dict) else entry!r}"
        image_id, category = (self._whole(entry, name, where) for name in ("image_id", "category_id"))
        if image_id not in self.sizes:
            raise DataError(f"{self.path}: {where}: there is no image {image_id}")
        if category not in self._labels:
            raise DataError(f"{self.path}: {where}: there is no category {category}")
        box, points = entry.get("bbox"), entry.get("keypoints") or []
        if not _finite(box) or len(box) != 4 or min(box[2:]) < 0:
            raise DataError(f"{self.path}: {where}: bbox must be finite x, y, width, height; got {str(box)[:80]}")
        if not _finite(points) or len(points) % 3:
            raise DataError(
                f"{self.path}: {where}: keypoints must be finite x, y, visibility of each; {str(points)[:80]}"
            )
        if entry.get("area") is not None and (not _finite([entry["area"]]) or entry["area"] < 0):
            raise DataError(f"{self.path}: {where}: area must be finite and at least 0; got {str(entry['area'])[:80]}")
        if entry.get("iscrowd") not in (None, 0, 1):
            raise DataError(f"{self.path}: {where}: iscrowd must be 0 or 1; got {str(entry['iscrowd'])[:80]}")
        return image_id

    def _once(self, what, entries):
        """{id: entry} in ascending order; the same entry may stand twice, two with one id would lose one of them."""
        found = {}
        for entry in entries:
            key = self._whole(entry, "id", what)
            if found.setdefault(key, entry) != entry:
                raise DataError(f"{self.path}: {what} {key} stands twice in the file, and not with the same contents")
        return dict(sorted(found.items()))

    def _whole(self, entry, name, where):
        value = entry.get(name) if isinstance(entry, dict) else None
        if type(value) is not int or abs(value) >= 2**63:
            raise DataError(f"{self.path}: {where}: {name} must be a whole number; got {str(value)[:80]}")
        return value


def _has_mask(entry):
    return not polygons.is_absent(entry.get("segmentation"))


def _finite(values):
    numbers = isinstance(values, list) and all(type(v) in (int, float) for v in values)
    return numbers and all(abs(v) < 1e300 for v in values)  # NaN and infinity fail, and so do numbers like 10**400
