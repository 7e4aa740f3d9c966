"""How far along work is that goes through many things: a bar in a terminal, a line now and then in a log file."""

import sys
import time
import warnings

from tqdm import TqdmMonitorWarning, tqdm


def new_bar(*items, **options):
    """A bar of tqdm, which says nothing where it cannot start the thread that looks after bars at rest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmMonitorWarning)
        return tqdm(*items, **options)


def counted(items, *, label, total=None, file=None, pause=15.0):
    """The items of a sequence, with a bar while they pass; without a terminal a line after a second and then seldom.

    total: how many there are, where the items have no length to tell.
    """
    file = file or sys.stderr
    if bool(getattr(file, "isatty", lambda: False)()):
        return new_bar(items, desc=label, total=total, file=file, leave=False, dynamic_ncols=True)
    total = total or (len(items) if hasattr(items, "__len__") else None)
    return _with_lines(items, label, f" of {total}" if total else "", file, pause)


def _with_lines(items, label, of_total, file, pause):
    due = time.monotonic() + min(1.0, pause)
    for done, item in enumerate(items):
        if time.monotonic() >= due:
            due = time.monotonic() + pause
            print(f"{label}: {done}{of_total}", file=file, flush=True)
        yield item
