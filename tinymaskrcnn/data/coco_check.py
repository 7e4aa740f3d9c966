"""Is a COCO file sound? Everything that is broken is found before training, in one table, and nothing is trusted.

Reading and checking are one pass: what passes becomes a small record, what does not becomes a line of the table. What
follows from another fault is counted, and gets no line of its own.
"""

import dataclasses
from collections import Counter
from pathlib import Path

from ..counting import counted
from ..errors import ArgumentError, DataError, shown
from ..files import loads, read_text
from .coco_entries import LARGEST, Broken, identify, read_category, read_picture, same_file, shown_name
from .coco_objects import Known, check_objects
from .coco_report import Problem, Report, count
from .resizing import resized_size

__all__ = ["LARGEST", "check_coco", "fit_to_model", "read_json"]
DECODED = 300  # pictures that are read to their last pixel unless one says otherwise
BACKGROUND = "background"  # class 0 of every model


def check_coco(path, folder, *, decode=None):
    """Check annotations and the pictures they name.

    path of a json file, folder with the pictures  ->  Report
    decode reads every picture to its last pixel, which takes a while; None does so up to a few hundred pictures.
    Only a file that is no JSON at all, or has no lists of entries, is a DataError.
    """
    entries, constants = read_json(path)
    problems, notes = [], []
    objects = Counter(_named(entry, "category_id") for entry in entries["annotations"])
    categories = _check_categories(entries["categories"], objects, problems, notes)
    objects = Counter(_named(entry, "image_id") for entry in entries["annotations"])
    decode = len(entries["images"]) <= DECODED if decode is None else decode
    images = _check_pictures(entries["images"], Path(folder), objects, problems, notes, decode=decode)
    found = check_objects(entries["annotations"], images, categories)
    problems += found.problems
    if found.repeated:
        notes.append(f"{count(found.repeated, 'annotation')} that stand twice in the file count once")
    if found.loose_masks:
        notes.append(f"{count(found.loose_masks, 'object')} with a box much larger than the mask, as if partly hidden")
    if found.odd_areas:
        notes.append(f"{count(found.odd_areas, 'area')} cannot be those of their boxes; evaluation goes by them")
    if constants and not any("finite" in p.what for p in problems):
        problems.append(Problem("file", "", f"holds {constants} times NaN or Infinity, which JSON does not know"))
    return Report(
        str(path),
        categories.sound,
        images.sound,
        found.sound,
        tuple(problems),
        lost=dict(found.lost),
        total=(len(entries["images"]) - images.repeated, len(entries["annotations"]) - found.repeated),
        notes=tuple(notes),
        parts=("box", *_parts(list(found.sound.values()), any(c.keypoints for c in categories.sound.values()))),
    )


def fit_to_model(report, model):
    """The report with the pictures that are too thin for the size at which a ModelConfig works among its problems."""
    pictures, problems, lost = dict(report.pictures), list(report.problems), Counter(report.lost)
    for picture in report.pictures.values():
        try:
            resized_size(picture.height, picture.width, model)
        except ArgumentError as error:
            what = str(error).rpartition("resize_to_config: ")[2]
            name = shown_name(picture.file_name)
            problems.append(Problem(f"picture {picture.id}", name, what, picture_id=picture.id))
            del pictures[picture.id]
    if len(pictures) == len(report.pictures):
        return report
    lost.update(a.picture for a in report.annotations.values() if a.picture not in pictures)
    sound = {key: a for key, a in report.annotations.items() if a.picture in pictures}
    changes = {"pictures": pictures, "annotations": sound, "problems": tuple(problems), "lost": dict(lost)}
    return dataclasses.replace(report, **changes)


def read_json(path):
    """The three lists of a COCO file, and how many NaN and Infinity it holds; DataError when it is something else."""
    constants = []

    def count_constant(word):
        constants.append(word)
        return float(word)

    entries = loads(read_text(path), path, parse_constant=count_constant)
    for name in ("images", "annotations", "categories"):
        if not isinstance(entries, dict) or not isinstance(entries.get(name), list):
            raise DataError(f"{path}: not COCO's format: it needs a list {name!r}")
    if not entries["images"] or not entries["categories"]:
        raise DataError(f"{path}: holds {len(entries['images'])} pictures and {len(entries['categories'])} categories")
    return entries, len(constants)


