"""What a class handed in: which file is graded for whom, and which files are not and why.

Names are read as the systems write them that hand out a class's files: Canvas (doejane_LATE_1234_56789_hw01-1.py),
Moodle (Jane Doe_123_assignsubmission_file_), Blackboard (Homework_jdoe_attempt_2026-01-31-12-00-00_hw01.py).
"""

import os
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ArgumentError
from .check import NAME
from .exercises import titles
from .files import NOTEBOOK_FILE

CANVAS = re.compile(r"(?P<who>.+?_)(?P<late>LATE_)?(?P<id>\d{2,})_\d{4,}_")
MOODLE = re.compile(r"(?P<who>.+?_\d+)_assignsubmission_(?:file|onlinetext)_?")
BLACKBOARD = re.compile(r".*?_?(?P<who>[^_]+)_attempt_(?P<when>\d{4}(?:-\d\d){5})_")
# What systems and people put behind a name when a file of that name is there already.
AGAIN = re.compile(r"(?:-(\d{1,3})| ?\((\d{1,3})\)|[ _-]+(?:copy|kopie|final|fixed|new|late|v\d+))+", re.IGNORECASE)


@dataclass(frozen=True)
class Submission:
    """What a student handed in for a homework.

    path is None when there is nothing, and note says what there is instead; linked: it only points elsewhere.
    """

    student: str
    homework: str
    path: Path | None
    linked: bool = False
    note: str = ""


@dataclass(frozen=True)
class Collected:
    """The submissions of a folder; not_graded: {reason: names of files}; twice: sentences on students with several."""

    submissions: list
    not_graded: dict = field(default_factory=dict)
    twice: list = field(default_factory=list)

    def remarks(self):
        """Lines on every file that is there and not graded."""
        return [f"not graded, because {why}: {', '.join(names)}" for why, names in self.not_graded.items()] + self.twice


def collect(folder, homework=None, *, out=None):
    """The Collected of a folder: a folder per student that holds hwNN.py, or files like alice_hw01.py.

    With `homework` only those; a student's folder without the file, and a file of another kind (a notebook, say), count
    as nothing handed in; `out`, a folder with results, is no student's. ArgumentError when there is nothing to grade.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ArgumentError(f"grade needs a folder of submissions; {folder} is none")
    if homework is not None and homework not in titles():
        raise ArgumentError(f"there is no homework {homework!r}; known are {', '.join(titles())}")
    skipped = None if out is None else Path(out).resolve()
    entries = [e for e in _entries(folder) if e.resolve() != skipped]
    folders = {}  # of one student several, where a name is written in two ways
    for entry in entries:
        if entry.is_dir():
            folders.setdefault(_student_of_folder(entry), []).append(entry)
    files = [(s, f) for s, places in folders.items() for e in places for f in sorted(_entries(e), key=_exact_first)]
    files += [(_student_of(e), e) for e in sorted(entries, key=_newest_first) if not e.is_dir()]
    found, others = {}, {}
    for student, path in files:
        if (name := _homework_of(path)) and homework in (None, name):
            found.setdefault((student, name), []).append(path)
        elif (name := _named(path)) and path.is_file() and student not in folders and homework in (None, name):
            others.setdefault((student, name), []).append(path)
    wanted = sorted({name for _, name in {**found, **others}}) if homework is None else [homework]
    students = sorted({*folders, *(student for student, _ in {**found, **others})})
    keys = [(student, name) for name in wanted for student in students]
    submissions = [_submission(folder, key, found.get(key), folders.get(key[0]), others.get(key)) for key in keys]
    collected = Collected(submissions, _not_graded(folder, homework, files, found), _twice(folder, found))
    if not submissions:
        words = "".join(f"; {line}" for line in collected.remarks())
        raise ArgumentError(
            f"{folder} holds no submissions: a folder per student with hw01.py in it, or alice_hw01.py{words[:300]}"
        )
    return collected


def name_of(text):
    """A file's name as text that can be written, whatever bytes it is made of; letters with accents in one form."""
    return unicodedata.normalize("NFC", os.fsencode(text).decode("utf-8", "backslashreplace"))


