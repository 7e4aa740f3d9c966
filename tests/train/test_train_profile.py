"""The figures of the stages add up to the step, and a network that is watched computes the same bits."""

import dataclasses
import inspect
import tracemalloc
import types

import numpy as np
import pytest
from pretended_cupy import pretended
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.config import TrainConfig
from tinymaskrcnn.structures import ImageBatch
from tinymaskrcnn.testing.trees import arrays_inside
from tinymaskrcnn.train import profile
from tinymaskrcnn.train.trainer import Trainer


class Scenes:
    """Batch i is two rectangles, and one, somewhere."""

    batch_size = 2

    def scene(self, i):
        images, _ = tiny_scene(seed=i // 2)
        return images[i % 2], None

    def batch(self, i):
        images, targets = tiny_scene(seed=i)
        return ImageBatch(images, np.full((len(images), 2), images.shape[1]), targets)


def trainer_of(**config):
    return Trainer(tiny_model().train(), Scenes(), TrainConfig(**config))


class RestlessClock:
    """Some time passes between any two looks at it."""

    def __init__(self):
        self.now, self.rng = 0.0, np.random.default_rng(0)

    def __call__(self):
        self.now += self.rng.exponential(0.01)
        return self.now


@pytest.fixture(scope="module")
def profiles():
    trainer = trainer_of()
    return (
        profile.profile_training(trainer, steps=5, clock=RestlessClock()),
        profile.profile_inference(trainer.model, Scenes(), steps=4, clock=RestlessClock()),
    )


def test_the_stages_add_up_to_the_step(profiles):
    for found in profiles:
        assert sum(stage.seconds for stage in found.stages) == pytest.approx(
            found.seconds, rel=0.05
        )  # the edges of the step
        assert found.seconds > 0.01 * len(found.stages) and found.data > 0


def test_stages_stand_in_the_order_of_the_work(profiles):
    training, inference = [[stage.stage for stage in found.stages] for found in profiles]
    assert training[:3] == ["normalize", "stem", "stage 1"]
    assert training[-3:] == ["losses", "in between", "optimizer"]
    assert training.index("FPN") < training.index("proposals, NMS") < training.index("box head")
    assert inference[-1] == "in between" and "optimizer" not in inference


def test_what_has_no_backward_has_none(profiles):
    training, inference = [{stage.stage: stage for stage in found.stages} for found in profiles]
    assert training["proposals, NMS"].backward is None and training["stem"].backward > 0
    assert training["optimizer"].forward is None and training["optimizer"].update > 0
    assert all(stage.backward is None and stage.kept == 0 for stage in inference.values())


def test_profiling_computes_the_same_bits():
    watched, plain = trainer_of(accumulate=2), trainer_of(accumulate=2)
    profile.profile_training(watched, steps=2)
    for step in [*range(profile.WARM_UP + 2), profile.WARM_UP + 1]:  # the last batches once more, for the memory
        plain.train_step([plain.stream.batch(2 * step + k) for k in range(2)])
    assert watched.step == plain.step
    for name, array in plain.model.state_dict().items():
        np.testing.assert_array_equal(watched.model.state_dict()[name], array, err_msg=name)
    assert not [name for name, module in watched.model.named_modules() if "forward" in vars(module)]


@pytest.mark.parametrize("training", [False, True])
def test_a_training_is_profiled_as_training_and_a_detector_as_such(training):
    trainer = trainer_of()
    trainer.model.train(training)
    seen, forward = [], trainer.model.forward
    trainer.model.forward = lambda *args, **data: seen.append(trainer.model.training) or forward(*args, **data)
    profile.profile_training(trainer, steps=1)
    assert all(seen) and len(seen) == profile.WARM_UP + 2
    trainer.model.train(training)
    profile.profile_inference(trainer.model, Scenes(), steps=1)
    assert not trainer.model.training


def test_a_step_of_several_batches_counts_them_all():
    found = profile.profile_training(trainer_of(accumulate=3), steps=1)
    assert found.batch == sum(len(Scenes().batch(i).images) for i in range(3))


def owner(array):
    return owner(array.base) if isinstance(array.base, np.ndarray) else array


def test_inference_works_on_the_pictures_as_detectors_do(monkeypatch):
    """Resized as the model asks for, and found in pixels of the original."""
    model, asked = tiny_model(), []
    model.config = dataclasses.replace(model.config, resize_shorter=32, resize_longer=32)
    detect = model.detect
    monkeypatch.setattr(model, "detect", lambda images, **data: asked.append((images, data)) or detect(images, **data))
    found = profile.profile_inference(model, Scenes(), steps=1)
    assert found.size == (32, 32) and found.batch == 2 and len(asked) == profile.WARM_UP + 2
    images, data = asked[0]
    assert images.shape == (2, 32, 32, 1) and data["original_sizes"].tolist() == [[64, 64]] * 2
    assert not np.array_equal(asked[0][0], asked[1][0])


def test_memory_that_waits_for_backward_is_counted_once():
    trainer = trainer_of()
    found = profile.profile_training(trainer, steps=1)
    batch = trainer.stream.batch(profile.WARM_UP)
    _, cache = trainer.model.forward(batch.images, targets=batch.targets, rng=np.random.default_rng(0))
    weights = {id(owner(p.value)) for p in trainer.model.parameters()}
    owners = {id(owner(array)): owner(array) for _, array in arrays_inside(cache)}
    total = sum(array.nbytes for key, array in owners.items() if key not in weights)
    kept = {stage.stage: stage.kept for stage in found.stages}
    assert sum(kept.values()) == pytest.approx(total, rel=0.02)  # the samples differ
    assert kept["mask head"] > 0 and kept["stage 1"] > kept["stage 4"]
    assert found.peak >= sum(kept.values()) and found.peak == max(stage.peak for stage in found.stages)


def test_the_model_holds_weights_gradients_and_momentum():
    trainer = trainer_of()
    found = profile.profile_training(trainer, steps=1)
    assert found.model >= 3 * sum(p.value.nbytes for p in trainer.model.parameters())


@pytest.mark.parametrize("others", [False, True])
def test_the_meter_tells_what_was_in_use_since_it_was_asked(others):
    """In bytes beyond those before, whoever else measures; what was long ago does not count."""
    assert not tracemalloc.is_tracing()
    if others:
        tracemalloc.start()
        before = bytearray(3_000_000)
        del before
    try:
        with profile._meter(np) as most:
            assert most() < 100_000
            first = bytearray(1_000_000)
            second = bytearray(500_000)
            del second
            assert 1_500_000 <= most() < 1_600_000
            assert 1_000_000 <= most() < 1_100_000
            del first
            most()
            assert 0 <= most() < 100_000
        assert tracemalloc.is_tracing() == others
    finally:
        tracemalloc.stop()


def test_less_than_before_is_nothing():
    tracemalloc.start()
    try:
        before = bytearray(1_000_000)
        with profile._meter(np) as most:
            del before
            most()
            assert most() == 0
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "values, middle",
    [([5], [5]), ([1, 9], [1, 9]), ([3, 1, 9], [3]), ([4, 1, 3, 9], [3, 4]), ([9, 1, 8, 2, 7, 3, 6, 4], [3, 4, 6, 7])],
)
def test_the_middle_half_is_what_an_interruption_cannot_move(values, middle):
    assert [values[i] for i in profile._middle_half(values)] == middle


