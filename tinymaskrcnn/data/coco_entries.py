"""The entries of a COCO file, one at a time: what passes becomes a small record, what does not raises Broken.

No picture is decoded and no mask is made, so that no number in the file can ask for more memory than the file itself.
"""

import os
from pathlib import Path

import numpy as np

from ..config_kinds import is_name
from ..errors import DataError, shown
from . import pictures, polygons
from .coco_report import Annotation, Category, Picture

TOLERANCE = 1.0  # pixels by which a box, polygon or keypoint may leave its picture: annotation tools round
SMALLEST = 0.1  # pixels: shortest side of a box; a float32 could not tell the edges of a thinner one apart everywhere
LARGEST = 1 << 15  # longest side of a picture
HUGE = 1e9  # no number of an annotation is larger


class Broken(Exception):
    """Ends the check of one entry, or of one part of it: what it says makes the rest of it meaningless."""


# ---------------------------------------------------------------- categories and pictures


def read_category(entry, key):
    """->  Category"""
    name, points = entry.get("name"), entry.get("keypoints")
    points = [] if points in (None, "", {}) else points
    if not isinstance(name, str) or not name.strip():
        raise Broken(f"needs a name; got {shown(name)}")
    if not is_name(name):
        raise Broken(f"its name must be one line without control characters; got {shown(name)}")
    if not isinstance(points, list) or not all(isinstance(p, str) for p in points):
        raise Broken(f"keypoints must be a list of names; got {shown(points)}")
    return Category(key, name, tuple(points))


def read_picture(entry, key, folder, *, decode=False):
    """->  Picture, whose file is there and of the annotated size"""
    name = file_name(entry)
    size = tuple(entry.get(side) for side in ("height", "width"))
    if not all(type(side) is int and 1 <= side <= LARGEST for side in size):
        raise Broken(f"height and width must be whole numbers in 1..{LARGEST}; got {shown(list(size))}")
    upright = _orientation(folder / name, size)
    if decode:
        try:
            pictures.read_pixels(folder / name, upright=upright)
        except DataError as error:
            raise Broken(str(error).removeprefix(f"{folder / name}: ")) from error
    return Picture(key, name, *size, upright=upright)


def file_name(entry):
    """The name of a picture's file, which stays inside its folder."""
    name = entry.get("file_name")
    if not isinstance(name, str) or not name or "\0" in name:
        raise Broken(f"needs a file_name; got {shown(name)}")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise Broken(f"file_name must stay inside the folder of pictures; got {shown(name)}")
    return name


def same_file(name):
    """One spelling for all names of a file: a.png, ./a.png."""
    return os.path.normpath(name)


def _orientation(path, size):
    """Whether the picture fits the annotated size upright (True) or as stored; upright when both do.

    Some tools annotate what a viewer shows, others the pixels as stored: the size tells which, where it can.
    """
    try:
        if not path.is_file():
            raise Broken("there is no such picture")
        upright, stored = pictures.picture_sizes(path)
    except (OSError, ValueError) as error:  # a name that no file can have; DataError is a ValueError
        raise Broken(str(error).removeprefix(f"{path}: ")) from error
    if size not in (upright, stored):
        raise Broken(f"is {upright[1]}x{upright[0]} pixels; the file says {size[1]}x{size[0]}")
    return size == upright


# ---------------------------------------------------------------- annotations


def read_object(entry, key, picture, category):
    """The record of one object, and {part: what is wrong with it}: without its "box" it is no object, and None.

    category is None where it is not known; then it is no object either.
    segmentation and keypoints are not yet held against the box: see coco_fit.
    """
    size = picture.height, picture.width
    values, wrong = {}, {}
    parts = {"box": _box, "crowd": _crowd, "area": _area, "segmentation": _segmentation}
    parts["keypoints"] = lambda entry, size: _keypoints(entry, size, category)
    for name, read in parts.items():
        try:
            values[name] = read(entry, size)
        except (Broken, DataError) as error:
            part = {"segmentation": "mask", "keypoints": "keypoint"}.get(name, "box")
            wrong.setdefault(part, []).append(str(error).removeprefix("from_string: "))
    if "box" in wrong or category is None:
        return None, wrong
    return Annotation(key, picture.id, category.id, **values, broken=frozenset(wrong)), wrong


def plain_box(entry):
    """[x, y, width, height] as four finite numbers, whatever they mean."""
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        raise Broken(f"bbox must be [x, y, width, height]; got {shown(box)}")
    if not all(map(is_number, box)):
        raise Broken(f"bbox must hold finite numbers; got {shown(box)}")
    return box


