"""Times a training step beside a process that spins on one core: threads must not wait long for the one that shares it.

    python -m tests.benchmarks.contention [--steps 12] [--threads 2] [--json FILE]

Three ways take turns, step by step, in one process: all threads alone, all threads beside the spinning process, one
thread beside it. The spinning process keeps to one core of those that may be used; while it is not wanted, it is
stopped. The ratio that counts is that of the last two: with more threads a busy neighbour should cost at most what it
costs one thread that has a core of its own, and 1.1 is allowed. Needs a machine that is otherwise idle, or has at
least as many idle cores as threads.
"""

import argparse
import json
import multiprocessing
import os
import platform
import signal
import statistics
import time
from contextlib import closing, contextmanager, nullcontext

import numpy as np

from tinymaskrcnn.config import Config
from tinymaskrcnn.data.loader import SceneStream
from tinymaskrcnn.kernels.threads import set_threads
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.train.trainer import Trainer, computing

LIMIT = 1.1
BATCHES = 4


def spin(core):
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    while True:
        pass


class Hog:
    """A process that spins on one core, or rests."""

    def __init__(self, core):
        self.process = multiprocessing.get_context("spawn").Process(target=spin, args=(core,), daemon=True)
        self.process.start()
        time.sleep(0.5)  # until it spins
        os.kill(self.process.pid, signal.SIGSTOP)

    @contextmanager
    def spinning(self):
        os.kill(self.process.pid, signal.SIGCONT)
        time.sleep(0.02)  # the scheduler has to see it
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGSTOP)

    def close(self):
        self.process.kill()
        self.process.join()


def measure(steps, threads):
    """{way: seconds of each step}; every way makes the same steps on the same batches."""
    config = Config()
    trainer = Trainer(build_model(config.model, rng=np.random.default_rng(0)).train(), None, config.train)
    stream = SceneStream(config.scenes, split="train", seed=0, batch_size=config.train.batch_size)
    batches = [stream.batch(i) for i in range(BATCHES)]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    took = {"alone": [], "beside": [], "one beside": []}
    with closing(Hog(cores[-1])) as hog, computing():
        for i in range(-2, steps):  # two rounds to warm up
            batch = batches[i % BATCHES]
            for way, seconds in took.items():
                set_threads(1 if way == "one beside" else threads)
                with hog.spinning() if "beside" in way else nullcontext():
                    trainer.train_step([batch])  # the threads find their places
                    began = time.perf_counter()
                    trainer.train_step([batch])
                    if i >= 0:
                        seconds.append(time.perf_counter() - began)
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    took = measure(args.steps, args.threads)
    medians = {way: statistics.median(seconds) for way, seconds in took.items()}
    ratio = statistics.median(b / o for b, o in zip(took["beside"], took["one beside"]))
    print(f"a training step of the default model, median of {args.steps}")
    names = {"alone": f"{args.threads} threads, alone", "beside": f"{args.threads} threads beside a spinning process"}
    for way, seconds in medians.items():
        print(f"  {names.get(way, '1 thread beside it'):<40} {seconds * 1e3:7.1f} ms")
    verdict = "fine" if ratio <= LIMIT else f"more than {LIMIT}: too slow"
    print(f"  {args.threads} threads / 1 thread beside it, median of the pairs: {ratio:.2f} ({verdict})")
    if args.json:
        row = {"work": "contention", "threads": args.threads, "ratio": ratio, "seconds": medians}
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(row | {"python": platform.python_version(), "numpy": np.__version__}, file, indent=1)


if __name__ == "__main__":
    main()
