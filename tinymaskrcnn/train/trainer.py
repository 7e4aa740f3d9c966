"""The training loop: a batch, forward, backward, one step of the optimizer; it can stop and resume exactly."""

import contextlib
import importlib
import math
import time

import numpy as np

from ..backend import array_module, constant, to_host
from ..data.loader import prefetch
from ..nn.module import spend
from .average import WeightAverage
from .diagnose import explain_nonfinite
from .metrics import resident_megabytes
from .optimizer import build_optimizer
from .schedule import learning_rate


class Trainer:
    """A model, its optimizer and its stream of batches.

    What step n does depends only on the weights, the optimizer and (seed, n): its batches and its random draws are
    functions of n. A run that stops and resumes therefore computes, bit for bit, what an uninterrupted one computes.

    The model is asked for three things: `forward(images, targets=, sizes=, rng=, **given) -> (losses, cache)`,
    `backward(dlosses, cache)`, and the names of its parameters. The stream for one: `batch(i) -> ImageBatch`.
    """

    def __init__(self, model, stream, config, *, device="cpu"):
        self.model = model
        self.stream = stream
        self.config = config
        self.device = device
        self.optimizer = build_optimizer(model.named_parameters(), config)
        self.average = WeightAverage(model, config.average) if config.average else None
        self.step = 0  # completed steps

    def state_dict(self):
        """What a checkpoint stores: the step, and the arrays of model and optimizer by name."""
        state = {"step": self.step, "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        return self.average.state(state) if self.average else state

    def load_state(self, *, step, model, optimizer):
        """Continue after `step` completed steps."""
        if self.average:
            model, optimizer = self.average.load(model, optimizer)
        self.model.load_state_dict(model)
        self.optimizer.load_state_dict(optimizer)
        self.step = step

    def align(self):
        """Begin with the same state as all that train together; one alone does."""

    def step_rng(self):
        """The random numbers of the step that comes next."""
        return np.random.default_rng([self.config.seed, self.step])

    def learning_rate(self):
        """The rate of the step that comes next."""
        return learning_rate(self.step, self.config)

    def train_step(self, batches):
        """One update from `accumulate` batches; returns the row of numbers that describes it.

        Raises NonFiniteError, before any weight has changed, when a loss or a gradient is not finite.
        """
        rate = self.learning_rate()
        names, numbers = self.measured(batches)
        norm, *losses = to_host(numbers).tolist()  # the one moment at which a step waits for the device
        if not math.isfinite(norm + sum(losses)):
            raise self._why_nonfinite()
        self.optimizer.step(rate)
        self.step += 1
        if self.average:
            self.average.follow(self.step)
        return {
            "step": self.step,
            "loss": sum(losses),
            **dict(zip(names, losses)),
            "gradient_norm": norm,
            "learning_rate": rate,
        }

    def measured(self, batches):
        """Everything of a step but its update: the names of the losses, and norm and losses in one array (1 + n,)."""
        losses = self._gradients(batches)
        norm = self.optimizer.clip(self.config.clip_norm)
        return list(losses), array_module(norm).stack([norm, *(loss.astype(norm.dtype) for loss in losses.values())])

    def _gradients(self, batches):
        """Mean losses over the batches, as 0-d arrays, with their gradients added up in the parameters."""
        share = 1.0 / self.config.accumulate
        rng = self.step_rng()
        total = {}
        self.optimizer.zero_grad()
        for batch in batches:
            data = {"targets": batch.targets, "sizes": batch.sizes, "rng": rng, **batch.given}
            losses, cache = self.model.forward(batch.images, **data)
            dlosses = {name: constant(share, loss) for name, loss in losses.items()}
            self.model.backward(dlosses, spend(cache))  # memory is freed as it passes
            del cache
            for name, loss in losses.items():
                total[name] = total[name] + share * loss if name in total else share * loss
        return total

    def _why_nonfinite(self):
        return explain_nonfinite(self.model, self._current_batches(), rng=self.step_rng(), step=self.step + 1)

    def agreed(self, stop):
        """Whether to stop after this step, once somebody asked for it."""
        return stop

    def hurry(self, run):
        """Save at once what would be lost if no step could end any more; one alone has the time to end it."""

    def _current_batches(self):
        """The batches of the coming step, drawn anew."""
        first = self.step * self.config.accumulate
        return [self.stream.batch(first + i).to_device(self.device) for i in range(self.config.accumulate)]

    def rows(self):
        """Train to the last step of the configuration, yielding the row of every step; close it to stop early."""
        accumulate = self.config.accumulate
        first, count = self.step * accumulate, (self.config.steps - self.step) * accumulate
        self.model.train()
        if self.average:
            self.average.remove()
        with contextlib.closing(prefetch(self.stream, start=first, count=count)) as stream:
            while self.step < self.config.steps:
                began = time.perf_counter()
                batches = (next(stream).to_device(self.device) for _ in range(accumulate))
                with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # checked, and named, by train_step
                    row = self.train_step(batches)
                yield row | {"seconds": round(time.perf_counter() - began, 4), "memory_mb": resident_megabytes()}
        self.finish()

    def finish(self):
        """After the last step, the model has the weights that it was trained for."""
        if self.average:
            self.average.install()


@contextlib.contextmanager
def computing(threads=None):
    """Set up the threads of the CPU kernels for a training or an evaluation; nothing when there are no kernels."""
    package = __package__.rpartition(".")[0]
    try:
        kernels = importlib.import_module(f"{package}.kernels.threads")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(f"{package}.kernels"):
            raise
        yield
        return
    if threads is not None:
        kernels.set_threads(threads)
    with kernels.single_threaded_blas():
        yield
