"""How much memory is free, and the refusal of what cannot fit, with the bytes it would need."""

import os

from .devices import release_memory
from .errors import ConfigError

GROUPS = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")  # containers, new and old


def free_bytes(root="/"):
    """The bytes that this process could still get, as far as the system says; None when it says nothing.

    A limit of a container counts in full: what its files hold in memory is given back when it is needed.
    """
    known = [_available(root), *(_first_number(os.path.join(root, name)) for name in GROUPS)]
    return min((value for value in known if value is not None), default=None)


def _contents(path):
    """The bytes of a small file of the system's, which every detection asks for."""
    with open(path, "rb", buffering=0) as file:
        return file.read()


def _available(root):
    try:
        text = _contents(os.path.join(root, "proc/meminfo"))
        return int(text[text.index(b"MemAvailable") :].split(maxsplit=2)[1]) * 1024
    except (OSError, IndexError, ValueError):
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, OSError, ValueError):
            return None


def _first_number(path):
    try:
        return int(_contents(path))
    except (OSError, ValueError):  # no such limit, or "max"
        return None


def require(needed, what, *, advice="", error=ConfigError):
    """Raise `error` when `what` needs more bytes than are free."""
    free = free_bytes()
    if free is not None and needed > free:
        release_memory()  # of pictures before this one
        free = free_bytes()
    if free is not None and needed > free:
        raise error(f"{what} needs at least {in_words(needed)} of memory; {in_words(free)} are free{advice}")


def in_words(count):
    """Bytes as people say them: 3.2 GB."""
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if count < 1000 or unit == "PB":
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
