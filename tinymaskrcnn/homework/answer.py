"""Calling a function that may do anything: what it answered, what it wrote into, or how it failed."""

import contextlib
import copy
import dataclasses
import traceback
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..testing.trees import arrays_inside, is_array
from .overlay import laid_over

READ_ONLY = "read-only"  # as NumPy says it of an array that cannot be written into
MESSAGE = 2000  # characters kept of an exception's text
PRINTED = 4096  # and of what a call prints


@dataclass(frozen=True)
class Trouble:
    """How a call failed.

    kind: "empty" (NotImplementedError), "exception", "memory", "slow" (it computed too long), "waits" (it neither
    answered nor computed), "died", "forbidden", "missing" or "definition" (the statement that defines it failed); line:
    where in the student's file, 0 when unknown, and `text` that line.
    """

    kind: str
    message: str
    line: int = 0
    text: str = ""


@dataclass(frozen=True)
class Answer:
    """output, or trouble; changed: names of the arguments that were written into, and the line that did it if known.

    printed: what the call printed, as far as it is kept.
    """

    output: Any = None
    trouble: Trouble | None = None
    changed: tuple = field(default=())
    line: int = 0
    text: str = ""
    printed: str = ""


def local_answer(exercise, function, call, *, path=None, lines=()):
    """Call a function in this process, laid over the package, on copies of the arguments."""
    given = copy.deepcopy(call)
    answer = _called(exercise, function, given, path, lines)
    changed = _changed(exercise, call, given) if answer.trouble is None else ()
    if not changed or path is None:
        return dataclasses.replace(answer, changed=changed)
    frozen = copy.deepcopy(call)  # the line that writes is the one that cannot
    for _, array in arrays_inside((frozen.args, frozen.data), ""):
        array.flags.writeable = False
    with contextlib.redirect_stdout(None):  # it has been printed once
        stopped = _called(exercise, function, frozen, path, lines).trouble
    where = {"line": stopped.line, "text": stopped.text} if stopped and READ_ONLY in stopped.message else {}
    return dataclasses.replace(answer, changed=changed, **where)


def _called(exercise, function, given, path, lines):
    drive = exercise.drive or (lambda function, *args, **data: function(*args, **data))
    try:
        with laid_over(exercise.blank, function), np.errstate(all="ignore"), warnings.catch_warnings():
            if path is None:  # the package's function or an imitation: nobody wants to read of it
                warnings.simplefilter("ignore")
            output = drive(function, *given.args, **given.data)
    except Exception as error:
        return Answer(trouble=trouble_of(error, path, lines))
    return Answer(output)


def _changed(exercise, before, after):
    """The names of arguments that no longer hold what they held: arrays, and lists that became longer or shorter."""
    names = exercise.blank.parameters(len(before.args))
    pairs = list(zip(names, before.args, after.args))
    pairs += [(name, value, after.data[name]) for name, value in before.data.items()]
    return tuple(place for name, old, new in pairs for place in _differences(old, new, name))


def _differences(old, new, name):
    """The places in which a tree of arrays and plain values is not what it was."""
    if is_array(old):
        same = is_array(new) and np.array_equal(old, new, equal_nan=old.dtype.kind == "f")
        return [] if same else [name]
    if isinstance(old, (list, tuple, dict)):
        if not isinstance(new, type(old)) or len(old) != len(new) or (isinstance(old, dict) and set(old) != set(new)):
            return [name]
        keys = old if isinstance(old, dict) else range(len(old))
        return [place for key in keys for place in _differences(old[key], new[key], f"{name}[{key!r}]")]
    if old is None or isinstance(old, (bool, int, float, str)):
        return [] if new is old or (type(new) is type(old) and new == old) else [name]
    both = zip(arrays_inside(old, name), arrays_inside(new, name))  # of a plain object, such as a sparse matrix
    return [place for (path, a), (_, b) in both for place in _differences(a, b, path)]


def trouble_of(error, path=None, lines=()):
    """The Trouble of an exception; the line is the last one in the student's file."""
    stack = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), lookup_lines=False)  # opens no file
    frames = [f.lineno for f in stack if path and f.filename == str(path)]
    line = (frames or [0])[-1]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        line = error.lineno or line
    text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    kinds = {NotImplementedError: "empty", MemoryError: "memory", RecursionError: "exception"}
    kind = next((k for t, k in kinds.items() if isinstance(error, t)), "exception")
    return Trouble(kind, f"{type(error).__name__}: {error}"[:MESSAGE].removesuffix(": "), line, text)
