"""The process in which a student's code runs: it is given one file for one blank, calls its function as it is told, and
judges nothing.

Requests come in on standard input, answers leave through the file descriptor FD. What counts as right is decided by the
process that asks, so that code which tampers with this one can only spoil its own answers; and the solution it would
look for is not here (`cut.py`).
"""

import argparse
import contextlib
import dataclasses
import importlib
import io
import linecache
import os
import pkgutil
import signal
import sys
import types
import warnings
from typing import Any

from . import guard


def main(argv=None):
    args = _arguments(argv)
    answers = os.fdopen(args.answers, "wb")
    requests = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the student's code reads nothing from us
    guard.limit(memory=args.memory, cpu=args.cpu, strict=args.strict)
    from . import wire  # numpy comes in here, behind the limits

    student, violations = _prepare(wire.receive(requests)), []
    student.violations = violations
    if args.strict:
        linecache.updatecache = lambda *_, **__: []  # a warning quotes no source
        warnings.simplefilter("ignore")
    guard.close(violations, student.path, lines=student.lines, strict=args.strict)
    reply = {"done": True}
    while True:
        wire.send_any(answers, {**reply, "violations": [list(violation) for violation in violations[:5]]})
        try:
            request = wire.receive(requests)
        except EOFError:
            os._exit(0)
        reply = _timed(request["seconds"], _reply, student, request)


def _timed(seconds, function, *arguments):
    """The reply of a function that may compute for so long; the system ends the process when it computes longer.

    Other processes on the same processor take nothing of this time, and waiting does not either.
    """
    signal.setitimer(signal.ITIMER_PROF, seconds)
    reply = function(*arguments)
    left, _ = signal.setitimer(signal.ITIMER_PROF, 0)
    return {**reply, "spent": seconds - left}


def _arguments(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--answers", type=int, required=True)
    parser.add_argument("--memory", type=int, required=True)
    parser.add_argument("--cpu", type=int, required=True)
    parser.add_argument("--strict", action="store_true")
    return parser.parse_args(argv)


@dataclasses.dataclass
class _Student:
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


def _prepare(request):
    """Import all that a student's file can use, without the solution of its blank."""
    from . import answer, exercise, library, loading, overlay  # noqa: F401  no file of the package can be read later
    from .blanks import Blank
    from .cut import Cut

    blanks = [Blank(**{**known, "source": tuple(known["source"])}) for known in request["blanks"]]
    blank = next(b for b in blanks if b.id == request["id"])
    Cut(blank, request["without"]).install()
    for name in ("ops", "nn", "targets"):
        package = importlib.import_module(f"tinymaskrcnn.{name}")
        for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            importlib.import_module(info.name)
    sys.modules["homework"] = types.ModuleType("homework")  # dataclasses look for the module of a class
    text = request["text"].tobytes().decode("utf-8", "surrogatepass")
    if blank.id.startswith("hw04"):
        importlib.import_module("scipy.sparse")  # slow to come, and of use there alone
    if "testing" in text:
        importlib.import_module("numpy.testing")  # looks the processor up in a file on some machines
    drive = None
    if request["drive"]:
        module, name = request["drive"].split(":")
        drive = getattr(importlib.import_module(module), name)
    return _Student(request["path"], text, blank, [b for b in blanks if b.id != blank.id], drive)


def _reply(student, request):
    from . import answer
    from .exercise import Call  # all of them imported before

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
    from . import library, loading, overlay

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
    reply = {"stumbles": told, "more": [stumble.line for stumble in causes[loading.MOST :]]}
    try:
        student.function = overlay.function_in(namespace, student.blank, others=student.others)
    except overlay.MissingFunction as error:
        return reply | {"trouble": _of_missing(student, str(error))}
    return reply | {"done": True}


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


if __name__ == "__main__":
    main(sys.argv[1:])
