"""What a door is, and who judges what comes of a damaged thing that goes through it.

Allowed are two outcomes: a right result, or an error of the package's own kinds that says where the fault lies. A
traceback of another kind, a warning on the console, too long a time, too much memory, too long a message are faults.
"""

import collections
import contextlib
import io
import os
import re
import signal
import traceback
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinymaskrcnn.errors import TinyMaskRCNNError

LONGEST_MESSAGE = 500  # characters
RIGHT, REFUSED = "right", "own error"


@dataclass(frozen=True)
class Door:
    """A way in: `make(rng, folder)` gives something damaged, or sound, that `use` then takes in.

    make  ->  a path below `folder`, or any other value. use may assert what has to hold of a result.
    """

    name: str
    make: Callable
    use: Callable
    names_file: bool = True  # an error must hold the name of the path that was made
    seconds: float = 5.0  # of CPU time; sound ones take a hundredth
    megabytes: int = 400  # of address space beyond what is in use before the case
    cost: float = 1.0  # how many times dearer than others a case is: the quick suite draws fewer of it


class TooSlow(BaseException):
    """Raised in the middle of a case; no `except Exception` of the package may swallow it."""


def judge(door, seed, folder):
    """One case  ->  outcome: RIGHT, REFUSED, or a sentence that says what went wrong."""
    given = door.make(np.random.default_rng([zlib.crc32(door.name.encode()), seed]), Path(folder))
    console = io.StringIO()
    try:
        with (
            contextlib.redirect_stderr(console),
            contextlib.redirect_stdout(console),
            warnings.catch_warnings(record=True) as warned,
            _limits(door),
        ):
            warnings.simplefilter("always")
            door.use(given)
        outcome = RIGHT
    except TinyMaskRCNNError as error:
        outcome = _judge_message(str(error), given if door.names_file else None)
    except TooSlow:
        outcome = f"more than {door.seconds:g} seconds"
    except MemoryError as error:
        outcome = f"more than {door.megabytes} MB {_place(error)}"
    except Exception as error:
        outcome = f"{type(error).__name__} {_place(error)}: {str(error)[:120]}"
    if outcome in (RIGHT, REFUSED) and warned:
        outcome = f"warning: {str(warned[0].message)[:120]}"
    if outcome in (RIGHT, REFUSED) and ("Warning" in console.getvalue() or "Traceback" in console.getvalue()):
        outcome = f"on the console: {console.getvalue()[:120]}"
    return outcome


def _judge_message(message, given):
    if len(message) > LONGEST_MESSAGE:
        return f"a message of {len(message)} characters: {message[:80]}"
    if not message.strip():
        return "an error without a word"
    if isinstance(given, Path) and given.name not in message:
        return f"an error that does not name {given.name}: {message[:120]}"
    return REFUSED


def _place(error):
    frame = traceback.extract_tb(error.__traceback__)[-1]
    inside = [f for f in traceback.extract_tb(error.__traceback__) if "tinymaskrcnn" in f.filename] or [frame]
    return f"at {Path(inside[-1].filename).name}:{inside[-1].lineno}"


@contextlib.contextmanager
def _limits(door):
    """Time and memory, where the system can be asked to hold them."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = pages * os.sysconf("SC_PAGE_SIZE") + door.megabytes * 2**20
    except (ImportError, OSError):
        yield
        return

    def stop(*_):
        raise TooSlow

    before = signal.signal(signal.SIGVTALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    signal.setitimer(signal.ITIMER_VIRTUAL, door.seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGVTALRM, before)


def run_door(door, cases, folder, *, start=0):
    """Cases start, start + 1, ... of a door.

    ->  {outcome: count}, {fault: (its first seed, the whole sentence)}
    """
    outcomes, first = collections.Counter(), {}
    for seed in range(start, start + cases):
        outcome = judge(door, seed, folder)
        kind = re.sub(r"\d{3,}", "...", outcome.split(": ")[0])
        outcomes[kind] += 1
        if kind not in (RIGHT, REFUSED):
            first.setdefault(kind, (seed, outcome))
    return outcomes, first
