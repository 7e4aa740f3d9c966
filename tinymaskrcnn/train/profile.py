"""Where the time and the memory of a training step go, and those of inference: stage by stage, forward and backward.

The network knows nothing of it: it is watched from outside, and only while it is profiled.
"""

import statistics
import time
import tracemalloc
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import numpy as np

from ..backend import array_module
from ..data.proposals.stream import given_for
from ..data.resizing import resize_to_config
from ..devices import fresh_memory
from ..structures import collate
from .metrics import resident_megabytes
from .recorder import Recorder, memory_behind, watching
from .stages import BETWEEN, DATA, LOSSES, OPTIMIZER, hooks_of_inference, hooks_of_training

WARM_UP = 3  # steps that do not count: threads wake up, scratch memory is made
LAST = (LOSSES, BETWEEN, OPTIMIZER)


@dataclass(frozen=True)
class StageCost:
    """Seconds, None where there is nothing to do; bytes kept for backward, and the most in use in each direction."""

    stage: str
    forward: float | None
    backward: float | None
    update: float | None
    kept: int
    peaks: dict  # {"forward", "backward" or "update": bytes}

    @property
    def peak(self):
        return max(self.peaks.values(), default=0)

    @property
    def seconds(self):
        return sum(part for part in (self.forward, self.backward, self.update) if part is not None)


@dataclass(frozen=True)
class Profile:
    """What one step costs, stage by stage in the order of the work.

    All times are means over the same steps, the middle half of those that were made: like a median they do not mind an
    interruption, and they add up. seconds is the whole step without its data; peak the most bytes in use beyond what
    was there before the step; model the bytes of weights, gradients and optimizer.
    """

    work: str  # "training step" or "inference"
    batch: int
    size: tuple  # (height, width) of the batch
    device: str
    steps: int
    seconds: float
    stages: tuple
    data: float  # seconds to make the batch: training does it beside the step
    peak: int
    model: int
    resident_megabytes: float | None

    def as_dict(self):
        """Plain numbers for JSON, each stage with its sum and its share of the step."""
        stages = [asdict(s) | {"seconds": s.seconds, "share": s.seconds / self.seconds} for s in self.stages]
        return asdict(self) | {"stages": stages}


def profile_training(trainer, *, steps=10, clock=time.perf_counter, progress=iter):
    """Make so many steps of a Trainer, after a few to warm up and one to look at the memory.

    The weights change as in training. progress(range) may show how far it is.
    """
    trainer.model.train()

    def load(i):
        count = trainer.config.accumulate
        return [trainer.stream.batch(i * count + k).to_device(trainer.device) for k in range(count)]

    def step(batches):
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # checked, and named, by train_step
            trainer.train_step(batches)

    held = [trainer.model.parameters(), trainer.optimizer, trainer.average]
    hooks = hooks_of_training(trainer)
    options = {"steps": steps, "clock": clock, "progress": progress, "device": trainer.device}
    return _profile("training step", trainer.model, hooks, load, step, held, **options)


def profile_inference(model, stream, *, steps=10, device="cpu", clock=time.perf_counter, progress=iter):
    """Find the objects in so many batches of a stream's pictures; memory and warm-up as in profile_training."""
    model.eval()

    def load(i):
        numbers = range(i * stream.batch_size, (i + 1) * stream.batch_size)
        images = [stream.scene(n)[0] for n in numbers]
        originals.append([image.shape[:2] for image in images])
        batch = collate([resize_to_config(image, model.config) for image in images])
        given = given_for(images, batch.sizes, model.config)
        return [replace(batch, given=given).to_device(device)]

    def step(batches):
        [batch] = batches
        model.detect(batch.images, sizes=batch.sizes, original_sizes=np.array(originals[-1]), **batch.given)

    originals = []
    options = {"steps": steps, "clock": clock, "progress": progress, "device": device}
    return _profile("inference", model, hooks_of_inference(model), load, step, model.parameters(), **options)


def _profile(work, model, hooks, load, step, held, *, steps, clock, progress, device):
    xp = array_module(model.parameters()[0].value)
    clock = _synchronising(clock, xp)
    records, whole = [], []
    for i in progress(range(-WARM_UP, steps)):
        recorder = Recorder(clock)
        with recorder.span(DATA, "update"):
            batches = load(i + WARM_UP)
        with watching(hooks, recorder):
            began = clock()
            step(batches)
            whole.append(clock() - began)
        records.append(recorder.seconds)
    middle = _middle_half(whole[WARM_UP:])
    table = _means([records[WARM_UP + i] for i in middle])
    peaks, kept = _memory(hooks, step, batches, held, xp)
    return Profile(
        work=work,
        batch=sum(len(batch.images) for batch in batches),
        size=tuple(batches[0].images.shape[1:3]),
        device=device,
        steps=steps,
        seconds=statistics.fmean(whole[WARM_UP + i] for i in middle),
        stages=_stages(table, peaks, kept),
        data=table[DATA, "update"],
        peak=max(peaks.values()),
        model=sum(array.nbytes for array in memory_behind(held).values()),
        resident_megabytes=resident_megabytes(),
    )


def _middle_half(values):
    """The places of the values without the quarter of the smallest and that of the largest: of three, the median's."""
    order = sorted(range(len(values)), key=values.__getitem__)
    aside = min(round(len(values) / 4), (len(values) - 1) // 2)
    return order[aside : len(values) - aside]


def _means(records):
    """{key: mean over the steps}, of all keys that any step has."""
    keys = dict.fromkeys(key for record in records for key in record)
    return {key: statistics.fmean(record.get(key, 0.0) for record in records) for key in keys}


def _stages(table, peaks, kept):
    """The StageCosts as the work comes to them; what many parts of it have in common at the end."""
    names = dict.fromkeys(stage for stage, _ in table if stage != DATA)
    costs = []
    for name in sorted(names, key=lambda name: LAST.index(name) + 1 if name in LAST else 0):
        times = {direction: table.get((name, direction)) for direction in ("forward", "backward", "update")}
        most = {direction: peaks[name, direction] for direction in times if (name, direction) in peaks}
        costs.append(StageCost(name, **times, kept=kept.get(name, 0), peaks=most))
    return tuple(costs)


def _synchronising(clock, xp):
    """A clock that waits until a device has done what it was asked to; the host's own clock on the CPU."""
    if xp is np:
        return clock

    def read():
        xp.cuda.get_current_stream().synchronize()
        return clock()

    return read


# ---------------------------------------------------------------- memory


def _memory(hooks, step, batches, held, xp):
    """One more step: ({(stage, direction): most bytes in use}, {stage: bytes kept for backward})."""
    with fresh_memory(), _meter(xp) as meter:
        recorder = Recorder(meter=meter, ignored=held)
        with watching(hooks, recorder):
            step(batches)
    return recorder.peaks, recorder.kept


@contextmanager
def _meter(xp):
    """A function that tells the most bytes in use since it was last asked, beyond what was in use before.

    On a device it tells what is in use when it is asked; its memory pool does not remember more.
    """
    if xp is not np:
        pool = xp.get_default_memory_pool()
        before = pool.used_bytes()
        yield lambda: pool.used_bytes() - before
        return
    others = tracemalloc.is_tracing()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()

    def most():
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        return max(0, peak - before)

    try:
        yield most
    finally:
        if not others:
            tracemalloc.stop()
