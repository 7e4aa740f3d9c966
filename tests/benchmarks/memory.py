"""Memory of a training step and of full-size inference."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]


def measure(who, what, arrays, *, threads, channels_last=False):
    """What peak.py says of a contestant ("ours" or "peer") at a work ("step" or "full_size"), in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "arrays.npz"
        np.savez(path, **arrays)
        words = [sys.executable, "-m", "tests.benchmarks.peak", who, what, str(path), "--threads", str(threads)]
        words += ["--channels-last"] if channels_last else []
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words[2:5])} failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])


def comparison_row(name, measured):
    """The row of a memory work. What counts is the growth; beside it the process as a whole."""
    ours, peer = measured["ours"], measured["peer"]
    return {
        "work": name,
        "ours_mb": ours["growth_mb"],
        "peer_mb": peer["growth_mb"],
        "ratio": ours["growth_mb"] / peer["growth_mb"],
        "ours_process_mb": ours["peak_mb"],
        "peer_process_mb": peer["peak_mb"],
        "process_ratio": ours["peak_mb"] / peer["peak_mb"],
        "ours_program_pages_mb": ours["program_pages_mb"],
        "peer_program_pages_mb": peer["program_pages_mb"],
        "peak_was_reset": ours["reset"] and peer["reset"],
    }
