"""Watches functions from outside: how long each stage takes, what memory it uses and what it keeps for backward."""

import contextlib
import functools
import time
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Hook:
    """A function to be watched, `owner.name`, and the stage it belongs to: a name, or a function of its arguments."""

    owner: Any  # a module of the network, any other object, or a Python module
    name: str
    stage: Any
    direction: str  # "forward", "backward" or "update"
    keeps: bool = False  # it returns (result, cache)


class Recorder:
    """Charges every moment to the innermost stage that is open: time in a stage within a stage is not counted twice.

    clock() tells seconds; meter(), if there is one, the most bytes that were in use since it was last asked. With a
    meter it also looks for what the stages keep for backward, all but `ignored` (the weights); seconds then mean
    nothing.
    """

    def __init__(self, clock=time.perf_counter, *, meter=None, ignored=()):
        self.clock, self.meter, self.ignored = clock, meter, ignored
        self.seconds = {}  # (stage, direction) -> seconds
        self.peaks = {}  # (stage, direction) -> bytes
        self.kept = {}  # stage -> bytes
        self.keeping = 0  # how many of the open stages will return a cache
        self._open = []
        self._last = None
        self._claims = []  # (stage, {id: weak reference to an array}) in the order in which forwards ended

    @contextlib.contextmanager
    def span(self, stage, direction):
        """The code inside belongs to a stage."""
        self._charge()
        self._open.append((stage, direction))
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    def _charge(self):
        now = self.clock()
        peak = self.meter() if self.meter else 0
        if self._open:
            key = self._open[-1]
            self.seconds[key] = self.seconds.get(key, 0.0) + now - self._last
            self.peaks[key] = max(self.peaks.get(key, 0), peak)
        self._last = now

    def claim(self, stage, cache, *, last):
        """A stage keeps this cache; the last one is that of the whole network and holds all others.

        Memory that several stages keep belongs to the one whose forward ended first. Nothing is held meanwhile.
        """
        behind = memory_behind(cache)
        self._claims.append((stage, {key: weakref.ref(array) for key, array in behind.items()}))
        if not last:
            return
        ignored = memory_behind(self.ignored)
        left = {key: array for key, array in behind.items() if key not in ignored}
        self.kept = {}
        for stage, claimed in self._claims:
            for key in claimed.keys() & left.keys():
                if claimed[key]() is left[key]:  # not another array that was given the same place later
                    self.kept[stage] = self.kept.get(stage, 0) + left.pop(key).nbytes
        self._claims = []


@contextlib.contextmanager
def watching(hooks, recorder):
    """While this is open, the hooked functions report to the recorder; they compute what they always compute."""
    with contextlib.ExitStack() as undo:
        for hook in hooks:
            before = vars(hook.owner).get(hook.name)  # a method is found in the class, not here
            watched = _watched(hook, getattr(hook.owner, hook.name), recorder)
            if before is None:
                undo.callback(delattr, hook.owner, hook.name)
            else:
                undo.callback(setattr, hook.owner, hook.name, before)
            setattr(hook.owner, hook.name, watched)
        yield recorder


def _watched(hook, function, recorder):
    @functools.wraps(function)
    def watched(*args, **data):
        stage = hook.stage(*args) if callable(hook.stage) else hook.stage
        keeps = hook.keeps and recorder.meter is not None
        recorder.keeping += keeps
        try:
            with recorder.span(stage, hook.direction):
                result = function(*args, **data)
        finally:
            recorder.keeping -= keeps
        if keeps:
            recorder.claim(stage, result[1], last=recorder.keeping == 0)
        return result

    return watched


def memory_behind(tree):
    """{id: array} of the memory behind all arrays inside nested tuples, lists, dictionaries and plain objects.

    A view stands for the array that it looks into.
    """
    found, seen, waiting = {}, set(), [tree]
    while waiting:
        x = waiting.pop()
        if id(x) in seen or isinstance(x, (type, np.generic)):
            continue
        seen.add(id(x))
        if _is_array(x):
            while _is_array(getattr(x, "base", None)):
                x = x.base
            found[id(x)] = x
        elif isinstance(x, dict):
            waiting += x.values()
        elif isinstance(x, (list, tuple, set)):
            waiting += x
        elif hasattr(x, "__dict__") and not callable(x):
            waiting += vars(x).values()
    return found


def _is_array(x):
    return hasattr(x, "dtype") and hasattr(x, "nbytes")
