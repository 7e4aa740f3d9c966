"""Steps replayed from a plan equal those of the trainer to the bit, though nothing of the model runs any more."""

import cuda_emulator
import numpy as np
import pytest
import strict_device
from fixed_steps import FixedKeys, FixedSteps, arrays_of, running
from pretended_cupy import pretended
from strict_device import xp
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.backend import array_module
from tinymaskrcnn.config import TrainConfig
from tinymaskrcnn.nn.layers import Linear
from tinymaskrcnn.nn.module import Module
from tinymaskrcnn.structures import ImageBatch
from tinymaskrcnn.targets.matcher import draw_keys
from tinymaskrcnn.train.optimizer import Optimizer
from tinymaskrcnn.train.trainer import Trainer

RUN = dict(steps=20, batch_size=2, warmup_steps=4, clip_norm=1.0)


@pytest.fixture(autouse=True)
def card():
    with pretended(), np.errstate(all="ignore"):
        yield


def scene(i, objects=(2, 1)):
    images, targets = tiny_scene(objects=objects, seed=i)
    return ImageBatch(images, np.full((len(images), 2), 64), targets)


def trainer_of(model, **settings):
    return Trainer(model.to_device("cuda").train(), None, TrainConfig(**RUN | settings), device="cuda")


def as_always(trainer, batches):
    return [trainer.train_step([batch.to_device("cuda")]) for batch in batches]


def state(trainer):
    parts = trainer.state_dict()
    gradients = {f"grad.{name}": p.grad.get() for name, p in trainer.model.named_parameters()}
    return parts["model"] | parts["optimizer"] | gradients


def equal(one, other):
    one, other = state(one), state(other)
    assert one.keys() == other.keys()
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.skipif(not cuda_emulator.available(), reason="g++ is missing: the CUDA kernels cannot be run on the host")
def test_replayed_steps_are_those_of_the_trainer(monkeypatch):
    """Losses, gradients, weights, velocities and running statistics, for pictures with two numbers of objects."""
    batches = [scene(i, objects=(1, 1) if i in (2, 4) else (2, 1)) for i in range(6)]
    with strict_device.kernels():
        always = trainer_of(tiny_model(), learning_rate=0.02)
        rows = as_always(always, batches[:-1])
        with strict_device.counting() as wanted:
            rows += as_always(always, batches[-1:])
        fixed = trainer_of(tiny_model(), learning_rate=0.02)
        steps = FixedSteps(fixed)
        assert [steps.step(batch) for batch in batches[:-1]] == rows[:-1]
        monkeypatch.setattr(strict_device.StrictArray, "__init__", refused)
        with strict_device.counting() as cost, running() as seen:
            assert steps.step(batches[-1]) == rows[-1]
    assert equal(fixed, always)
    assert len({row["learning_rate"] for row in rows}) > 2 and len(steps.shapes) == 2

    assert (cost.uploads, cost.synchronisations, cost.count("memory")) == (wanted.uploads, 1, 0)
    keys = started(cost, where="targets/matcher.py:draw_keys")  # 1 - draws, for once on the device
    assert [e for e in started(cost) if e not in keys] == started(wanted) and len(keys) == 2
    assert seen.calls and not [
        p for p in seen.places if p.startswith(OF_THE_MODEL) or "forward" in p or "backward" in p
    ]


OF_THE_MODEL = ("models/", "ops/", "targets/", "kernels/", "nn/layers.py", "nn/fused.py")


def started(cost, where=""):
    """What a card works on, without memory that is asked for and what comes from the host."""
    return [e for e in cost.events if e.kind in ("launch", "product", "sort") and e.place.startswith(where)]


def refused(self, memory):
    raise AssertionError("a replayed step makes no arrays")


# ---------------------------------------------------------------- what a plan cannot keep is seen


class Guess(Module):
    """Guesses the sides of the first box from a few pixels; objects count by chance."""

    def __init__(self):
        self.fc = Linear(8, 4, rng=np.random.default_rng(0))

    def forward(self, images, *, targets, sizes, rng):
        xp = array_module(images)
        y, c_fc = self.fc.forward(images[:, 30, :8, 0])
        keys = draw_keys((len(y), 1), rng=rng, like=images).astype(y.dtype)
        error = (y - targets.boxes[:, 0] / 64) * keys
        return {"box": xp.square(error).sum()}, (c_fc, error, keys)

    def backward(self, dlosses, cache):
        c_fc, error, keys = cache
        self.fc.backward(2 * dlosses["box"] * error * keys, c_fc)


