"""Two contestants by turns: the seconds of each, their ratio with its middle half, and a file that says where from.

Nothing here knows what is measured or by whom; torch is named in the environment where it is loaded.
"""

import argparse
import importlib.metadata
import json
import math
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from tinymaskrcnn.kernels.c import library
from tinymaskrcnn.kernels.threads import available_cores

TURN = 0.1  # seconds: calls that are shorter are repeated within a turn, so that a turn is not over before it began
MOST = 50  # ... but not more often than this

# ---------------------------------------------------------------- taking turns


def race(calls, *, pairs, warm=2, clocks=(time.perf_counter, time.process_time)):
    """Call the functions {name: function(turn)} by turns; who begins alternates, and all are warmed up first.

    ->  {name: (pairs, 2) seconds of one call: on the clock, and of all threads of this process together}

    Warm-up turns are numbered -warm ... -1. A function that takes less than TURN is called several times in a turn,
    after one more call that is not counted: until then the caches and the threads still are the other one's.
    """
    repeats = {name: 1 for name in calls}
    for turn in range(-warm, 0):
        for name, call in calls.items():
            began = clocks[0]()
            call(turn)
            repeats[name] = repeats_of(clocks[0]() - began)
    seconds = {name: np.zeros((pairs, len(clocks))) for name in calls}
    for turn in range(pairs):
        for name in list(calls) if turn % 2 == 0 else reversed(calls):
            call, count = calls[name], repeats[name]
            if count > 1:
                call(turn)
            began = [clock() for clock in clocks]
            for _ in range(count):
                call(turn)
            seconds[name][turn] = [(clock() - start) / count for clock, start in zip(clocks, began)]
    return seconds


def repeats_of(seconds):
    """How often a call of so many seconds is made in one turn."""
    return 1 if seconds >= TURN else min(MOST, math.ceil(TURN / max(seconds, 1e-9)))


def timing_row(work, seconds):
    """Medians of both, and the median of the ratios of the pairs with its middle half.

    {"ours": (pairs, 2), "peer": (pairs, 2)}  ->  {"work", "ours_s", "peer_s", "ratio", ...}
    """
    ours, peer = seconds["ours"], seconds["peer"]
    low, middle, high = np.percentile(ours[:, 0] / peer[:, 0], (25, 50, 75)).tolist()
    return {
        "work": work,
        "ours_s": float(np.median(ours[:, 0])),
        "peer_s": float(np.median(peer[:, 0])),
        "ratio": middle,
        "ratio_25": low,
        "ratio_75": high,
        "pairs": len(ours),
        "ours_cpu_s": float(np.median(ours[:, 1])),
        "peer_cpu_s": float(np.median(peer[:, 1])),
    }


class Mismatch(Exception):
    """The contestants did not do the same work, so their times say nothing."""


# ---------------------------------------------------------------- where the figures come from


PACKAGES = ("tinymaskrcnn", "numpy", "scipy", "torch", "torchvision", "onnxruntime")


def environment(*, threads, load, **more):
    """What a reader of the figures has to know: versions, threads, BLAS, processor, and what else kept it busy."""
    packages = {name: version(name) for name in PACKAGES}
    document = {name: found for name, found in packages.items() if found}
    document |= {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": available_cores(),
        "threads": threads,
        "blas": blas(),
        "kernels": library.described(),
        "load_at_start": load,
    }
    if "torch" in sys.modules:
        document["torch_cpu_capability"] = sys.modules["torch"].backends.cpu.get_cpu_capability()
    held = {name: os.environ[name] for name in HOLDS_BACK if os.environ.get(name)}
    return document | ({"held_back_by": held} if held else {}) | more


HOLDS_BACK = (
    "OPENBLAS_CORETYPE",
    "TINYMASKRCNN_KERNELS",
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "OMP_WAIT_POLICY",
)


def warnings():
    """What in the environment makes the figures other than what a user would see, one sentence each."""
    notes, load = [], load_average()
    for name in HOLDS_BACK:
        if os.environ.get(name):
            notes.append(f"{name}={os.environ[name]} is set")
    if os.environ.get("OPENBLAS_CORETYPE"):
        notes[0] += ": OpenBLAS is held to these kernels (env -u OPENBLAS_CORETYPE lets it choose)"
    if load is not None and load > 0.5:
        notes.append(f"other programs keep {load} cores busy; times will mislead")
    return notes


def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def blas():
    """One line for each BLAS in this process: which, of what version, with kernels for which architecture."""
    found = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return sorted({f"{b['internal_api']} {b['version']} {b.get('architecture') or ''}".strip() for b in found})


def processor():
    """The processor's name, or what the system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def load_average():
    """How many cores were kept busy in the last minute; None where the system does not say."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


# ---------------------------------------------------------------- rows in a file, words for whoever waits


def write_rows(path, where, rows):
    """Write {"environment": ..., "rows": [...]} in one move: a reader never sees half a file. None writes nothing."""
    if path is None:
        return
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps({"environment": where, "rows": rows}, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def say(text):
    """A word about how far it is, beside the results."""
    print(text, file=sys.stderr, flush=True)


def at_least(lowest):
    """For argparse: a whole number that is not below `lowest`."""

    def number(word):
        if not word.isdigit() or int(word) < lowest:
            raise argparse.ArgumentTypeError(f"must be a whole number, at least {lowest}; got {word!r}")
        return int(word)

    return number
