"""How many examples are drawn: a third of what a test names, and all of them, threefold, when all tests run.

Every run draws others, so what a usual run leaves out comes with the next ones.
"""

import os

from hypothesis import settings

ALL = os.environ.get("TINYMASKRCNN_TESTS") == "all"
FEWEST = 10


def share(count):
    """How many of so many a run draws."""
    return 3 * count if ALL else min(count, max(FEWEST, count // 3))


def examples(count, **more):
    """@examples(60): hypothesis' settings for a test that names 60 examples; a slow one is no failure."""
    return settings(max_examples=share(count), deadline=None, **more)