def both(model=Guess, *, count=5, **settings):
    """Two Trainers after as many steps, one as always and one by plans."""
    batches = [scene(i) for i in range(count)]
    always, fixed = trainer_of(model(), **settings), trainer_of(model(), **settings)
    as_always(always, batches)
    steps = FixedSteps(fixed)
    for batch in batches:
        steps.step(batch)
    return always, fixed


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_each_optimizer_finds_its_numbers_where_they_were(optimizer):
    assert equal(*both(optimizer=optimizer))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_two_updates_record_the_same_list(optimizer):
    trainer, costs = trainer_of(Guess(), optimizer=optimizer), []
    for i in range(3):
        with strict_device.counting() as cost:
            as_always(trainer, [scene(i)])
        costs.append(cost)
    assert costs[1].events == costs[2].events


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_number_of_python_stays_what_it_was(monkeypatch, optimizer):
    def prepare(self, learning_rate):
        self.updates += 1
        self._numbers = self.numbers(learning_rate)

    monkeypatch.setattr(Optimizer, "prepare", prepare)
    assert equal(*both(optimizer=optimizer, count=2)) and not equal(*both(optimizer=optimizer, count=3))


def test_draws_that_nobody_repeats_stay_what_they_were(monkeypatch):
    monkeypatch.setattr(FixedKeys, "load", lambda self, rng: setattr(self, "given", iter(self.arrays)))
    assert not equal(*both(count=3))


@pytest.mark.parametrize("part", [0, 2])
def test_a_batch_that_is_not_copied_stays_what_it_was(monkeypatch, part):
    """0 are the pictures, 2 the boxes: a step that reads the batch it was recorded with."""
    without = lambda batch: [a for i, a in enumerate(arrays_of(batch)) if i != part]  # noqa: E731
    monkeypatch.setattr("fixed_steps.arrays_of", without)
    assert not equal(*both(count=3))


class Counting(Guess):
    """A fault: Python counts the steps."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, images, **data):
        self.calls += 1
        return super().forward(images * (1 + self.calls), **data)


class Rebinding(Guess):
    """A fault: what is kept from step to step moves to another array."""

    def __init__(self):
        super().__init__()
        self.last = None

    def forward(self, images, **data):
        self.last = images if self.last is None else 0.5 * (self.last + images)
        return super().forward(self.last, **data)


@pytest.mark.parametrize("model", [Counting, Rebinding])
def test_what_python_keeps_between_steps_is_lost(model):
    assert not equal(*both(model, count=4))


class Deciding(Guess):
    def forward(self, images, **data):
        return super().forward(images if float(images.sum()) > 0 else -images, **data)


class Uploading(Guess):
    def forward(self, images, **data):
        return super().forward(images * array_module(images).asarray(np.float32([2])), **data)


class Joining(Guess):
    """Of more than eight arrays CuPy uploads the addresses."""

    def forward(self, images, **data):
        return super().forward(array_module(images).concatenate([images] * 9)[:2], **data)


@pytest.mark.parametrize(
    ("model", "what"),
    [(Deciding, "float waits"), (Uploading, "asarray uploads"), (Joining, "concatenate uploads")],
)
def test_what_a_graph_would_refuse_is_refused(model, what):
    with pytest.raises(RuntimeError, match=f"{what} .*inside a step that is being recorded"):
        both(model)


# ---------------------------------------------------------------- the recording


@pytest.mark.parametrize(
    "work",
    [
        lambda x: x + 1,
        lambda x: -x.T,
        lambda x: x[x.argsort(axis=1)[0]],
        lambda x: x[1, 2] * 2,
        lambda x: x.T.reshape(-1)[2:] * 2,
        lambda x: xp.ravel(x.T) + 1,
        lambda x: x.astype(np.float32, copy=False) * 2,
        lambda x: x.astype(np.float64),
        lambda x: x.copy(),
        lambda x: xp.concatenate([x, x]),
        lambda x: xp.where(x > 0, x, 0.0),
        lambda x: xp.take_along_axis(x, x.argsort(axis=1), axis=1),
        lambda x: xp.maximum(x, 0, out=xp.empty(x.shape, x.dtype)),
        lambda x: x @ x.T,
        lambda x: xp.stack([x.sum(), x.max()]),
        lambda x: xp.ascontiguousarray(x.T),
        lambda x: xp.array(x),
        lambda x: added(xp.zeros(x.shape, x.dtype), x),
        lambda x: written(xp.full(x.shape, 7.0), x),
        lambda x: xp.split(x * 2, 2)[1],
    ],
)
def test_replaying_is_doing_it_again(work):
    first, second = np.random.default_rng(0).standard_normal((2, 4, 4)).astype(np.float32)
    x = xp.asarray(first)
    with strict_device.recording() as plan:
        y = work(x)
    once, memory = y.get(), y._memory
    x.set(second)
    plan.replay()
    plan.replay()
    assert y._memory is memory and np.array_equal(y.get(), work(xp.asarray(second)).get())
    assert not np.array_equal(y.get(), once)


def added(y, x):
    y += x
    return y


def written(y, x):
    y[1:, xp.arange(2)] = x[1:, 2:]
    return y
