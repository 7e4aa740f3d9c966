"""What a run takes from a checked COCO file: the pictures it asks for, the parts of objects that its heads need.

Nothing is lost in silence. Where an object cannot be used its picture is left out with it, because what is true there
would count as background; how many these are is said in the notes.
"""

import dataclasses
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError, DataError, shown
from .coco_report import PARTS, count

LONGEST = 360  # characters of a message, which leaves room for advice
SHOWN = 10  # lines of the table of problems that a failing run shows at most


class _Unusable:
    """What a run cannot use as it is.

    skippable: whether leaving it out would leave something. parts: those of PARTS that cannot be used; without "box",
    who does not ask for the others has no problem.
    """

    def __init__(self, message, *, skippable=True, parts=("box",)):
        super().__init__(message)
        self.skippable, self.parts = skippable, tuple(parts)


class BrokenAnnotations(_Unusable, DataError):
    """Annotations that cannot be used as they are; the message is the head of their table."""


class UnknownCategories(_Unusable, ConfigError):
    """Objects of classes that the model does not know."""


@dataclass(frozen=True)
class Selection:
    """The pictures in their order, {picture id: objects}, the parts of objects in use, and what was left out."""

    pictures: list
    objects: dict
    parts: tuple
    notes: tuple


def select(report, folder, *, parts=PARTS, names=None, wanted=None, skip_broken=False, learn=True):
    """Choose from a Report, or say why it cannot be used.

    parts: those of PARTS that are asked for, besides boxes; the file need not have all. names: the classes of the
    model, None when the file's own are taken. wanted: file names and ids of pictures, None for all. learn: objects of
    other classes would be learned as background; who only judges can leave them out one by one.
    Raises BrokenAnnotations for problems in what is asked for, unless skip_broken, and when nothing would be left.
    """
    asked = ("box", *parts)  # an object without a sound box is lost, whatever else is asked of it
    parts = tuple(part for part in PARTS if part in asked and part in _offered(report))
    notes = list(report.notes)
    chosen = _chosen(report, wanted, notes, skip_broken=skip_broken)
    ids = {picture.id for picture in chosen}
    objects = {key: [] for key in ids}
    for annotation in report.annotations.values():
        if annotation.picture in ids:
            objects[annotation.picture].append(annotation)
    strangers = _strangers(report, names, objects, notes)
    problems = [p for p in report.problems if p.part in parts and _concerns(p, report, wanted, ids)]
    if not skip_broken:
        if problems:
            raise BrokenAnnotations(_message(report, folder, problems), parts={p.part for p in problems})
        if strangers:
            raise _unknown(report, strangers)
    before = sum(map(len, objects.values()))
    if not learn:
        objects = {key: [a for a in own if a.category not in strangers] for key, own in objects.items()}
        strangers = {}
    kept = [p for p in chosen if not report.lost.get(p.id) and all(_usable(a, parts, strangers) for a in objects[p.id])]
    before += sum(n for key, n in report.lost.items() if wanted is None or key in ids)
    pictures = report.total[0] if wanted is None else len(chosen) + len(_broken_pictures(report, wanted))
    _check_rest(report, folder, before, pictures, {p.id: objects[p.id] for p in kept}, problems, notes)
    return Selection(kept, {p.id: objects[p.id] for p in kept}, parts, tuple(f"{report.path}: {n}" for n in notes))


def _offered(report):
    """The parts that no object lacks: those that the file has, and where there is no object those it could have."""
    if report.annotations or report.total[1]:
        return report.parts
    return ("box", "mask", "keypoint") if any(c.keypoints for c in report.categories.values()) else ("box", "mask")


