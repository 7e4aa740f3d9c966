"""How many examples are drawn: a third of what a test names, and all of them, threefold, when all tests run.

Every run draws others, so what a usual run leaves out comes with the next ones.
"""

import os
import random
import time

from hypothesis import settings

ALL = os.environ.get("TINYMASKRCNN_TESTS") == "all"
FEWEST, FEWEST_CASES = 10, 3
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(time.time())  # all processes of a run draw the same


def share(count):
    """How many of so many a run draws."""
    return 3 * count if ALL else min(count, max(FEWEST, count // 3))


def examples(count, **more):
    """@examples(60): hypothesis' settings for a test that names 60 examples; a slow one is no failure."""
    return settings(max_examples=share(count), deadline=None, **more)


def not_now(cases):
    """Of many cases of one test those, two thirds, that this run leaves to others; of FEWEST_CASES none."""
    drawn = set(random.Random(RUN).sample(range(len(cases)), min(len(cases), max(FEWEST_CASES, len(cases) // 3))))
    return [case for k, case in enumerate(cases) if k not in drawn]


def now(cases):
    """The others: those of many cases that this run takes, and all of them when all tests run."""
    left = [] if ALL else not_now(cases)
    return [case for case in cases if case not in left]