def test_a_device_has_finished_when_the_clock_is_read():
    said = []
    stream = types.SimpleNamespace(synchronize=lambda: said.append("done"))
    device = types.SimpleNamespace(cuda=types.SimpleNamespace(get_current_stream=lambda: stream))
    clock = profile._synchronising(lambda: said.append("read") or 1.5, device)
    assert clock() == 1.5 and said == ["done", "read"]
    host = object()
    assert profile._synchronising(host, np) is host


def test_a_step_on_a_device(monkeypatch):
    """The strict device array refuses whatever CuPy would; its clock and its pool are pretended."""
    waits, used = [], iter(range(1000, 10**6, 1000))
    pool = types.SimpleNamespace(used_bytes=lambda: next(used))
    stream = types.SimpleNamespace(synchronize=lambda: waits.append("wait"))
    cuda = types.SimpleNamespace(get_current_stream=lambda: stream)
    module = types.SimpleNamespace(cuda=cuda, get_default_memory_pool=lambda: pool)
    monkeypatch.setattr(profile, "array_module", lambda x: module if type(x).__name__ == "StrictArray" else np)
    with pretended():
        trainer = Trainer(tiny_model().to_device("cuda").train(), Scenes(), TrainConfig(), device="cuda")
        found = profile.profile_training(trainer, steps=1)
    assert found.device == "cuda" and {"mask head", "optimizer"} < {stage.stage for stage in found.stages}
    assert len(waits) > 2 * len(found.stages) * (profile.WARM_UP + 1)  # on the way into every stage, and out
    assert sum(stage.kept for stage in found.stages) > 100_000
    assert found.peak > 1000 * len(found.stages)


def test_numbers_for_a_file_are_plain(profiles):
    import json

    numbers = json.loads(json.dumps(profiles[0].as_dict()))
    assert sum(stage["share"] for stage in numbers["stages"]) == pytest.approx(1, abs=0.05)
    assert numbers["work"] == "training step" and numbers["size"] == [64, 64] and numbers["batch"] == 2


def test_ten_steps_are_measured_where_nobody_asks_for_more():
    for function in (profile.profile_training, profile.profile_inference):
        assert inspect.signature(function).parameters["steps"].default == 10
