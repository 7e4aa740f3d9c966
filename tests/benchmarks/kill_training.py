"""Kills a training run with SIGKILL again and again, and resumes it: every time the checkpoint must load.

    python -m tests.benchmarks.kill_training [--tries 20] [--seed 0] [--steps 400]

The run is small and saves after every step, so that many of the kills fall into the writing of a checkpoint. At the end
the run is finished, and its weights and metrics must equal, bit for bit, those of a run that was never disturbed.
"""

import argparse
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tinymaskrcnn.files import WRITTEN_AS
from tinymaskrcnn.train.metrics import read_rows
from tinymaskrcnn.train.run import RunFolder

SETTINGS = {
    "model.backbone.depths": [1, 1, 1, 1],
    "model.roi.samples_per_image": 8,
    "scenes.image_size": 64,
    "scenes.digits_per_image": [1, 2],
    "train.batch_size": 1,
    "train.checkpoint_every": 1,
    "train.eval_scenes": 0,
    "train.schedule": "constant",
}
TIMINGS = ("seconds", "memory_mb")


def command(folder, steps, resume):
    words = [sys.executable, "-m", "tinymaskrcnn", "train", "--out", str(folder), "--steps", str(steps)]
    if resume:
        return [*words, "--resume"]
    return words + [w for name, value in SETTINGS.items() for w in ("--set", f"{name}={json.dumps(value)}")]


def kill_once(folder, steps, seconds):
    """Start or resume, kill after so many seconds; returns the checkpoint's step, whether a part was left, done."""
    resume = (folder / "config.json").exists()
    process = subprocess.Popen(command(folder, steps, resume), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    before = read_rows(folder / "metrics.jsonl")[-1:]
    deadline = time.monotonic() + 120
    while read_rows(folder / "metrics.jsonl")[-1:] == before and process.poll() is None:
        assert time.monotonic() < deadline, "the run does not begin"
        time.sleep(0.01)  # until it really trains
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    done = process.wait() == 0
    part = any(re.fullmatch(rf"\.checkpoint\.npz\.{WRITTEN_AS}\.tmp", path.name) for path in folder.iterdir())
    return RunFolder.open(folder).load().step, part, done


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=400)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as temporary:
        killed, straight = Path(temporary, "killed"), Path(temporary, "straight")
        parts = 0
        for attempt in range(1, args.tries + 1):
            step, part, done = kill_once(killed, args.steps, rng.uniform(0.0, 0.6))
            parts += part
            print(f"kill {attempt:>2}: checkpoint of step {step} loads{', a half-written one lay beside it' * part}")
            if done:
                raise SystemExit("the run ended before it was killed often enough: give it more --steps")
        subprocess.run(command(killed, args.steps, True), check=True, capture_output=True)
        subprocess.run(command(straight, args.steps, False), check=True, capture_output=True)
        compare(RunFolder.open(killed), RunFolder.open(straight))
    print(f"{args.tries} kills, {parts} of them while a checkpoint was written; afterwards equal bit for bit")


def compare(a, b):
    left, right = a.load(), b.load()
    assert left.step == right.step
    for part in ("model", "optimizer"):
        for name, array in getattr(right, part).items():
            np.testing.assert_array_equal(getattr(left, part)[name], array)
    rows = [
        [{k: v for k, v in row.items() if k not in TIMINGS} for row in read_rows(run.metrics_file)] for run in (a, b)
    ]
    assert rows[0] == rows[1]


if __name__ == "__main__":
    main()
