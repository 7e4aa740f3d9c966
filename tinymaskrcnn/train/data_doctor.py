"""What is wrong with annotated pictures, and with anchors for them, in words: what, where, why, and what to try."""

import dataclasses
import re
from pathlib import Path

import numpy as np

from ..data.coco_check import read_json
from ..data.coco_entries import Broken, file_name, is_number, plain_box
from ..data.coco_report import count
from ..data.pictures import read_pixels
from ..data.resizing import resized_size
from ..errors import DataError
from ..structures import Target
from .anchor_report import anchor_report
from .anchor_sizes import better_sizes
from .doctor import Finding

LOOKED_AT = 2000  # pictures whose objects are held against the anchors
FEW = 5  # objects of a size; fewer say nothing about the anchors
ANNOTATIONS = "annotations"
ADVICE = (  # the first that fits: (what, words of the problem, what to try)
    ("number", "NaN or Infinity", "writing the file anew: JSON has numbers only, and null"),
    ("format of boxes", "boxes look like", "writing [x, y, width, height] in pixels, as COCO does"),
    ("format of masks", "masks look like", "writing polygons as x, y, x, y in pixels, as COCO does"),
    ("format of keypoints", "keypoints look like", "writing x, y, visibility in pixels, as COCO does"),
    ("missing picture", "there is no such picture", "naming the folder of pictures from which file_name starts"),
    (
        *("size of a picture", r"is \d+x\d+ pixels; the file says"),
        "annotating the pictures as they are: were they made smaller, or turned, afterwards?",
    ),
    ("thin picture", "has no pixel left", "cutting the picture into pieces that are less long and thin"),
    ("unreadable picture", "cannot be read|is a folder", "copying the file anew, or saving it as PNG or JPEG"),
    ("picture's file twice", "is the file of", "one entry for each file, with the objects of all"),
    ("picture's entry", "height and width|file_name", "whole numbers of pixels, and a file_name inside the folder"),
    (
        *("ids", r"\bids? |table of entries|names no (picture|category)|is that of class 0|is taken by"),
        "a whole number and a name of its own for each entry, and image_id and category_id by these",
    ),
    ("class", "needs a name|its name must|list of names|same ones", "one line of text for each class"),
    ("box outside", "box lies outside", "x and y of the upper left corner, then width and height, all in pixels"),
    ("empty box", "box is degenerate", "drawing the object again, or taking it out"),
    ("box", "bbox must", "four numbers [x, y, width, height]; one drawn around the mask, if there is one"),
    ("crowds and areas", "iscrowd must|area must", "iscrowd 0 or 1, and an area of at least 0, or neither of them"),
    ("mask outside", r"polygon \d+ lies outside", "x, y, x, y in pixels of this picture"),
    ("empty mask", "holds no pixel", "drawing the mask again, or taking the object out"),
    ("mask beside its box", "mask and box do not fit", "a box around the mask: which of the two is right?"),
    ("mask", "segmentation|polygon|run lengths", "polygons or run lengths as in COCO, for all objects or for none"),
    ("keypoints", "keypoint", "x, y, visibility for each name of the category, in its order"),
)
OTHER = ("entry", "", "mending the entry, or taking it out")


def examine_annotations(report):
    """The problems of a data.coco_report.Report by their kind, the most frequent first  ->  [Finding]"""
    kinds = {}
    for problem in report.problems:
        kinds.setdefault(_rule(problem.what), []).append(problem)
    return [_finding(*rule, kinds[rule]) for rule in sorted(kinds, key=lambda rule: -len(kinds[rule]))]


def _rule(words):
    """(what, what to try) of a problem."""
    return next(((what, advice) for what, marks, advice in (*ADVICE, OTHER) if re.search(marks, words)), None)


def _finding(what, advice, problems):
    first = problems[0]
    where = f"{first.where}{f' in {first.picture}' if first.picture else ''}"
    more = f", and {count(len(problems) - 1, 'more entry').replace('entrys', 'entries')}" if len(problems) > 1 else ""
    return Finding(what, f"{where}{more}", first.what[:200].rstrip("."), advice)


def examine_anchors(report, model):
    """Do the anchors of a ModelConfig fit the objects of a file?  ->  AnchorReport, [Finding], better sizes"""
    seen = list(_resized(report, model))
    boxes = np.concatenate([target.boxes for _, target in seen] or [np.zeros((0, 4), np.float32)])
    fit = anchor_report(seen, model.rpn, levels=model.backbone.levels)
    fit = dataclasses.replace(fit, looked_at=f"{count(len(seen), 'picture')}, as large as a network would see them")
    if not len(boxes):
        none = "the file has none" if not report.total[1] else "none of them is sound"
        advice = "other annotations: without an object nothing can be learned"
        return fit, [Finding("no objects", ANNOTATIONS, none, advice if not report.total[1] else "mending them")], ""
    low = [row for row in fit.bins() if row["fair"] < 0.9 and row["count"] >= max(FEW, 0.02 * len(fit))]
    sizes = better_sizes(boxes, model.rpn)
    return fit, [_poor(row, fit.fair, sizes) for row in low], sizes


