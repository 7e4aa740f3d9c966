"""Is a COCO file sound? Everything that is broken is found before training, in one table, and nothing is trusted.

Reading and checking are one pass: what passes becomes a small record, what does not becomes a line of the table. No
picture is decoded and no mask is made, so that no number in the file can ask for more memory than the file itself.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import DataError
from . import pictures, polygons

TOLERANCE = 1.0  # pixels by which a box, polygon or keypoint may leave its picture: annotation tools round
LARGEST = 1 << 15  # longest side of a picture
HUGE = 1e9  # no number of an annotation is larger


@dataclass(frozen=True)
class Problem:
    """One line of the table: which entry, of which picture, and what is wrong with it."""

    where: str
    picture: str
    what: str


@dataclass(frozen=True)
class Category:
    id: int
    name: str
    keypoints: tuple = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's entry; upright says whether its EXIF orientation has to be applied to fit height and width."""

    id: int
    file_name: str
    height: int
    width: int
    upright: bool = True


@dataclass(frozen=True, slots=True)
class Annotation:
    """One object: box (x1, y1, x2, y2) inside its picture, segmentation as `polygons.parse_segmentation` returns it."""

    id: int
    picture: int
    category: int
    box: tuple
    crowd: bool = False
    area: float | None = None
    segmentation: object = None
    keypoints: np.ndarray | None = None


@dataclass(frozen=True)
class Report:
    """The sound entries of a file, by id, and every problem."""

    path: str
    categories: dict = field(default_factory=dict)
    pictures: dict = field(default_factory=dict)
    annotations: dict = field(default_factory=dict)
    problems: tuple = ()

    @property
    def ok(self):
        return not self.problems

    def table(self, limit=None):
        """The problems as text, the first `limit` of them or all; one line when there are none."""
        sound = f"{len(self.pictures)} pictures, {len(self.annotations)} objects, {len(self.categories)} classes"
        if self.ok:
            return f"{self.path}: sound ({sound})"
        shown = self.problems[:limit]
        rows = [("entry", "picture", "problem"), *((p.where, p.picture, p.what) for p in shown)]
        widths = [min(40, max(len(row[column]) for row in rows)) for column in (0, 1)]
        lines = [f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}" for row in rows]
        more = [f"... and {len(self.problems) - len(shown)} more"] if len(shown) < len(self.problems) else []
        count = f"{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"
        return "\n".join([f"{self.path}: {count} (sound: {sound})", *lines, *more])


class _Broken(Exception):
    """Ends the check of one entry: what it says makes the rest of it meaningless."""


def check_coco(path, folder):
    """Check annotations and the pictures they name.

    path of a json file, folder with the pictures  ->  Report
    Only a file that is no JSON at all, or has no lists of entries, is a DataError.
    """
    entries, constants = read_json(path)
    problems = []
    categories = _check_categories(entries["categories"], problems)
    images = _check_pictures(entries["images"], Path(folder), problems)
    names = {key: picture.file_name for key, picture in images.items() if picture}
    with_masks = any(isinstance(a, dict) and a.get("segmentation") for a in entries["annotations"])
    annotations = {}
    for i, entry in enumerate(entries["annotations"]):
        where, picture = f"annotation {_identify(entry, i)}", ""
        try:
            key = _claim_id(entry, annotations)
            annotations[key] = None  # taken, even when the rest is broken
            picture = _name(entry, names)
            found = []
            annotations[key] = _annotation(entry, key, images, categories, with_masks, found)
            problems.extend(Problem(where, picture, what) for what in found)
        except (_Broken, DataError) as error:
            problems.append(Problem(where, picture, str(error)))
    if constants and not any("finite" in p.what for p in problems):
        problems.append(Problem("file", "", f"holds {constants} times NaN or Infinity, which JSON does not know"))
    sound = ({k: v for k, v in table.items() if v is not None} for table in (categories, images, annotations))
    return Report(str(path), *sound, tuple(problems))


def read_json(path):
    """The three lists of a COCO file, and how many NaN and Infinity it holds; DataError when it is something else."""
    constants = []

    def count_constant(word):
        constants.append(word)
        return float(word)

    try:
        entries = json.loads(Path(path).read_bytes(), parse_constant=count_constant)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({error})") from error
    for name in ("images", "annotations", "categories"):
        if not isinstance(entries, dict) or not isinstance(entries.get(name), list):
            raise DataError(f"{path}: not COCO's format: it needs a list {name!r}")
    if not entries["images"] or not entries["categories"]:
        raise DataError(f"{path}: holds {len(entries['images'])} pictures and {len(entries['categories'])} categories")
    return entries, len(constants)


