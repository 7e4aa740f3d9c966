"""All annotations of a COCO file: which are objects, which are lost, and what they have in common."""

import dataclasses
from collections import Counter

from ..counting import counted
from ..errors import shown
from . import coco_fit, polygons
from .coco_entries import Broken, claim_id, identify, read_object, shown_name
from .coco_report import Problem

MOST_ALIKE = 3  # ids that do not exist, and objects that are misread in the same way, get a line each up to here


def check_objects(entries, images, categories):
    """Read all annotations.

    list of entries, images and categories as `Known`  ->  Objects
    """
    sizes = {key: (picture.height, picture.width) for key, picture in images.sound.items()}
    meaning = coco_fit.common_meaning(*coco_fit.boxes_as_written(entries, lambda e: _get(sizes, e.get("image_id"))))
    learned = [e for e in entries if _is_table(e) and e.get("iscrowd") != 1] or entries
    objects = Objects(images, categories, with_masks=any(map(_has_mask, learned)))
    if meaning:
        objects.misread("box", meaning, entries)
        return objects
    for place, entry in enumerate(counted(entries, label="checking annotations")):
        objects.read(entry, place)
    objects.finish()
    return objects


class Known:
    """Entries by id: the sound ones, and those that are broken, to which others may still refer."""

    def __init__(self):
        self.sound = {}  # id -> record
        self.entries = {}  # id -> entry, sound or not
        self.broken = set()  # ids that cannot be any, as they are shown
        self.repeated = 0  # entries that stand there again, word for word

    def claim(self, entry):
        """The id of an entry; one that another entry has breaks both, unless the two are the same: then None."""
        try:
            key = claim_id(entry, self.entries)
        except Broken:
            key = entry.get("id") if isinstance(entry, dict) else None
            if type(key) is int and self.entries.get(key) == entry:
                return None
            self.spoil(key)
            raise
        self.entries[key] = entry
        return key

    def spoil(self, key):
        """This id means nothing any more, or never did."""
        if _get(self.entries, key) is None:
            self.broken.add(shown(key))
        else:
            self.sound.pop(key, None)

    def find(self, key):
        """(record or None, whether an entry with this id exists, sound or not)."""
        return _get(self.sound, key), _get(self.entries, key) is not None or shown(key) in self.broken


