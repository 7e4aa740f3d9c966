"""A student's file beside its own code: loaded, its function called, and what came of it written down.

The same for a process of its own (`worker.py`) and for this one (`local.py`). Here nothing is judged.
"""

import contextlib
import dataclasses
import importlib
import io
import sys
import types
from typing import Any

from . import answer, guard, library, loading, overlay
from .blanks import Blank
from .exercise import Call


@dataclasses.dataclass
class Student:
    """The file, the blank in hand (as much of an Exercise as a call needs), and the function once it is there."""

    path: str
    text: str
    blank: Any
    others: list
    drive: Any = None
    function: Any = None
    stumbles: tuple = ()  # statements of the file that failed when it was loaded
    violations: list = dataclasses.field(default_factory=list)

    @property
    def lines(self):
        return self.text.split("\n")


def student_of(request):
    """The Student of a request to prepare: a file's path and text, the blank in hand, all blanks without solutions."""
    sys.modules.setdefault("homework", types.ModuleType("homework"))  # dataclasses look for the module of a class
    blanks = [Blank(**{**known, "source": tuple(known["source"])}) for known in request["blanks"]]
    blank = next(b for b in blanks if b.id == request["id"])
    drive = None
    if request["drive"]:
        module, name = request["drive"].split(":")
        drive = getattr(importlib.import_module(module), name)
    text = request["text"].tobytes().decode("utf-8", "surrogatepass")
    return Student(request["path"], text, blank, [b for b in blanks if b.id != blank.id], drive)


def reply(student, request):
    """What comes of a request to take the function or to call it, as data that can travel.

    {"done": True} of a function taken, {"output": ...} of one called, {"trouble": [...]} of either that failed.
    """
    lines, notes = student.lines, _Notes(answer.PRINTED)
    try:
        with contextlib.nullcontext() if request.get("loud") else notes.taken():
            if request["do"] == "take":
                return _take(student)
            call = Call(tuple(request["args"]), request["data"])
            found = answer.local_answer(student, student.function, call, path=student.path, lines=lines)
    except (Exception, SystemExit) as error:
        return {"trouble": _listed(answer.trouble_of(error, student.path, lines)), "printed": notes.text}
    if found.trouble is not None:
        return {"trouble": _listed(_of_lost(student, found.trouble)), "printed": notes.text}
    written = {"changed": list(found.changed), "line": found.line, "text": found.text}
    return {"output": found.output, **written, "printed": notes.text}


def _take(student):
    def report(reason):
        line = guard.place_in(student.path)
        student.violations.append((reason, line, student.lines[line - 1].strip() if line else ""))

    namespace = overlay.new_namespace(library.student_builtins(report))
    before = len(student.violations)
    student.stumbles = loading.load(student.text, student.path, namespace)
    # the package's solution beside one's own, in a test: it is not there, and that is all
    student.violations[before:] = [v for v in student.violations[before:] if guard.SOLUTION not in v[0]]
    causes = loading.without_followers(student.stumbles)
    told = [[stumble.line, stumble.text, stumble.message] for stumble in causes[: loading.MOST]]
    taken = {"stumbles": told, "more": [stumble.line for stumble in causes[loading.MOST :]]}
    try:
        student.function = overlay.function_in(namespace, student.blank, others=student.others)
    except overlay.MissingFunction as error:
        return taken | {"trouble": _of_missing(student, str(error))}
    return taken | {"done": True}


def _of_missing(student, words):
    """That a function is missing, or that the statement which defines it fails."""
    blank = student.blank
    for stumble in student.stumbles:
        if (blank.class_name or blank.function) in stumble.names:
            return ["definition", stumble.message, stumble.line, stumble.text]
    return ["missing", words, 0, ""]


def _of_lost(student, trouble):
    """The trouble, in other words when a name is not there because the statement that makes it failed."""
    for stumble in student.stumbles:
        for name in stumble.names:
            if trouble.message == f"NameError: name {name!r} is not defined":
                words = f"{name} is not there, because line {stumble.line} fails: {stumble.message}"
                return dataclasses.replace(trouble, message=words)
    return trouble


def _listed(trouble):
    return [trouble.kind, trouble.message, trouble.line, trouble.text]


class _Notes(io.TextIOBase):
    """Keeps the first of what a call prints: one call's messages are of use, those of the first wrong case."""

    def __init__(self, most):
        self.text, self.most = "", most

    @contextlib.contextmanager
    def taken(self):
        with contextlib.redirect_stdout(self), contextlib.redirect_stderr(self):
            yield

    def write(self, text):
        self.text += text[: self.most - len(self.text)]
        return len(text)
