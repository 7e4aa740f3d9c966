"""Visits to exhibits: each runs the package with that exhibit in a process of its own, and says what came of it."""

import dataclasses
import json
import os
import signal
import subprocess
import sys

from ..errors import BackendError
from ..homework.library import THREADS
from ..homework.remote import PASSED, SETTINGS
from ..machine import can_start_processes, thread_pool
from .exhibit import PACKAGE

BOOT = "import sys; sys.path.append(sys.argv.pop(1)); from tinymaskrcnn.museum.worker import main; main()"
SECONDS = 10.0  # of computing, for a student's check
MEMORY = 2 << 30  # bytes of address space, for the same
PATIENCE = 600.0  # seconds on the clock for what is our own, of some seconds of computing, however busy the machine
START = 60  # seconds of computing, for the process to import what it needs


@dataclasses.dataclass(frozen=True)
class Program:
    """A student's file of checks, with its limits."""

    path: str
    text: str
    seconds: float = SECONDS
    memory: int = MEMORY

    def part(self):
        """Its part of a request."""
        limits = {"memory": self.memory, "cpu": int(START + 2 * self.seconds) + 1}
        return {"file": {"path": self.path, "text": self.text}, "seconds": self.seconds, "guard": limits}


def visit(exhibit=None, *, checks=(), views=(), gradients=False, training=None, program=None):
    """What the package does with an exhibit laid over it, or without one.

    checks: names of our own, None for all; views: names; gradients: also measure those; training: settings of a
    `training.Course`, to be told what it comes to; program: a Program instead of our own checks
    ->  {"checks": {name: {"found", "said", "seconds"}}, "views": {...}, "gradients": {...}}, or {"trouble": words}
    BackendError where no process can be started, or one ends that should not.
    """
    if not can_start_processes():
        raise BackendError("the museum shows each bug in a process of its own, and none can be started here")
    if program is not None and os.name != "posix":
        raise BackendError("museum try needs Linux or macOS, where a process can be limited; on Windows use WSL")
    request = {"sources": exhibit.modules() if exhibit else {}, "views": list(views), "gradients": gradients}
    request |= {"checks": None if checks is None else list(checks), "seconds": 0, "guard": None}
    if training is not None:
        request["training"] = training | {"files": exhibit.files() if exhibit else ()}
    patience = PATIENCE
    if program is not None:
        request |= program.part()
        patience += 12 * program.seconds
    return _asked(request, patience, program)


def _asked(request, patience, program):
    surroundings = {name: os.environ[name] for name in PASSED if name in os.environ} | THREADS | SETTINGS
    command = [sys.executable, "-P", "-c", BOOT, str(PACKAGE.parent)]
    ours = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": surroundings, "text": True}
    try:
        ended = subprocess.run(command, input=json.dumps(request), timeout=patience, encoding="utf-8", **ours)
    except subprocess.TimeoutExpired:
        return {"trouble": f"no answer within {patience:g} seconds: does it wait for something?"}
    if program is not None and ended.returncode in (-signal.SIGPROF, -signal.SIGXCPU):
        return {"trouble": f"not done after {program.seconds:g} seconds of computing"}
    if program is not None and ended.returncode:
        return {"trouble": f"the process ended with {ended.returncode}: too much memory, or something it may not do"}
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or [""])[-1]
        raise BackendError(f"the museum's process ended with {ended.returncode}: {last}")
    return json.loads(ended.stdout)


def visits(exhibits, *, processes=1, told=lambda visited: visited, **wanted):
    """{name: reply} of the package as it is (under "") and of each exhibit, some at a time, in their order; of the
    first alone where that is trouble.

    told: is handed the names as an iterable and passes them on, as `counting.counted` does; wanted: as `visit` takes it
    """
    todo = {"": None} | {exhibit.name: exhibit for exhibit in exhibits}
    names = iter(told(list(todo)))
    replies = {next(names): visit(None, **wanted)}
    if "trouble" in replies[""]:  # a file that cannot be asked at all says the same everywhere
        return replies
    pool = thread_pool(processes, "museum") if processes > 1 else None
    if pool is None:
        return replies | {name: visit(todo[name], **wanted) for name in names}
    with pool:
        waiting = {name: pool.submit(visit, exhibit, **wanted) for name, exhibit in todo.items() if name}
        return replies | {name: waiting[name].result() for name in names}
