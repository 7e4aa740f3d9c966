"""The process in which a student's code runs: it is given one file for one blank, calls its function as it is told, and
judges nothing.

Requests come in on standard input, answers leave through the file descriptor FD. What counts as right is decided by the
process that asks, so that code which tampers with this one can only spoil its own answers; and the solution it would
look for is not here (`cut.py`).
"""

import argparse
import importlib
import linecache
import os
import pkgutil
import signal
import sys
import warnings

from . import guard


def main(argv=None):
    args = _arguments(argv)
    answers = os.fdopen(args.answers, "wb")
    requests = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the student's code reads nothing from us
    guard.limit(memory=args.memory, cpu=args.cpu, strict=args.strict)
    from . import wire  # numpy comes in here, behind the limits

    student, answer_to = _prepare(wire.receive(requests))
    violations = student.violations
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
        reply = _timed(request["seconds"], answer_to, student, request)


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


def _prepare(request):
    """Import all that a student's file can use, without the solution of its blank.

    ->  its Student, and the function that replies to the requests to come
    """
    from . import student  # no file of the package can be read later
    from .cut import Cut

    known = next(known for known in request["blanks"] if known["id"] == request["id"])
    Cut(student.Blank(**known), request["without"]).install()
    for name in ("ops", "nn", "targets"):
        package = importlib.import_module(f"tinymaskrcnn.{name}")
        for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            importlib.import_module(info.name)
    if request["id"].startswith("hw04"):
        importlib.import_module("scipy.sparse")  # slow to come, and of use there alone
    found = student.student_of(request)
    if "testing" in found.text:
        importlib.import_module("numpy.testing")  # looks the processor up in a file on some machines
    return found, student.reply


if __name__ == "__main__":
    main(sys.argv[1:])
