"""The process in which a student's code runs: it is given one file for one blank, calls its function as it is told, and
judges nothing.

Requests come in on standard input, answers leave through the file descriptor FD. What counts as right is decided by the
process that asks, so that code which tampers with this one can only spoil its own answers; and the solution it would
look for is not here (`cut.py`).
"""

import argparse
import contextlib
import importlib
import io
import linecache
import os
import pkgutil
import sys
import types
import warnings
from dataclasses import dataclass
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
    if args.strict:
        linecache.updatecache = lambda *_, **__: []  # a warning quotes no source
        warnings.simplefilter("ignore")
    guard.close(violations, student.path, strict=args.strict)
    reply = {"done": True}
    while True:
        wire.send_any(answers, {**reply, "violations": violations[:5]})
        try:
            request = wire.receive(requests)
        except EOFError:
            os._exit(0)
        reply = _reply(student, request)


def _arguments(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--answers", type=int, required=True)
    parser.add_argument("--memory", type=int, required=True)
    parser.add_argument("--cpu", type=int, required=True)
    parser.add_argument("--strict", action="store_true")
    return parser.parse_args(argv)


@dataclass
class _Student:
    """The file, the blank in hand (as much of an Exercise as a call needs), and the function once it is there."""

    path: str
    text: str
    blank: Any
    others: list
    drive: Any = None
    function: Any = None


def _prepare(request):
    """Import all that a student's file can use, without the solution of its blank."""
    from . import answer, exercise, library, overlay  # noqa: F401  no file of the package can be read later
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
    from . import answer, library, overlay
    from .exercise import Call  # all of them imported before

    lines, notes = student.text.splitlines(), _Notes(answer.PRINTED)
    try:
        with contextlib.nullcontext() if request.get("loud") else notes.taken():
            if request["do"] == "take":
                code = compile(library.program(student.text, student.path), student.path, "exec")
                options = {"others": student.others, "builtins": library.student_builtins()}
                student.function = overlay.student_function(code, student.blank, **options)
                return {"done": True}
            call = Call(tuple(request["args"]), request["data"])
            found = answer.local_answer(student, student.function, call, path=student.path, lines=lines)
    except overlay.MissingFunction as error:
        return {"trouble": ["missing", str(error), 0, ""]}
    except (Exception, SystemExit) as error:
        return {"trouble": _listed(answer.trouble_of(error, student.path, lines)), "printed": notes.text}
    if found.trouble is not None:
        return {"trouble": _listed(found.trouble), "printed": notes.text}
    written = {"changed": list(found.changed), "line": found.line, "text": found.text}
    return {"output": found.output, **written, "printed": notes.text}


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
