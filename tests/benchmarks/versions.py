"""Two versions of the package by turns: the default training step and the default inference, as a ratio.

  git worktree add /tmp/before COMMIT
  python -m tests.benchmarks.versions /tmp/before . --pairs 20

Each version computes in a process of its own, on the same scenes and with the same first weights, while the other one
waits. "ours" is the second folder, "peer" the first: a ratio below 1 means that the second is faster.
"""

import argparse
import functools
import json
import subprocess
import sys
import time
from pathlib import Path

from . import measure

WORKER = '''
import json, sys, time
sys.path.insert(0, sys.argv[1])
import numpy as np
import tinymaskrcnn
from tinymaskrcnn.config import Config
from tinymaskrcnn.data.loader import open_stream
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.train.trainer import Trainer, computing

assert tinymaskrcnn.__file__.startswith(sys.argv[1]), tinymaskrcnn.__file__
config = Config()
stream = open_stream(config, split="train")
batches = [stream.batch(i) for i in range(4)]
model = build_model(config.model, rng=np.random.default_rng(0))
trainer = Trainer(model, stream, config.train)

def step(turn):
    model.train()
    return trainer.train_step([batches[turn % 4]])["loss"]

def detect(turn):
    model.eval()
    batch = batches[turn % 4]
    return len(model.detect(batch.images, sizes=batch.sizes)[0])

with computing(int(sys.argv[2])):
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        work, turn = json.loads(line)
        said = {"step": step, "detect": detect}[work](turn)
        print(json.dumps([said, time.process_time()]), flush=True)
'''
WORKS = {"step": "a training step of 8 scenes", "detect": "inference of 8 scenes"}


class Version:
    """A process that computes with the package of one folder, when it is asked to."""

    def __init__(self, folder, threads):
        folder = str(Path(folder).resolve())
        words = [sys.executable, "-c", WORKER, folder, str(threads)]
        self.process = subprocess.Popen(words, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.cpu = 0.0
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise measure.Mismatch(f"the process of a version ended with {self.process.wait()}; see above")
        return json.loads(line)

    def call(self, work, turn):
        self.process.stdin.write(json.dumps([work, turn]) + "\n")
        self.process.stdin.flush()
        said, self.cpu = self.answer()
        return said

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def compare(versions, *, pairs):
    """{"peer": Version, "ours": Version}  ->  a row for each work; Mismatch when the first losses differ much."""
    rows = []
    clocks = time.perf_counter, lambda: sum(version.cpu for version in versions.values())
    for work, title in WORKS.items():
        calls = {name: functools.partial(version.call, work) for name, version in versions.items()}
        said = {name: call(0) for name, call in calls.items()}
        if work == "step" and abs(said["ours"] - said["peer"]) > 1e-3 * abs(said["peer"]):
            raise measure.Mismatch(f"the first losses are {said['ours']} and {said['peer']}: not the same work")
        rows.append(measure.timing_row(title, measure.race(calls, pairs=pairs, clocks=clocks)))
    return rows


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", help="folder of a checkout")
    parser.add_argument("after", help="folder of another one")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(words)
    folders = {"peer": args.before, "ours": args.after}
    versions = {}
    try:
        for name, folder in folders.items():
            versions[name] = Version(folder, args.threads)
        for row in compare(versions, pairs=args.pairs):
            cpu = row["ours_cpu_s"] / row["peer_cpu_s"]
            middle = f"{row['ratio_25']:.3f} .. {row['ratio_75']:.3f}"
            before, after = (f"{1000 * row[key]:.1f} ms" for key in ("peer_s", "ours_s"))
            print(f"{row['work']:28} {before} -> {after}   ratio {row['ratio']:.3f} ({middle}), CPU {cpu:.3f}")
    finally:
        for version in versions.values():
            version.close()


if __name__ == "__main__":
    main()