# ---------------------------------------------------------------- categories and pictures


def _check_categories(entries, problems):
    known, names = {}, set()
    for i, entry in enumerate(entries):
        where = f"category {_identify(entry, i)}"
        try:
            key = _claim_id(entry, known)
            name, points = entry.get("name"), entry.get("keypoints", [])
            if not isinstance(name, str) or not name.strip():
                raise _Broken(f"needs a name; got {_short(name)}")
            if name in names:
                raise _Broken(f"the name {_short(name)} is taken by another category")
            if not isinstance(points, list) or not all(isinstance(p, str) for p in points):
                raise _Broken(f"keypoints must be a list of names; got {_short(points)}")
            names.add(name)
            known[key] = Category(key, name, tuple(points))
        except _Broken as error:
            problems.append(Problem(where, "", str(error)))
    return known


def _check_pictures(entries, folder, problems):
    """Pictures by id; None for one that cannot be used, so that its objects are not called strays."""
    known = {}
    for i, entry in enumerate(entries):
        where, name = f"picture {_identify(entry, i)}", ""
        try:
            key = _claim_id(entry, known)
            known[key] = None
            name = _file_name(entry)
            size = tuple(entry.get(side) for side in ("height", "width"))
            if not all(type(side) is int and 1 <= side <= LARGEST for side in size):
                raise _Broken(f"height and width must be whole numbers in 1..{LARGEST}; got {_short(list(size))}")
            known[key] = Picture(key, name, *size, upright=_orientation(folder / name, size))
        except _Broken as error:
            problems.append(Problem(where, name, str(error)))
    return known


def _file_name(entry):
    name = entry.get("file_name")
    if not isinstance(name, str) or not name or "\0" in name:
        raise _Broken(f"needs a file_name; got {_short(name)}")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise _Broken(f"file_name must stay inside the folder of pictures; got {_short(name)}")
    return name


def _orientation(path, size):
    """Whether the picture fits the annotated size upright (True) or as stored; upright when both do.

    Some tools annotate what a viewer shows, others the pixels as stored: the size tells which, where it can.
    """
    if not path.is_file():
        raise _Broken("there is no such picture")
    try:
        shown, stored = pictures.picture_sizes(path)
    except DataError as error:
        raise _Broken(str(error).removeprefix(f"{path}: ")) from error
    if size not in (shown, stored):
        raise _Broken(f"is {shown[1]}x{shown[0]} pixels; the file says {size[1]}x{size[0]}")
    return size == shown


# ---------------------------------------------------------------- annotations


def _annotation(entry, key, images, categories, with_masks, problems):
    """The record of one object, or None when `problems` tells why there is none."""
    picture_id, category_id = entry.get("image_id"), entry.get("category_id")
    if type(picture_id) is not int or picture_id not in images:
        raise _Broken(f"image_id names no picture; got {_short(picture_id)}")
    if type(category_id) is not int or category_id not in categories:
        problems.append(f"category_id names no category; got {_short(category_id)}")
    picture = images[picture_id]
    if picture is None:  # its line stands in the table
        return None
    size = picture.height, picture.width
    before = len(problems)
    values = {}
    for name, read in (("box", _box), ("crowd", _crowd), ("area", _area), ("segmentation", _segmentation)):
        try:
            values[name] = read(entry, size)
        except (_Broken, DataError) as error:
            problems.append(str(error).removeprefix("from_string: "))
    if with_masks and not values.get("segmentation", True):
        problems.append("segmentation is missing; other objects have one")
    category = categories.get(category_id) if type(category_id) is int else None
    try:
        values["keypoints"] = _keypoints(entry, size, category)
    except _Broken as error:
        problems.append(str(error))
    if len(problems) > before or category is None:
        return None
    values["segmentation"] = values["segmentation"] or None
    return Annotation(key, picture_id, category_id, **values)


