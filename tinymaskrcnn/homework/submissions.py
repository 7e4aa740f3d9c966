"""What a class handed in: which file is graded for whom, and which files are not and why."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ArgumentError
from .check import NAME
from .exercises import titles


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

    With `homework` only those; a student's folder without the file counts as nothing handed in; `out`, a folder with
    results, is no student's. ArgumentError when there is nothing to grade.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ArgumentError(f"grade needs a folder of submissions; {folder} is none")
    skipped = None if out is None else Path(out).resolve()
    entries = [e for e in _entries(folder) if e.resolve() != skipped]
    folders = {name_of(e.name): e for e in entries if e.is_dir()}
    files = [(student, f) for student, e in folders.items() for f in sorted(_entries(e), key=_exact_first)]
    files += [(_student_of(e), e) for e in entries if not e.is_dir()]
    found = {}
    for student, path in files:
        if (name := _homework_of(path)) and homework in (None, name):
            found.setdefault((student, name), []).append(path)
    wanted = sorted({name for _, name in found}) if homework is None else [homework]
    students = sorted({*folders, *(student for student, _ in found)})
    submissions = [_submission(folder, s, n, found.get((s, n)), folders.get(s)) for n in wanted for s in students]
    collected = Collected(submissions, _not_graded(folder, homework, files, found), _twice(folder, found))
    if not submissions:
        words = "".join(f"; {line}" for line in collected.remarks())
        raise ArgumentError(
            f"{folder} holds no submissions: a folder per student with hw01.py in it, or alice_hw01.py{words}"
        )
    return collected


def name_of(text):
    """A file's name as text that can be written, whatever bytes it is made of."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def _entries(folder):
    """What lies in a folder, without what systems and editors leave there; nothing if it may not be read."""
    try:
        return [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith((".", "__"))]
    except PermissionError:
        return []


def _exact_first(path):
    """hw01.py comes before draft_hw01.py."""
    return NAME.fullmatch(path.stem) is None, path.name


def _student_of(path):
    return name_of(NAME.sub("", path.stem).strip("_- ") or path.stem)


def _homework_of(path):
    """The homework that a Python file's name says; "" for anything else."""
    match = NAME.search(path.stem)
    name = match.group(1).lower() if match else ""
    return name if name in titles() and _is_program(path) and path.is_file() else ""


def _is_program(path):
    return path.suffix.lower() == ".py"


def _submission(folder, student, homework, paths, own):
    if paths is None:
        return Submission(student, homework, None, note="" if own is None else _what_is_there(homework, own))
    place = folder.resolve() / paths[0].relative_to(folder)
    return Submission(student, homework, paths[0], linked=paths[0].resolve() != place)


def _what_is_there(homework, folder):
    if not os.access(folder, os.R_OK | os.X_OK):
        return "the folder cannot be read"
    there = [name_of(entry.name) + "/" * entry.is_dir() for entry in _entries(folder)]
    return f"no {homework}.py; found {', '.join(there)}" if there else ""


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
