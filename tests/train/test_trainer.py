"""The training loop on a small model: exact repetition, accumulation, and the end at the first non-finite number."""

import dataclasses
import types
import weakref

import numpy as np
import pytest

from tinymaskrcnn.config import Config, TrainConfig
from tinymaskrcnn.data.loader import SceneStream
from tinymaskrcnn.errors import ConfigError, NonFiniteError
from tinymaskrcnn.kernels import threads
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.nn.module import Cache, Sequential
from tinymaskrcnn.train.trainer import Trainer, computing

CONFIG = TrainConfig(steps=6, batch_size=3, warmup_steps=2, learning_rate=0.1, seed=4, checkpoint_every=2)
TIMINGS = ("seconds", "memory_mb")


def comparable(rows):
    return [{name: value for name, value in row.items() if name not in TIMINGS} for row in rows]


def assert_same_state(a, b):
    assert a["step"] == b["step"]
    for part in ("model", "optimizer"):
        assert a[part].keys() == b[part].keys()
        for name in a[part]:
            np.testing.assert_array_equal(a[part][name], b[part][name])


@pytest.fixture
def make(fakes):
    def make_trainer(**settings):
        return Trainer(fakes.fake_model(), fakes.FakeStream(), dataclasses.replace(CONFIG, **settings))

    return make_trainer


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_six_steps_equal_three_and_three_more_bit_for_bit(make, optimizer):
    straight = make(optimizer=optimizer)
    rows = list(straight.rows())

    first = make(optimizer=optimizer)
    stopped = []
    for row in first.rows():
        stopped.append(row)
        if first.step == 3:
            break
    second = make(optimizer=optimizer)
    second.load_state(**first.state_dict())
    resumed = list(second.rows())

    assert comparable(stopped + resumed) == comparable(rows)
    assert_same_state(second.state_dict(), straight.state_dict())


def test_a_row_says_everything(make):
    rows = list(make().rows())
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0]["loss"] == pytest.approx(rows[0]["box_delta"] + rows[0]["mask"])
    assert rows[0]["learning_rate"] == pytest.approx(0.05)
    assert rows[0]["gradient_norm"] > 0 and rows[0]["seconds"] >= 0 and rows[0]["memory_mb"] > 0
    assert all(type(value) in (int, float) for row in rows for value in row.values())


def test_a_row_tells_the_seconds_of_its_step(make, monkeypatch):
    """To a tenth of a millisecond; what is done between two steps is not counted."""
    now = [100.0]
    monkeypatch.setattr("tinymaskrcnn.train.trainer.time", types.SimpleNamespace(perf_counter=lambda: now[0]))
    trainer = make()
    step = trainer.train_step

    def slow(batches):
        row = step(batches)
        now[0] += 0.25 * trainer.step + 0.00001
        return row

    trainer.train_step = slow
    seconds = []
    for row in trainer.rows():
        seconds.append(row["seconds"])
        now[0] += 50
    assert seconds == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5]


def test_training_learns(make):
    rows = list(make(steps=60, schedule="constant", clip_norm=0).rows())
    assert rows[-1]["box_delta"] < 0.3 * rows[0]["box_delta"]


def test_another_seed_draws_other_numbers(make):
    assert next(make(seed=1).rows())["loss"] != next(make(seed=2).rows())["loss"]


def test_every_step_draws_numbers_of_its_own(make):
    trainer = make()
    drawn = [trainer.step_rng().random()]
    assert trainer.step_rng().random() == drawn[0]  # asked again, the same: a step can be repeated
    trainer.step = 1
    drawn.append(trainer.step_rng().random())
    assert drawn[0] != drawn[1]