def _box(entry, size):
    """x1, y1, x2, y2 inside the picture."""
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        raise _Broken(f"bbox must be [x, y, width, height]; got {_short(box)}")
    if not all(map(_is_number, box)):
        raise _Broken(f"bbox must hold finite numbers; got {_short(box)}")
    x, y, w, h = box
    if w <= 0 or h <= 0:
        raise _Broken(f"box is degenerate: width and height must be above 0; got {box}")
    height, width = size
    if min(x, y) < -TOLERANCE or x + w > width + TOLERANCE or y + h > height + TOLERANCE:
        raise _Broken(f"box lies outside the picture of {width}x{height} pixels; got {box}")
    clipped = np.clip(np.array([x, y, x + w, y + h], np.float32), 0, [width, height, width, height])
    if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
        raise _Broken(f"box is degenerate inside the picture of {width}x{height} pixels; got {box}")
    return tuple(clipped.tolist())


def _crowd(entry, size):
    crowd = entry.get("iscrowd", 0)
    if crowd not in (0, 1):
        raise _Broken(f"iscrowd must be 0 or 1; got {_short(crowd)}")
    return bool(crowd)


def _area(entry, size):
    area = entry.get("area")
    if area is not None and not (_is_number(area) and area >= 0):
        raise _Broken(f"area must be a finite number, at least 0; got {_short(area)}")
    return None if area is None else float(area)


def _segmentation(entry, size):
    if entry.get("segmentation") is None:
        return None
    parsed = polygons.parse_segmentation(entry["segmentation"], size=size)
    height, width = size
    for k, points in enumerate(parsed if isinstance(parsed, list) else ()):
        low, high = points.min(axis=0), points.max(axis=0)
        if low.min() < -TOLERANCE or high[0] > width + TOLERANCE or high[1] > height + TOLERANCE:
            reach = f"x {low[0]:.6g}..{high[0]:.6g}, y {low[1]:.6g}..{high[1]:.6g}"
            raise _Broken(f"polygon {k} lies outside the picture of {width}x{height} pixels; it spans {reach}")
    return parsed


def _keypoints(entry, size, category):
    """(J, 3) as x, y, visibility; None where the category has none. J is the category's count of names."""
    points = entry.get("keypoints")
    if category is None or not category.keypoints and not points:
        return None
    count, height, width = len(category.keypoints), *size
    if points is None:
        return np.zeros((count, 3), np.float32)
    if not isinstance(points, list) or len(points) != 3 * count:
        given = len(points) if isinstance(points, list) else _short(points)
        raise _Broken(f"keypoints must be {3 * count} numbers for the category's {count} points; got {given}")
    if not all(map(_is_number, points)):
        raise _Broken("keypoints must be finite numbers")
    array = np.array(points, np.float64).reshape(-1, 3)
    if not np.isin(array[:, 2], (0, 1, 2)).all():
        raise _Broken(f"keypoints: visibility must be 0, 1 or 2; got {_short(points[2::3])}")
    there = array[:, 2] > 0
    x, y = array[there, 0], array[there, 1]
    beyond = (np.minimum(x, y) < -TOLERANCE) | (x > width + TOLERANCE) | (y > height + TOLERANCE)
    if beyond.any():
        name = category.keypoints[int(np.flatnonzero(there)[beyond][0])]
        raise _Broken(f"keypoint {_short(name)} lies outside the picture of {width}x{height} pixels")
    counted = entry.get("num_keypoints", int(there.sum()))
    if counted != int(there.sum()):
        raise _Broken(f"num_keypoints must count the {int(there.sum())} labelled points; got {_short(counted)}")
    return np.where(there[:, None], array, 0).astype(np.float32)


# ---------------------------------------------------------------- small helpers


def _claim_id(entry, taken):
    if not isinstance(entry, dict):
        raise _Broken(f"must be a table of entries; got {_short(entry)}")
    key = entry.get("id")
    if type(key) is not int:
        raise _Broken(f"id must be a whole number; got {_short(key)}")
    if key in taken:
        raise _Broken(f"the id {key} is taken by another entry")
    return key


def _identify(entry, place):
    key = entry.get("id") if isinstance(entry, dict) else None
    return _short(key) if type(key) is int else f"no. {place + 1} of the list"


def _name(entry, names):
    key = entry.get("image_id")
    return names.get(key, "") if type(key) is int else ""


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -HUGE < value < HUGE  # NaN fails both


def _short(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
