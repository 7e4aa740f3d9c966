"""The process in which a student's code runs: it loads one file, calls its functions as it is told, and judges nothing.

    python -m tinymaskrcnn.homework.worker FILE --answers FD --memory BYTES [--strict]

Requests come in on standard input, answers leave through the file descriptor FD. What counts as right is decided by the
process that asks, so that code which tampers with this one can only spoil its own answers.
"""

import argparse
import contextlib
import ctypes
import importlib
import os
import resource
import sys
from pathlib import Path

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
# What no exercise needs: Python reports these events before they happen, and a hook cannot be taken back.
FORBIDDEN = ("socket.", "subprocess.", "os.fork", "os.exec", "os.system", "os.posix_spawn", "os.kill", "os.remove")
FORBIDDEN += ("os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.putenv", "shutil.", "ctypes.", "pty.", "signal.")
FORBIDDEN += ("sys.settrace", "sys.setprofile", "os.chmod", "os.link", "os.symlink")


def main(argv=None):
    args = _arguments(argv)
    answers = os.fdopen(args.answers, "wb")
    requests = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the student's code reads nothing from us
    _leave_network()
    if args.memory:
        resource.setrlimit(resource.RLIMIT_AS, (args.memory, args.memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from . import answer, exercises, overlay, wire  # numpy comes in here, behind the limits

    _read_for_later(exercises)
    violations = []
    sys.addaudithook(_guard(violations, strict=args.strict))
    student = _Student(args.file)
    while True:
        try:
            request = wire.receive(requests)
        except EOFError:
            return
        reply = _reply(student, request, answer, exercises, overlay)
        wire.send(answers, {**reply, "violations": list(violations)})


def _arguments(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--answers", type=int, required=True)
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--strict", action="store_true")
    return parser.parse_args(argv)


class _Student:
    """The file, compiled once, and the function of the exercise in hand."""

    def __init__(self, path):
        self.path = path
        self.text = Path(path).read_text(encoding="utf-8")
        self.lines = self.text.splitlines()
        self.code = self.function = self.exercise = None


def _reply(student, request, answer, exercises, overlay):
    try:
        if request["do"] == "ready":
            return {"done": True}
        if request["do"] == "take":
            student.code = student.code or compile(student.text, student.path, "exec")
            student.exercise = exercises.find_exercise(request["id"])
            student.function = overlay.student_function(student.code, student.exercise.blank)
            return {"done": True}
        call = exercises.Call(tuple(request["args"]), request["data"])
        options = {"path": student.path, "lines": student.lines}
        with _silence() if request["quiet"] else contextlib.nullcontext():
            found = answer.local_answer(student.exercise, student.function, call, **options)
    except overlay.MissingFunction as error:
        return {"trouble": ["missing", str(error), 0, ""]}
    except (Exception, SystemExit) as error:
        trouble = answer.trouble_of(error, student.path, student.lines)
        line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else trouble.line
        return {"trouble": [trouble.kind, trouble.message, line or 0, trouble.text]}
    if found.trouble is not None:
        t = found.trouble
        return {"trouble": [t.kind, t.message, t.line, t.text]}
    return {"output": found.output, "changed": list(found.changed)}


@contextlib.contextmanager
def _silence():
    """What is printed goes nowhere: a student's own messages are of use once, not once a case."""
    with contextlib.redirect_stdout(_Nowhere()), contextlib.redirect_stderr(_Nowhere()):
        yield


class _Nowhere:
    def write(self, text):
        return len(text)

    def flush(self):
        pass


# ---------------------------------------------------------------- limits


def _leave_network():
    """Where the system allows it, go on in an empty network of one's own."""
    with contextlib.suppress(OSError, AttributeError):
        unshare = ctypes.CDLL(None, use_errno=True).unshare
        if unshare(CLONE_NEWNET) != 0:
            unshare(CLONE_NEWUSER | CLONE_NEWNET)


def _read_for_later(exercises):
    """What the package reads on first use, before reading its files ends."""
    for exercise in exercises.all_exercises():
        exercise.blank.reference()
    for name in ("scipy.sparse", "tinymaskrcnn.kernels", "tinymaskrcnn.testing", "tinymaskrcnn.homework.audit"):
        importlib.import_module(name)


def _guard(violations, *, strict):
    """An audit hook that forbids files (except to read those of Python's own libraries), processes and the network."""
    package = str(Path(__file__).parent.parent)

    def hook(event, args):
        reason = None
        if event.startswith(FORBIDDEN):
            reason = event
        elif event == "open" and isinstance(args[0], (str, bytes)):
            path, writes = os.fsdecode(args[0]), _writes(*args[1:3])
            if writes or (strict and path.startswith(package) and path.endswith(".py")):
                reason = f"open {os.path.basename(path)!r}"
        if reason is not None:
            violations.append(reason)
            raise PermissionError(f"{reason} is not allowed in homework")

    return hook


def _writes(mode, flags):
    if isinstance(mode, str):
        return bool(set(mode) & set("wax+"))
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


if __name__ == "__main__":
    main()