def _entries(folder):
    """What lies in a folder, without what systems and editors leave there; nothing if it may not be read."""
    try:
        return [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith((".", "__"))]
    except PermissionError:
        return []


def _exact_first(path):
    """hw01-1.py comes before hw01.py, which it replaced, and both before draft_hw01.py."""
    rest = NAME.sub("", path.stem, count=1)
    return not (rest == "" or AGAIN.fullmatch(rest)), _newest_first(path)


def _newest_first(path):
    """A key that puts the file a system numbered or dated as the last one before the others of a student."""
    match = AGAIN.search(path.stem[NAME.search(path.stem).end() :]) if NAME.search(path.stem) else None
    numbers = [int(n) for n in match.groups() if n] if match else []
    attempt = BLACKBOARD.match(path.name)
    when = int(re.sub(r"\D", "", attempt["when"])) if attempt else 0
    return -when, -max(numbers, default=0), path.name


def _student_of_folder(path):
    match = MOODLE.fullmatch(path.name)
    return name_of(match["who"] if match else path.name)


def _student_of(path):
    """The student that a file's name tells of."""
    stem = path.stem.removesuffix(".py")  # of hw01.py.txt
    if match := MOODLE.match(stem) or BLACKBOARD.match(stem):
        return name_of(match["who"])
    if (match := CANVAS.match(stem)) and NAME.search(stem[match.end() :]):
        return name_of(match["who"] + match["id"])
    homework = NAME.search(stem)
    if homework is None:
        return name_of(stem)
    before, after = stem[: homework.start()].strip("_- "), stem[homework.end() :]
    name = before if before and AGAIN.fullmatch(after) else (before + after).strip("_- ")
    return name_of(name or stem)


def _homework_of(path):
    """The homework that a Python file's name says; "" for anything else."""
    return _named(path) if _is_program(path) and path.is_file() else ""


def _named(path):
    match = NAME.search(path.name)
    name = match.group(1).lower() if match else ""
    return name if name in titles() else ""


def _is_program(path):
    return path.suffix.lower() == ".py"


def _submission(folder, key, paths, own, others):
    student, homework = key
    if paths is None:
        note = _of_others(others) if others else _what_is_there(homework, own) if own else ""
        return Submission(student, homework, None, note=note)
    place = folder.resolve() / paths[0].relative_to(folder)
    match = CANVAS.match(paths[0].name)
    note = "handed in late" if match and match["late"] else ""
    return Submission(student, homework, paths[0], linked=paths[0].resolve() != place, note=note)


def _of_others(paths):
    note = f"found {', '.join(name_of(path.name) for path in paths)}"
    return f"{note}: {NOTEBOOK_FILE}" if any(path.suffix.lower() == ".ipynb" for path in paths) else note


def _what_is_there(homework, folders):
    if not all(os.access(folder, os.R_OK | os.X_OK) for folder in folders):
        return "the folder cannot be read"
    entries = [entry for folder in folders for entry in _entries(folder)]
    there = [name_of(entry.name) + "/" * entry.is_dir() for entry in entries]
    note = f"no {homework}.py; found {', '.join(there)}" if there else ""
    return f"{note}: {NOTEBOOK_FILE}" if any(entry.suffix.lower() == ".ipynb" for entry in entries) else note


def _shown(folder, path):
    return name_of(path.relative_to(folder).as_posix())


def _not_graded(folder, homework, files, found):
    """{reason: names} of the files that are no submission; those of another homework only where one is missing."""
    others = {}
    for student, path in files:
        if (name := _homework_of(path)) and (homework in (None, name) or (student, homework) in found):
            continue
        why = f"the name does not say {homework or 'which homework'}"
        if not path.is_file():
            why = "it is a folder or no file at all"
        elif not _is_program(path):
            why = "it is no .py file"
        others.setdefault(why, []).append(path)
    return {why: [_shown(folder, path) for path in paths] for why, paths in others.items()}


def _twice(folder, found):
    several = {key: [_shown(folder, path) for path in paths] for key, paths in found.items() if len(paths) > 1}
    return [
        f"{student} handed in {'twice' if not more else f'{len(more) + 2} times'}: "
        f"graded {first}, not {', '.join([second, *more])}"
        for (student, _), (first, second, *more) in several.items()
    ]