def test_accumulated_gradients_are_the_mean_over_the_batches(make):
    trainer = make(accumulate=2, clip_norm=0)
    model = trainer.model
    batches = [trainer.stream.batch(0), trainer.stream.batch(1)]
    rng, wanted, losses = trainer.step_rng(), {}, []
    for batch in batches:
        model.zero_grad()
        out, cache = model.forward(batch.images, targets=batch.targets, sizes=batch.sizes, rng=rng)
        model.backward({name: 1.0 for name in out}, cache)
        losses.append(float(sum(out.values())))
        for name, p in model.named_parameters():
            wanted[name] = wanted.get(name, 0) + p.grad / 2
    row = trainer.train_step(batches)
    for name, p in model.named_parameters():
        np.testing.assert_allclose(p.grad, wanted[name], rtol=1e-5, atol=1e-7)
    assert row["loss"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_a_batch_is_forgotten_before_the_next_one(make):
    trainer = make(accumulate=3, steps=1)
    forward, caches, alive = trainer.model.forward, [], []

    def watching(*args, **data):
        alive.append(sum(reference() is not None for reference in caches))
        losses, cache = forward(*args, **data)
        caches.append(weakref.ref(cache[0]))
        return losses, cache

    trainer.model.forward = watching
    trainer.train_step([trainer.stream.batch(i) for i in range(3)])
    assert alive == [0, 0, 0]


def test_what_a_model_keeps_is_spent(make):
    """Memory is freed as backward passes: the cache that it was given is empty at the end."""
    trainer, given = make(), []
    model = Sequential(trainer.model.backbone, trainer.model.head)

    class Composite:
        def forward(self, images, *, targets, sizes, rng):
            y, cache = model.forward(images.reshape(len(images), -1))
            given.append(cache)
            return {"mask": y.mean()}, (cache, y.shape)

        def backward(self, dlosses, cache):
            model.backward(np.full(cache[1], dlosses["mask"], np.float32), cache[0])

    trainer.model = Composite()
    trainer.train_step([trainer.stream.batch(0)])
    assert type(given[0]) is Cache and len(given[0]) == 0


def test_accumulation_takes_each_batch_once(make):
    class Counting:
        def __init__(self, stream):
            self.stream, self.taken = stream, []

        def batch(self, i):
            self.taken.append(i)
            return self.stream.batch(i)

    trainer = make(accumulate=2, steps=3)
    trainer.stream = Counting(trainer.stream)
    assert len(list(trainer.rows())) == 3
    assert trainer.stream.taken == [0, 1, 2, 3, 4, 5]


def test_closing_early_stops_the_generation_of_batches(make):
    import threading

    rows = make(steps=1000).rows()
    next(rows)
    rows.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("prefetch") and t.is_alive()]


def test_the_first_bad_number_stops_before_any_weight_changes(make):
    trainer = make()
    rows = trainer.rows()
    next(rows)
    trainer.model.head.weight.value[0, 0] = np.inf
    before = trainer.model.backbone.weight.value.copy()
    with pytest.raises(NonFiniteError, match="step 2: parameter head.weight .* of layer 'head' holds 0 NaN and 1 inf"):
        next(rows)
    np.testing.assert_array_equal(trainer.model.backbone.weight.value, before)
    assert trainer.step == 1


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"steps": -1}, "train.steps must be a whole number in 0..1e9; got -1"),
        ({"batch_size": 0}, "train.batch_size must be a whole number in 1..1e6"),
        ({"accumulate": 0}, "train.accumulate"),
        ({"seed": -3}, "train.seed"),
        ({"learning_rate": float("nan")}, "train.learning_rate"),
        ({"learning_rate": -0.1}, "train.learning_rate"),
        ({"checkpoint_every": 0}, "train.checkpoint_every"),
        ({"clip_norm": -1.0}, "train.clip_norm"),
    ],
)
def test_impossible_settings(settings, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(CONFIG, **settings)


def test_unknown_schedule_and_optimizer_fail_before_training(make):
    with pytest.raises(ConfigError, match="schedule"):
        make(schedule="triangle")
    with pytest.raises(ConfigError, match="optimizer"):
        make(optimizer="lion")


def test_computing_wraps_any_work():
    with computing(threads=1):
        assert np.ones(3).sum() == 3


def test_threads_stay_as_they_were_set_where_nobody_asks():
    try:
        threads.set_threads(3)
        with computing():
            assert threads.get_threads() == 3
        with computing(2):
            assert threads.get_threads() == 2
    finally:
        threads.set_threads(None)


def test_the_default_model_has_the_same_bits_on_any_number_of_threads():
    """Whole steps through every kernel that a training calls, then a detection."""
    config = Config()
    stream = SceneStream(config.scenes, split="train", seed=0, batch_size=8)
    batches = [stream.batch(i) for i in range(2)]
    states, found = [], []
    for count in (1, 2, 4):
        model = build_model(config.model, rng=np.random.default_rng(0)).train()
        trainer = Trainer(model, None, config.train)
        with computing(count):
            for batch in batches:
                trainer.train_step([batch])
            found.append(model.eval().detect(batches[0].images)[0])
        states.append(trainer.state_dict())
    threads.set_threads(None)
    for state, detections in zip(states[1:], found[1:]):
        assert_same_state(state, states[0])
        for name in ("boxes", "scores", "labels", "masks"):
            np.testing.assert_array_equal(getattr(detections, name), getattr(found[0], name))
