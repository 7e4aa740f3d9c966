"""Asking a student's file: one exercise after another, its function called as the checks want it, what came of it.

Where the file runs is said by those who inherit: a process of its own (`remote.py`), or this one (`local.py`).
"""

import dataclasses
import os

import numpy as np

from .answer import MESSAGE, PRINTED, Answer, Trouble
from .blanks import all_blanks
from .files import read_program
from .loading import Stumble

SECONDS = 10.0  # of computing, for all calls of an exercise together
MEMORY = 2 << 30  # bytes of address space


class AskedStudent:
    """Asks for answers as `local_answer` gives them; `with` it, so that nothing is left behind.

    stumbles: what of the file failed when it was loaded, and was left out; more: the lines of what else did; left: the
    seconds of computing that the exercise in hand still has.
    """

    def __init__(self, path, *, text=None, seconds=SECONDS, strict=False):
        self.path, self.seconds, self.strict = str(path), seconds, strict
        self.text = read_program(path) if text is None else text
        self.taken = None
        self.left = float(seconds)
        self.violations, self.stumbles, self.more = [], [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Put away what was started."""

    def _preparation(self, exercise):
        drive = exercise.drive
        return {
            "path": os.path.abspath(self.path).encode("utf-8", "replace").decode(),
            "text": np.frombuffer(self.text.encode("utf-8", "surrogatepass"), np.uint8),
            "id": exercise.id,
            "without": list(exercise.without),
            "blanks": [dataclasses.asdict(blank.emptied()) for blank in all_blanks().values()],
            "drive": f"{drive.__module__}:{drive.__name__}" if drive else "",
        }

    def _read(self, reply):
        self.violations = [(_words(why), int(line), _words(text)) for why, line, text in reply["violations"]]
        self.left -= min(max(float(reply.get("spent", 0.0)), 0.0), self.seconds)
        if self.strict and self.violations:
            why, line, text = self.violations[0]
            return Answer(trouble=Trouble("forbidden", f"tried what homework does not need: {why}", line, text))
        if "stumbles" in reply:
            self.stumbles = [Stumble(int(n), _words(t, 200), _words(m, 500)) for n, t, m in reply["stumbles"]]
            self.more = [int(n) for n in reply["more"]]
        if "trouble" in reply:
            kind, message, line, text = reply["trouble"]
            trouble = Trouble(_words(kind), _words(message), int(line), _words(text))
            return Answer(trouble=trouble, printed=_words(reply.get("printed", ""), PRINTED))
        if "done" in reply:
            return Answer()
        changed, printed = tuple(map(_words, reply["changed"])), _words(reply["printed"], PRINTED)
        return Answer(reply["output"], None, changed, int(reply["line"]), _words(reply["text"]), printed)


def _words(text, most=MESSAGE):
    """Words from another process, short enough for a page and fit to be written."""
    return str(text)[:most].encode("utf-8", "replace").decode()