def _poor(row, fair, advice):
    size = f"{row['low']}+" if np.isinf(row["high"]) else f"{row['low']}-{row['high']}"
    why = f"only {row['fair']:.0%} of {row['count']} have an anchor with IoU {fair:g}"
    return Finding("anchors", f"objects of {size} px", why, advice)


def _resized(report, model):
    """(an image of the size at which the model works, Target with the boxes) of evenly spread sound pictures."""
    objects = {}
    for annotation in report.annotations.values():
        if not annotation.crowd:
            objects.setdefault(annotation.picture, []).append(annotation.box)
    pictures = [picture for picture in report.pictures.values() if picture.id in objects]
    for picture in pictures[:: max(1, len(pictures) // LOOKED_AT)]:
        height, width = resized_size(picture.height, picture.width, model)
        scale = np.array([width / picture.width, height / picture.height] * 2)
        boxes = (np.array(objects[picture.id]) * scale).astype(np.float32)
        yield np.empty((height, width, 0)), Target(boxes, np.ones(len(boxes), np.int64))


# ---------------------------------------------------------------- to be drawn

SHOWN, ALIKE = 12, 3  # problems in all, and of one kind
NAMED = re.compile(r"(picture|annotation) (?:no\. (\d+) of the list|(-?\d+))")


def drawn_cases(report, folder, *, most=SHOWN, alike=ALIKE):
    """What `visualize.broken_figure` draws: some problems of a Report that are about a picture, of every kind some."""
    entries, _ = read_json(report.path)
    chosen, kinds = [], {}
    for problem in report.problems:
        what, _ = _rule(problem.what)
        if NAMED.match(problem.where) and kinds.get(what, 0) < alike and len(chosen) < most:
            kinds[what] = kinds.get(what, 0) + 1
            chosen.append(_case(problem, entries, report, Path(folder)))
    return chosen


def _case(problem, entries, report, folder):
    kind, place, number = NAMED.match(problem.where).groups()
    entry = _entry(entries[f"{kind}s" if kind == "annotation" else "images"], place, number)
    picture = entry if kind == "picture" else _entry(entries["images"], None, _id_of(entry.get("image_id")))
    image = _pixels(picture, report, folder)
    size = tuple(picture.get(side) for side in ("height", "width"))
    size = size if all(is_number(side) and 0 < side < 1e5 for side in size) else (1, 1)
    sound = [a.box for a in report.annotations.values() if a.picture == picture.get("id") and a.id != entry.get("id")]
    name = str(problem.picture or picture.get("file_name") or "")
    return {
        "image": image,
        "size": size if image is None else image.shape[:2],
        "box": _box(entry) if kind == "annotation" else None,
        "outlines": _outlines(entry) if kind == "annotation" and problem.part == "mask" else [],
        "marks": _marks(entry) if kind == "annotation" and problem.part == "keypoint" else np.zeros((0, 2)),
        "others": sound,
        "where": f"{problem.where}, {name}" if name else problem.where,
        "what": problem.what,
    }


def _id_of(value):
    return value if type(value) is int else None


def _entry(entries, place, number):
    """An entry by its place in its list, from 1, or by its id; an empty one where there is none."""
    if place is not None:
        found = entries[int(place) - 1]
    else:
        wanted = None if number is None else int(number)
        found = next((e for e in entries if isinstance(e, dict) and wanted is not None and e.get("id") == wanted), {})
    return found if isinstance(found, dict) else {}


def _pixels(picture, report, folder):
    known = report.pictures.get(_id_of(picture.get("id")))
    try:
        return read_pixels(folder / file_name(picture), 3, upright=known.upright if known else True)
    except (Broken, DataError, OSError, ValueError):
        return None


def _box(entry):
    """x1, y1, x2, y2 as the file has them, whatever they mean."""
    try:
        x, y, width, height = plain_box(entry)
    except Broken:
        return None
    return min(x, x + width), min(y, y + height), max(x, x + width), max(y, y + height)


def _outlines(entry):
    parts = entry.get("segmentation")
    flat = [part for part in parts if _is_flat(part, 2)] if isinstance(parts, list) else []
    return [np.array(part, float).reshape(-1, 2) for part in flat]


def _marks(entry):
    points = entry.get("keypoints")
    return np.array(points, float).reshape(-1, 3)[:, :2] if _is_flat(points, 3) else np.zeros((0, 2))


def _is_flat(values, each):
    whole = isinstance(values, list) and values and len(values) % each == 0
    return bool(whole) and all(map(is_number, values))