class Objects:
    """What is found while annotations are read, one after the other."""

    def __init__(self, images, categories, *, with_masks):
        self.images, self.categories, self.with_masks = images, categories, with_masks
        self.sound, self.problems = {}, []
        self.repeated = self.odd_areas = self.loose_masks = 0
        self.lost = Counter()  # by picture id; None where there is no such picture
        self._taken = Known()
        self._strays = {"image_id names no picture": [], "category_id names no category": []}
        self._alike = {}  # (part, meaning) -> [Problem]
        self._masked = Counter()  # part -> objects that have it

    def read(self, entry, place):
        """Check one annotation: it becomes an object, or lost."""
        where = f"annotation {identify(entry, place)}"
        image_id, category_id = (entry.get(n) if _is_table(entry) else None for n in ("image_id", "category_id"))
        picture, known = self.images.find(image_id)
        try:
            key = self._taken.claim(entry)
        except Broken as error:
            self._lose(picture, where, str(error))
            return
        if key is None:
            self.repeated += 1
            return
        category, categorised = self.categories.find(category_id)
        if not known:
            self._strays["image_id names no picture"].append((where, shown(image_id), None))
        if not categorised:
            self._strays["category_id names no category"].append((where, shown(category_id), picture))
        if picture is None:  # it has its line
            self.lost[image_id if known and type(image_id) is int else None] += 1
            return
        found, wrong = read_object(entry, key, picture, category)
        self._say(where, picture, wrong)
        if found is None:
            self.lost[picture.id] += 1
        else:
            self.sound[key] = self._whole(found, where, picture, category)

    def _whole(self, found, where, picture, category):
        """The object without the parts that do not fit it, or are missing."""
        broken = set(found.broken)
        if self.with_masks and found.segmentation is None and "mask" not in broken:
            self._say(where, picture, {"mask": ["segmentation is missing; other objects have one"]})
            broken.add("mask")
        around = None if found.segmentation is None else coco_fit.corners(found.segmentation)
        for part, value in (("mask", found.segmentation), ("keypoint", found.keypoints)):
            if value is None:
                continue
            text, meaning = coco_fit.check_mask(found, around) if part == "mask" else coco_fit.check_keypoints(found)
            self._masked[part] += not found.crowd
            if text and not meaning:
                self._say(where, picture, {part: [text]})
            if meaning:
                self._alike.setdefault((part, meaning), []).append((found.id, where, picture, text))
            broken |= {part} if text else set()
        if category.other_points:
            broken.add("keypoint")
        self.odd_areas += not coco_fit.area_fits(found)
        whole = _without(found, broken)
        self.loose_masks += not coco_fit.mask_fills(whole, around)
        return whole

    def misread(self, part, meaning, entries):
        """All objects are lost: their boxes mean something else than they should."""
        first = next((f"annotation {identify(e, i)}" for i, e in enumerate(entries)), "")
        what = f"boxes look like {coco_fit.MEANS[meaning]}; for example {shown(entries[0].get('bbox'))}"
        self.problems.append(Problem(_and_more(first, len(entries)), "", what, part))
        for entry in entries:
            image_id = entry.get("image_id") if _is_table(entry) else None
            self.lost[image_id if self.images.find(image_id)[1] and type(image_id) is int else None] += 1
        self.sound = {}

    def finish(self):
        """Lines for what many annotations have in common."""
        for what, strays in self._strays.items():
            self._say_strays(what, strays)
        for (part, meaning), alike in self._alike.items():
            sure = len(alike) >= MOST_ALIKE or any(text for *_, text in alike)
            if sure and 2 * len(alike) > self._masked[part]:  # those that happen to fit are wrong as well
                key, where, picture, text = next((a for a in alike if a[3]), alike[0])
                name = {"mask": "masks", "keypoint": "keypoints"}[part]
                if meaning == "corners":
                    name, part = "boxes", "box"
                what = f"{name} look like {coco_fit.MEANS[meaning]}" + (f"; {text.partition(';')[0]}" if text else "")
                self.problems.append(Problem(_and_more(where, len(alike)), shown_name(picture.file_name), what, part))
                self._break_all(part)
            else:
                for _, where, picture, text in alike:
                    if text:
                        self._say(where, picture, {part: [text]})

    def _break_all(self, part):
        if part == "box":
            self.lost.update(a.picture for a in self.sound.values())
            self.sound = {}
        self.sound = {key: _without(a, a.broken | {part}) for key, a in self.sound.items()}

    def _say_strays(self, what, strays):
        ids = list(dict.fromkeys(name for _, name, _ in strays))
        if len(ids) > MOST_ALIKE:
            names = f"{', '.join(ids[:MOST_ALIKE])} and {len(ids) - MOST_ALIKE} others"
            self.problems.append(Problem(_and_more(strays[0][0], len(strays)), "", f"{what}; got {names}"))
            return
        for name in ids:
            own = [(where, picture) for where, other, picture in strays if other == name]
            picture = own[0][1] if len({p and p.id for _, p in own}) == 1 else None
            self._say(_and_more(own[0][0], len(own)), picture, {"box": [f"{what}; got {name}"]})

    def _lose(self, picture, where, what):
        self.lost[picture.id if picture else None] += 1
        self._say(where, picture, {"box": [what]})

    def _say(self, where, picture, wrong):
        if not wrong:
            return
        name, key = (shown_name(picture.file_name), picture.id) if picture else ("", None)
        self.problems.extend(Problem(where, name, what, part, key) for part, texts in wrong.items() for what in texts)


def _without(annotation, broken):
    """The annotation with its broken parts taken out."""
    if not broken:
        return annotation
    changes = {"broken": frozenset(broken)}
    changes |= {"segmentation": None} if "mask" in broken else {}
    changes |= {"keypoints": None} if "keypoint" in broken else {}
    return dataclasses.replace(annotation, **changes)


def _and_more(where, number):
    return where if number < 2 else f"{where} and {number - 1} more"


def _has_mask(entry):
    return _is_table(entry) and not polygons.is_absent(entry.get("segmentation"))


def _is_table(entry):
    return isinstance(entry, dict)


def _get(table, key):
    return table.get(key) if type(key) is int else None