def _parts(annotations, named):
    """What the objects have besides their boxes; crowds, which nothing is learned from, do not decide.

    named: whether a category names keypoints
    """
    objects = [a for a in annotations if not a.crowd] or list(annotations)
    if any(a.segmentation is not None or "mask" in a.broken for a in objects):
        yield "mask"
    if named and any("keypoint" in a.broken or a.keypoints is not None and a.keypoints.any() for a in objects):
        yield "keypoint"


# ---------------------------------------------------------------- categories and pictures


def _check_categories(entries, objects, problems, notes):
    """Categories as Known; objects counts the annotations by category id."""
    known = _read_all(entries, "category", read_category, problems, notes)
    _tell_names_apart(known, objects, problems, notes)
    points = next((c.keypoints for c in known.sound.values() if c.keypoints), ())
    for key, category in known.sound.items():
        if category.keypoints not in ((), points):
            what = "all categories with keypoints must name the same ones, in the same order"
            problems.append(Problem(f"category {key}", "", what, "keypoint"))
            known.sound[key] = dataclasses.replace(category, other_points=True)
    return known


def _tell_names_apart(known, objects, problems, notes):
    """One category for each name, none called background: an unused one (a root, by some tools) is left out."""
    by_name = {}
    for key, category in known.sound.items():
        by_name.setdefault(category.name, []).append(key)
    for name, keys in by_name.items():
        used = [key for key in keys if objects[key]]
        kept = [] if name == BACKGROUND else (used or keys)[:1]
        for key in keys:
            if key in kept:
                continue
            why = "is that of class 0, which is no object" if name == BACKGROUND else "is taken by another category"
            if key in used:
                problems.append(Problem(f"category {key}", "", f"the name {shown(name)} {why}"))
            else:
                notes.append(f"category {key} without objects is left out: its name {shown(name)} {why}")
            known.spoil(key)


def _check_pictures(entries, folder, objects, problems, notes, *, decode):
    """Pictures as Known; objects counts the annotations by picture id."""
    entries = counted(entries, label="reading pictures" if decode else "looking at pictures")
    known = _read_all(entries, "picture", lambda e, key: read_picture(e, key, folder, decode=decode), problems, notes)
    by_file = {}
    for key, picture in known.sound.items():
        by_file.setdefault(same_file(picture.file_name), []).append(key)
    for keys in by_file.values():
        if len(keys) == 1:
            continue
        used = [key for key in keys if objects[key]]
        for key in keys:
            name, kept = shown_name(known.sound[key].file_name), (used or keys)[0]
            if len(used) > 1:  # the objects of one entry would be background in the other
                what = f"is the file of {len(keys)} pictures: the objects of one would be background in the others"
                problems.append(Problem(f"picture {key}", name, what, picture_id=key))
                known.spoil(key)
            elif key != kept:
                notes.append(f"picture {key} without objects is left out: its file {name} is that of picture {kept}")
                known.spoil(key)
    return known


def _read_all(entries, kind, read, problems, notes):
    """Entries by id as Known; what read(entry, id) or the ids refuse becomes a problem."""
    known = Known()
    for place, entry in enumerate(entries):
        key = None
        try:
            key = known.claim(entry)
            if key is None:
                known.repeated += 1
                continue
            known.sound[key] = read(entry, key)
        except Broken as error:
            name = shown_name(entry.get("file_name")) if kind == "picture" and isinstance(entry, dict) else ""
            problems.append(Problem(f"{kind} {identify(entry, place)}", name, str(error), picture_id=key))
    if known.repeated:
        notes.append(f"{known.repeated} {kind} entries that stand twice in the file count once")
    return known


def _named(entry, name):
    """An id that an annotation names, or None when that is no id."""
    key = entry.get(name) if isinstance(entry, dict) else None
    return key if type(key) is int else None