def _box(entry, size):
    """x1, y1, x2, y2 inside the picture."""
    box = x, y, w, h = plain_box(entry)
    if w <= 0 or h <= 0:
        raise Broken(f"box is degenerate: width and height must be above 0; got {shown(box)}")
    height, width = size
    if min(x, y) < -TOLERANCE or x + w > width + TOLERANCE or y + h > height + TOLERANCE:
        raise Broken(f"box lies outside the picture of {width}x{height} pixels; got {shown(box)}")
    edges = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    x1, y1, x2, y2 = np.array(edges, np.float32).tolist()
    if min(x2 - x1, y2 - y1) < 0.9 * SMALLEST:  # 0.9: edges were rounded
        where = f"inside the picture of {width}x{height} pixels" if min(w, h) >= SMALLEST else f"below {SMALLEST} pixel"
        raise Broken(f"box is degenerate {where}; got {shown(box)}")
    return x1, y1, x2, y2


def _crowd(entry, size):
    crowd = entry.get("iscrowd")
    if crowd not in (None, 0, 1):
        raise Broken(f"iscrowd must be 0 or 1; got {shown(crowd)}")
    return bool(crowd)


def _area(entry, size):
    area = entry.get("area")
    if area is not None and not (is_number(area) and area >= 0):
        raise Broken(f"area must be a finite number, at least 0; got {shown(area)}")
    return None if area is None else float(area)


def _segmentation(entry, size):
    if polygons.is_absent(entry.get("segmentation")):
        return None
    parsed = polygons.parse_segmentation(entry["segmentation"], size=size)
    height, width = size
    for k, points in enumerate(parsed if isinstance(parsed, list) else ()):
        low, high = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        if min(low) < -TOLERANCE or high[0] > width + TOLERANCE or high[1] > height + TOLERANCE:
            reach = f"x {low[0]:.6g}..{high[0]:.6g}, y {low[1]:.6g}..{high[1]:.6g}"
            swapped = high[0] <= height + TOLERANCE and high[1] <= width + TOLERANCE and min(low) >= -TOLERANCE
            hint = "; as y, x it would not" if swapped else ""
            raise Broken(f"polygon {k} lies outside the picture of {width}x{height} pixels; it spans {reach}{hint}")
    return parsed


def _keypoints(entry, size, category):
    """(J, 3) as x, y, visibility; None where the category has none. J is the category's count of names."""
    points = entry.get("keypoints") or None
    if category is None or not category.keypoints and points is None:
        return None
    count, height, width = len(category.keypoints), *size
    if points is None:
        return np.zeros((count, 3), np.float32)
    if count == 0:
        raise Broken("has keypoints; its category names none")
    if not isinstance(points, list) or len(points) != 3 * count:
        given = len(points) if isinstance(points, list) else shown(points)
        raise Broken(f"keypoints must be {3 * count} numbers for the category's {count} points; got {given}")
    if not all(map(is_number, points)):
        raise Broken("keypoints must be finite numbers")
    array = np.array(points, np.float64).reshape(-1, 3)
    if not np.isin(array[:, 2], (0, 1, 2)).all():
        raise Broken(f"keypoints: visibility must be 0, 1 or 2; got {shown(points[2::3])}")
    there = array[:, 2] > 0
    x, y = array[there, 0], array[there, 1]
    beyond = (np.minimum(x, y) < -TOLERANCE) | (x > width + TOLERANCE) | (y > height + TOLERANCE)
    if beyond.any():
        name = category.keypoints[int(np.flatnonzero(there)[beyond][0])]
        raise Broken(f"keypoint {shown(name)} lies outside the picture of {width}x{height} pixels")
    counted = entry.get("num_keypoints")
    if counted is not None and counted != int(there.sum()):
        raise Broken(f"num_keypoints must count the {int(there.sum())} labelled points; got {shown(counted)}")
    return np.where(there[:, None], array, 0).astype(np.float32)


# ---------------------------------------------------------------- small helpers


def claim_id(entry, taken):
    """The id of an entry, which no other one has."""
    if not isinstance(entry, dict):
        raise Broken(f"must be a table of entries; got {shown(entry)}")
    key = entry.get("id")
    if type(key) is not int or abs(key) >= 2**63:
        raise Broken(f"id must be a whole number; got {shown(key)}")
    if key in taken:
        raise Broken(f"the id {key} is taken by another entry")
    return key


def identify(entry, place):
    """How the table calls an entry: by its id, or by its place when it has none."""
    key = entry.get("id") if isinstance(entry, dict) else None
    return shown(key) if type(key) is int else f"no. {place + 1} of the list"


def shown_name(name):
    """A file name for a line of text: short, and without what would disturb the console."""
    if not isinstance(name, str):
        return ""
    return name if len(name) <= 60 and name.isprintable() else shown(name)


def is_number(value):
    return type(value) in (int, float) and -HUGE < value < HUGE  # what JSON makes of numbers; NaN fails both
