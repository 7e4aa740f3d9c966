"""The parts of gpu.py that train: digits for some steps, and until box AP 0.90 against the clock."""

import contextlib
import dataclasses
import multiprocessing
import os
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from tinymaskrcnn.data import mnist
from tinymaskrcnn.data.loader import prefetch
from tinymaskrcnn.errors import DataError

from .contestants import stream_of, with_model, with_train
from .measure import say

AIM = 0.90  # box AP

# ---------------------------------------------------------------- batches made ahead

_stream = None  # of a process that makes batches


def _open(config, split):
    global _stream
    threadpool_limits(1)  # there is a process for every core
    _stream = stream_of(config, split)


def _batch(i):
    return _stream.batch(i)


def ahead(config, *, count, workers, depth=64):
    """Yield the first batches of training; processes of their own make them, at most `depth` ahead."""
    if workers == 0:
        yield from prefetch(stream_of(config, "train"), count=count)
        return
    spawn = multiprocessing.get_context("spawn")  # a fork would share the card's state
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_open, initargs=(config, "train")) as pool:
        numbers, waiting = iter(range(count)), deque()
        try:
            for _, i in zip(range(depth), numbers):
                waiting.append(pool.submit(_batch, i))
            while waiting:
                yield waiting.popleft().result()
                for i in numbers:
                    waiting.append(pool.submit(_batch, i))
                    break
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def workers_of(run):
    return 1 if run.pretend else max(1, (os.cpu_count() or 1) - 2)


# ---------------------------------------------------------------- against the clock


@dataclasses.dataclass
class Progress:
    """What a training has reached: seconds count steps and waiting for batches, not evaluation."""

    seconds: float = 0.0
    waited: float = 0.0  # for batches, of these
    losses: list = dataclasses.field(default_factory=list)
    history: list = dataclasses.field(default_factory=list)  # one dictionary per evaluation


def learn(run, config, *, evaluate_at, aim=2.0):
    """Train with the schedule of config; stops at an evaluation that reaches box AP `aim`, or when time is up.

    The first step compiles the card's kernels; it is made, and taken back, before the clock starts.
    """
    warm = run.ours(config)
    warm.step(stream_of(config, "train").batch(0))
    ours, progress = run.ours(config), Progress()
    with (
        run.precision(run.tf32),
        contextlib.closing(ahead(config, count=config.train.steps, workers=workers_of(run))) as batches,
    ):
        batches = iter(batches)
        first = next(batches)  # the processes have started
        began = time.perf_counter()
        for step in range(1, config.train.steps + 1):
            asked = time.perf_counter()
            batch = first if step == 1 else next(batches)
            progress.waited += time.perf_counter() - asked
            progress.losses.append(ours.step(batch))
            if step in evaluate_at:
                run.synchronize()
                progress.seconds += time.perf_counter() - began
                evaluate(run, ours, config, progress, step)
                if progress.history[-1]["box_AP"] >= aim or not run.has_time():
                    break
                began = time.perf_counter()
    return progress


def evaluate(run, ours, config, progress, step):
    """Add the average precision on held-out scenes to the history."""
    from .training import average_precision

    figures = average_precision(ours, config, run.sizes.scenes)
    ours.model.train()
    now = {"step": step, "seconds": round(progress.seconds, 2), "loss": progress.losses[-1]}
    progress.history.append(now | {name: figures[name] for name in ("box_AP", "mask_AP")})
    say(f"    step {step}, {now['seconds']} s: box AP {figures['box_AP']:.3f}, mask AP {figures['mask_AP']:.3f}")


# ---------------------------------------------------------------- the parts


def train(run):
    """The default recipe, cut short: losses fall, objects are found."""
    steps = run.sizes.train_steps
    config = with_train(configuration(run), steps=steps)
    progress = learn(run, config, evaluate_at={steps})
    share = max(1, steps // 10)
    before, after = float(np.mean(progress.losses[:share])), float(np.mean(progress.losses[-share:]))
    fine = np.isfinite(after) and after < (1.0 if run.pretend else 0.6) * before
    note = f"{steps} steps of {config.train.batch_size}: loss {before:.2f} to {after:.2f}; {in_words(progress)}"
    row = {"work": "gpu_train_digits", "status": "ok" if fine else "failed", "note": note}
    yield row | {"ours_s": progress.seconds / steps, "history": progress.history, "tf32": run.tf32}


def ap90(run):
    """Seconds until box AP 0.90, from random weights, on MNIST's digits where they are found."""
    steps, batch_size, rate = run.recipe
    source, reason = source_of_digits()
    if reason:
        yield {"work": "gpu_mnist_ap90", "status": "skipped", "note": f"{reason}; the embedded digits instead"}
    config = configuration(run)
    config = dataclasses.replace(config, scenes=dataclasses.replace(config.scenes, source=source))
    config = with_train(config, steps=steps, batch_size=batch_size, learning_rate=rate)
    evaluate_at = {*range(max(1, steps // 3), steps, max(1, steps // 12)), steps}
    progress = learn(run, config, evaluate_at=evaluate_at, aim=AIM)
    last = progress.history[-1]
    reached = last["box_AP"] >= AIM
    note = f"{last['step']} of {steps} steps of {batch_size}, rate {rate}: {in_words(progress)}"
    row = {"work": f"gpu_{source}_ap90", "status": "ok" if reached else "missed", "note": note, "tf32": run.tf32}
    yield row | {"seconds": progress.seconds if reached else None, "recipe": run.recipe, "history": progress.history}


def configuration(run):
    """The sizes of the run, with RoIAlign as the package trains it, not as torchvision's models have it."""
    return with_model(run.sizes.config, roi={"aligned": True})


def in_words(progress):
    """The last evaluation and the time to it."""
    last, clock = progress.history[-1], f"{progress.seconds:.1f} s, {progress.waited:.1f} of them waiting for scenes"
    return f"box AP {last['box_AP']:.3f}, mask AP {last['mask_AP']:.3f}, {clock}"


def source_of_digits():
    """("mnist", None), or ("digits", why it is not MNIST)."""
    try:
        mnist.find()
    except DataError as error:
        return "digits", str(error).split(";")[0]
    return "mnist", None
