"""The limits of the process in which a student's code runs, and what it is kept from."""

import contextlib
import importlib.util
import os
import sys
import sysconfig
from pathlib import Path

CLONE_NEWUSER, CLONE_NEWNET, PR_SET_PDEATHSIG = 0x10000000, 0x40000000, 1
# What no exercise needs: Python reports these events before they happen, and a hook cannot be taken back.
FORBIDDEN = ("socket.", "subprocess.", "os.fork", "os.exec", "os.system", "os.posix_spawn", "os.spawn", "os.kill")
FORBIDDEN += ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.putenv", "os.chdir", "os.fchdir")
FORBIDDEN += ("os.chmod", "os.chown", "os.link", "os.symlink", "os.setxattr", "os.utime", "os.chflags", "shutil.")
FORBIDDEN += ("ctypes.", "pty.", "signal.", "gc.", "sys.settrace", "sys.setprofile", "tinymaskrcnn.solution")
SOLUTION = "the package's own solution"
SYSTEM_FILES = ("/etc/", "/proc/", "/sys/", "/dev/")
# What of NumPy opens a file for those who look at their numbers: refused, and nobody is blamed for it.
MERE = (".tofile(", ".fromfile(", ".memmap(", ".load(", ".loadtxt(", ".genfromtxt(", ".dump(", ".save")
NATIVE = ("_ctypes", "_posixsubprocess", "_posixshmem", "_testcapi", "_testinternalcapi", "_xxsubinterpreters")


def limit(*, memory, cpu, strict):
    """Before anything large is imported: bytes of address space, seconds of work, no core, no network, no children.

    strict: nothing can be written to a disk either; what is printed must go nowhere then, or to a pipe.
    """
    import ctypes
    import resource  # not on Windows
    import signal

    limits = {"AS": memory, "CPU": cpu, "CORE": 0, "NPROC": 0} | ({"FSIZE": 0} if strict else {})
    for name, value in limits.items():
        with contextlib.suppress(OSError, ValueError, AttributeError):  # a system may know some of them only
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    with contextlib.suppress(OSError, AttributeError):  # not on Linux
        library = ctypes.CDLL(None, use_errno=True)
        library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # ends with the one who asks, however that one ends
        if library.unshare(CLONE_NEWNET) != 0:
            library.unshare(CLONE_NEWUSER | CLONE_NEWNET)


def close(violations, own, *, lines=(), strict):
    """From here on files cannot be written, in grading only those of Python's libraries and the student's `own` can be
    read, and no process can be started.

    What is tried is added to `violations` as (reason, line, text of the line); what numpy.save and its like try is
    refused and not held against anybody."""
    watch = hook(violations, own, lines=lines, strict=strict)  # imports what it asks, before anything is taken away
    for name in NATIVE:
        sys.modules.pop(name, None)
    if "subprocess" in sys.modules:
        sys.modules["subprocess"]._fork_exec = None  # the one way that is not reported
    sys.addaudithook(watch)


def hook(violations, own, *, lines=(), strict):
    """The audit hook; all it uses is its own, so that nothing which is patched later changes it.

    lines: those of the student's file
    """
    package = os.path.realpath(Path(__file__).parent.parent) + os.sep
    readable = tuple(sorted({os.path.realpath(path) + os.sep for path in _libraries()}))
    forbidden, native, decode, resolve, text = FORBIDDEN, NATIVE, os.fsdecode, os.path.realpath, (str, bytes)
    program, own = own, os.path.realpath(own)  # which Python itself looks into for the line of a syntax error
    guarded, solution, mere, where = (package, *SYSTEM_FILES), SOLUTION, MERE, place_in
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def place():
        line = where(program)
        return line, lines[line - 1].strip() if 0 < line <= len(lines) else ""

    def watch(event, args):
        reason = None
        if event.startswith(forbidden):
            reason = f"{args[0]}: {solution}" if event == "tinymaskrcnn.solution" else event
        elif event == "import" and args[0] in native:
            reason = f"import {args[0]}"
        elif event == "open" and isinstance(args[0], text):
            mode, flags = args[1], args[2]
            writes = bool(set(mode) & set("wax+")) if isinstance(mode, str) else bool((flags or 0) & writing)
            path = resolve(decode(args[0]))
            closed = path.startswith(package) or not path.startswith(readable)
            if writes or (strict and closed and path != own):
                reason = f"open {path.rsplit('/', 1)[-1]!r}"
                if not path.startswith(guarded) and any(name in place()[1] for name in mere):
                    raise PermissionError(f"{reason}: no file can be opened when homework is checked")
        if reason is not None:
            violations.append((reason, *place()))
            raise PermissionError(f"{reason} is not allowed in homework")

    return watch


def place_in(path):
    """The line of the student's file that is being run; 0 when none is."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != path:
        frame = frame.f_back
    return 0 if frame is None else frame.f_lineno


def _libraries():
    """Where Python's own library and installed packages lie."""
    import numpy

    paths = sysconfig.get_paths()
    own = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return [*own, Path(numpy.__file__).parent, Path(importlib.util.find_spec("scipy").origin).parent]