def _chosen(report, wanted, notes, *, skip_broken):
    """The sound pictures that are asked for, in the order of the list, or of their ids."""
    if wanted is None:
        return [report.pictures[key] for key in sorted(report.pictures)]
    known = {str(p.id): p for p in report.pictures.values()} | {p.file_name: p for p in report.pictures.values()}
    broken = {name for p in report.problems if p.picture_id not in report.pictures for name in _names(p)}
    missing = [w for w in map(str, wanted) if w not in known and w not in broken]
    if missing or not len(wanted):
        names = ", ".join(shown(name)[1:-1] for name in missing[:4]) or "an empty list"
        raise DataError(f"{report.path}: pictures wanted but not there: {names}")
    chosen = {known[w].id: known[w] for w in map(str, wanted) if w in known}
    if again := sum(w in known for w in map(str, wanted)) - len(chosen):
        notes.append(f"{count(again, 'line')} of the list of pictures name one again; it counts once")
    return list(chosen.values())


def _names(problem):
    return {str(problem.picture_id), problem.picture} if problem.picture_id is not None else set()


def _broken_pictures(report, wanted):
    """The ids of pictures that are asked for, by whatever name, and cannot be used."""
    wanted = set(map(str, wanted))
    return {p.picture_id for p in report.problems if p.picture_id not in report.pictures and _names(p) & wanted}


def _concerns(problem, report, wanted, ids):
    """Whether a problem lies in the pictures that are asked for."""
    if wanted is None or problem.picture_id is None:
        return True
    return problem.picture_id in ids or bool(_names(problem) & set(map(str, wanted)))


def _strangers(report, names, objects, notes):
    """{category id: number of its objects} of the categories that the model does not know, where they have any."""
    if names is None:
        return {}
    strange = {key: c.name for key, c in report.categories.items() if c.name not in names[1:]}
    used = Counter(a.category for own in objects.values() for a in own if a.category in strange)
    if idle := [shown(name) for key, name in strange.items() if key not in used]:
        what = "category" if len(idle) == 1 else "categories"
        notes.append(f"{len(idle)} {what} without objects that the model does not know: {', '.join(idle[:4])}")
    return used


def _unknown(report, strangers):
    names = ", ".join(report.categories[key].name[:40] for key in sorted(strangers, key=strangers.get)[:-9:-1])
    objects = count(sum(strangers.values()), "object")
    return UnknownCategories(f"{report.path}: has categories that the model does not know: {names[:200]} ({objects})")


def _usable(annotation, parts, strangers):
    return annotation.category not in strangers and not annotation.broken.intersection(parts)


def _check_rest(report, folder, before, pictures, kept, problems, notes):
    """Count what was left out of `before` objects and `pictures`; an error where none is left of those that were there.

    kept {picture id: objects}
    """
    rest = [a for own in kept.values() for a in own]
    objects_out, pictures_out = before - len(rest), pictures - len(kept)
    if not kept or (objects_out and all(a.crowd for a in rest)):
        raise BrokenAnnotations(_message(report, folder, problems, rest=(len(rest), before)), skippable=False)
    if objects_out or problems:
        notes.append(
            f"left out {objects_out} of {count(before, 'object')} and {pictures_out} of {count(pictures, 'picture')}"
            + (": what cannot be used, and its pictures whole" if pictures_out else "")
        )


def _message(report, folder, problems, *, rest=None):
    """The head of the table, as much of it as a message holds, and where the rest is."""
    short = dataclasses.replace(report, problems=tuple(problems), path=Path(report.path).name)
    tail = f"All of it: tinymaskrcnn data check --annotations {report.path} --images {folder}" if problems else ""
    if len(tail) > 0.4 * LONGEST:
        tail = "All of it: tinymaskrcnn data check, with the same --annotations and --images"
    if rest:
        tail = f"Nothing is left to work with: {rest[0]} of {count(rest[1], 'object')}.\n{tail}".strip()
    for lines in range(SHOWN, 0, -1):
        text = f"{short.table(lines)}\n{tail}" if problems else f"{report.path}: {tail}"
        if len(text) <= LONGEST:
            break
    return text if len(text) <= LONGEST else f"{text[: LONGEST - len(tail) - 6]} ...\n{tail}"[:LONGEST]
