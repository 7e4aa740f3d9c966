"""Boxes that a person draws around the objects of some pictures, kept as a file in COCO's format.

What a page in the browser sends is checked here, number by number, before anything is written.
"""

import json
import math
from pathlib import Path

from ..errors import DataError, shown
from ..files import read_json, write_whole
from .pictures import list_images, picture_sizes

DIGITS = tuple("0123456789")
MOST = 1000  # boxes of a picture
KEYS = {"id", "image_id", "category_id", "bbox", "area", "iscrowd"}  # what an annotation of this file has


class Notebook:
    """The pictures of a folder, the classes of what is to be found in them, and the boxes so far.

    boxes {file name: [[x1, y1, x2, y2, class], ...]} in pixels of the upright picture; the class is a place in
    `classes`. A picture that was looked at and holds nothing has an empty list, one that was not has none.
    """

    def __init__(self, folder, path, classes=DIGITS):
        self.folder, self.path, self.classes = Path(folder), Path(path), tuple(classes)
        self.pictures = [picture.name for picture in list_images([self.folder])]
        self.sizes = {name: picture_sizes(self.folder / name)[0] for name in self.pictures}  # a broken one is named
        self.boxes = self._read() if self.path.exists() else {}

    def put(self, number, boxes):
        """Take the boxes of picture `number` and write the file anew; DataError says what is wrong with them."""
        if not isinstance(number, int) or not 0 <= number < len(self.pictures):
            raise DataError(f"there is no picture number {shown(number)}; there are {len(self.pictures)}")
        name = self.pictures[number]
        self.boxes[name] = self._checked(boxes, name)
        write_whole(self.path, json.dumps(self.table(), indent=1) + "\n")

    def table(self):
        """All of it as COCO's table."""
        looked_at = [name for name in self.pictures if name in self.boxes]
        images, annotations = [], []
        for name in looked_at:
            height, width = self.sizes[name]
            images.append({"id": len(images) + 1, "file_name": name, "height": height, "width": width})
            for x1, y1, x2, y2, place in self.boxes[name]:
                entry = {"id": len(annotations) + 1, "image_id": len(images), "category_id": place + 1}
                box = [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)]
                annotations.append(entry | {"bbox": box, "area": round(box[2] * box[3], 2), "iscrowd": 0})
        categories = [{"id": place + 1, "name": name} for place, name in enumerate(self.classes)]
        return {"images": images, "annotations": annotations, "categories": categories}

    def _checked(self, boxes, name):
        """The same boxes, rounded and inside the picture."""
        height, width = self.sizes[name]
        if not isinstance(boxes, list) or len(boxes) > MOST:
            raise DataError(f"{name}: boxes must be a list of at most {MOST}; got {shown(boxes, 60)}")
        taken = []
        for box in boxes:
            numbers = isinstance(box, list) and len(box) == 5 and all(type(v) in (int, float) for v in box)
            if not numbers or not all(map(math.isfinite, box)):
                raise DataError(f"{name}: a box must be x1, y1, x2, y2 and a class; got {shown(box, 60)}")
            x1, x2 = (round(min(max(box[k], 0), width), 2) for k in (0, 2))
            y1, y2 = (round(min(max(box[k], 0), height), 2) for k in (1, 3))
            if x2 <= x1 or y2 <= y1:
                raise DataError(f"{name}: a box needs x2 > x1 and y2 > y1 inside the picture; got {shown(box, 60)}")
            if box[4] not in range(len(self.classes)):
                raise DataError(f"{name}: a class must be in 0..{len(self.classes) - 1}; got {shown(box[4])}")
            taken.append([x1, y1, x2, y2, int(box[4])])
        return taken

    def _read(self):
        """The boxes of a file that this tool wrote; any other is left alone, because something of it would be lost."""
        try:
            table = read_json(self.path)
            names = {entry["id"]: entry["file_name"] for entry in table["images"]}
            places = {entry["id"]: self.classes.index(entry["name"]) for entry in table["categories"]}
            boxes = {name: [] for name in names.values()}
            for entry in table["annotations"]:
                x, y, w, h = entry["bbox"]
                if set(entry) != KEYS or entry["iscrowd"]:
                    raise ValueError("it has more than boxes")
                boxes[names[entry["image_id"]]].append([x, y, x + w, y + h, places[entry["category_id"]]])
            if strange := sorted(set(boxes) - set(self.pictures)):
                raise ValueError(f"{shown(strange[0])} is not in {self.folder}")
            return {name: self._checked(rows, name) for name, rows in boxes.items()}
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"{self.path}: is not a file of `tinymaskrcnn annotate` for these pictures and classes "
                f"({shown(str(error), 120)[1:-1]}); keep the boxes in another file"
            ) from error
