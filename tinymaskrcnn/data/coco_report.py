"""What the check of a COCO file found: the sound entries as small records, and one line for everything else."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

ALIKE = 5  # lines of the table that differ in nothing but their entry
PARTS = ("box", "mask", "keypoint")  # what a head can learn from an object, named like the heads


@dataclass(frozen=True)
class Problem:
    """One line of the table: which entry, of which picture, and what is wrong with it.

    part is what of an object cannot be used: "mask" and "keypoint" disturb only who asks for them. picture_id is None
    where the line is about more than one picture.
    """

    where: str
    picture: str
    what: str
    part: str = "box"
    picture_id: int | None = None


@dataclass(frozen=True)
class Category:
    """A class; other_points says that its keypoints are not those of the other categories, as one head needs them."""

    id: int
    name: str
    keypoints: tuple = ()
    other_points: bool = False


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
    """One object: box (x1, y1, x2, y2) inside its picture, segmentation as `polygons.parse_segmentation` returns it.

    broken names its parts ("mask", "keypoint") that cannot be used; they are None.
    """

    id: int
    picture: int
    category: int
    box: tuple
    crowd: bool = False
    area: float | None = None
    segmentation: object = None
    keypoints: np.ndarray | None = None
    broken: frozenset = frozenset()


@dataclass(frozen=True)
class Report:
    """The sound entries of a file, by id, and every problem.

    lost {picture id: objects that cannot be used at all}, with None for those of no known picture; total counts all
    pictures and all objects of the file, sound or not, and once those that stand twice; notes say what was left out
    without harm; parts are those of PARTS that the file has.
    """

    path: str
    categories: dict = field(default_factory=dict)
    pictures: dict = field(default_factory=dict)
    annotations: dict = field(default_factory=dict)
    problems: tuple = ()
    lost: dict = field(default_factory=dict)
    total: tuple = (0, 0)
    notes: tuple = ()
    parts: tuple = ("box",)

    @property
    def ok(self):
        return not self.problems

    def table(self, limit=None):
        """The problems as text, the first `limit` or all; one line when there are none.

        In the whole table what many have in common word for word (no such picture) is listed ALIKE times, then counted.
        """
        objects = sum(not annotation.broken for annotation in self.annotations.values())
        sound = ((len(self.pictures), self.total[0], "pictures"), (objects, self.total[1], "objects"))
        sound = [f"{some} of {all} {what}" if some < all else f"{some} {what}" for some, all, what in sound]
        sound = ", ".join([*sound, f"{len(self.categories)} classes"])
        if self.ok:
            return f"{self.path}: sound ({sound})"
        rows = self._rows() if limit is None else ((p.where, p.picture, p.what) for p in self.problems[:limit])
        rows = [("entry", "picture", "problem"), *rows]
        widths = [min(40, max(len(row[column]) for row in rows)) for column in (0, 1)]
        lines = [f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}" for row in rows]
        left = 0 if limit is None else len(self.problems) - limit
        more = [f"... and {left} more"] if left > 0 else []
        return "\n".join([f"{self.path}: {count(len(self.problems), 'problem')} (sound: {sound})", *lines, *more])

    def _rows(self):
        times, rows = Counter(p.what for p in self.problems), {}
        for p in self.problems:
            alike = rows.setdefault(p.what, [])
            if len(alike) < ALIKE or times[p.what] <= 2 * ALIKE:
                alike.append((p.where, p.picture, p.what))
        for what, alike in rows.items():
            yield from alike
            if len(alike) < times[what]:
                yield f"... and {times[what] - len(alike)} more", "", what


def count(number, noun):
    """ "1 object", "2 objects"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
