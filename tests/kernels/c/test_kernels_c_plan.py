"""kernels/c/plan.py and play.h: a network at rest, played as one list of jobs, gives what its parts give one by one."""

import re
import threading

import numpy as np
import pytest
from kernels.conftest import close, identical, on_threads
from tiny_model import tiny_model

from tinymaskrcnn.config import ModelConfig
from tinymaskrcnn.kernels.c import library, plan
from tinymaskrcnn.models import at_rest
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.mask_rcnn import MaskRCNN
from tinymaskrcnn.nn.layers import Conv2d

MODELS = {
    "default": lambda: build_model(ModelConfig(), rng=np.random.default_rng(0)),
    "bottleneck": lambda: tiny_model(block="bottleneck", norm="frozen"),
    "v2": lambda: tiny_model(version="v2"),
}


def at_work(model):
    """A model whose norms have statistics far from their beginnings, at rest."""
    rng = np.random.default_rng(1)
    for name, buffer in model.named_buffers():
        low = 0.5 if name.endswith(("var", "weight")) else -0.5
        buffer.value[...] = rng.uniform(low, low + 1, buffer.value.shape)
    return model.eval()


def looked(model, x):
    pyramid, said = model.look(x)
    return (*pyramid, *said)


def planned(model, x):
    """What the plan of a model gives, which is made when pictures of a shape come again."""
    looked(model, x)
    result = looked(model, x)
    assert at_rest._plans[model][library.lane(), x.shape].plan is not None
    return result


def by_the_text(model, x):
    """The same by the readable text in float64."""
    arrays = {name: array.astype(np.float64) for name, array in model.state_dict().items()}
    model.astype(np.float64)
    try:
        pyramid, said = MaskRCNN.look.readable(model, x.astype(np.float64))
    finally:
        model.astype(np.float32)
    assert all(np.array_equal(arrays[name], array) for name, array in model.state_dict().items())
    return (*pyramid, *said)


@pytest.mark.parametrize("shape", [(1, 128, 128), (3, 64, 96), (2, 32, 32)])
@pytest.mark.parametrize("kind", MODELS)
def test_a_plan_gives_what_the_text_gives_on_any_threads(variant, normal, kind, shape):
    model = at_work(MODELS[kind]())
    x = normal(*shape, model.config.backbone.in_channels)
    results = on_threads(lambda: planned(model, x))
    identical(results)
    close(results[0], by_the_text(model, x))


def test_a_plan_reads_the_numbers_that_weights_have_by_now(variant, normal):
    model = at_work(MODELS["default"]())
    x = normal(1, 64, 64, 1)
    before = planned(model, x)
    for _, owner in model.named_state():
        owner.value *= np.float32(1.25)
    after = looked(model, x)
    assert all(not np.array_equal(a, b) for a, b in zip(before, after))
    close(after, by_the_text(model, x))


def test_what_a_plan_returned_is_its_callers(normal):
    model = at_work(MODELS["default"]())
    result = planned(model, normal(1, 64, 64, 1))
    kept = [array.copy() for array in result]
    looked(model, -normal(1, 64, 64, 1))
    identical([result, tuple(kept)])


def test_a_picture_with_gaps(normal):
    model = at_work(MODELS["default"]())
    wide = normal(1, 64, 128, 1)
    identical([planned(model, wide[:, :, ::2]), planned(model, np.ascontiguousarray(wide[:, :, ::2]))])


def test_what_is_no_number_is_reported(normal):
    model = at_work(MODELS["default"]())
    planned(model, normal(1, 64, 64, 1))
    with np.errstate(over="ignore"), pytest.warns(RuntimeWarning, match="invalid value"):
        looked(model, np.full((1, 64, 64, 1), 3e38, np.float32))


def test_three_threads_do_every_job_once_and_one_that_comes_late_does_none(monkeypatch):
    def on_three(jobs):
        threads = [threading.Thread(target=jobs[0]) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        jobs[0]()

    monkeypatch.setattr(plan, "run", on_three)
    steps = plan.Plan((1, 8, 8, 16))
    y = steps.output((1, 8, 8, 16))
    parts = [y.every_second(down, along) for down in (0, 1) for along in (0, 1)]
    for part in parts * 40:  # four jobs of a step, and what they read the step before has written
        steps.add(part, steps.x.every_second())
    steps.begin()
    x = np.ones(steps.x.shape, np.float32)
    for _ in range(5):
        [made] = steps(x)
        assert (made == 40).all() and len(steps.state) == 2 * 40


def test_vectors_and_panels_are_those_of_the_c_text():
    text = (library.Path(library.__file__).parent / "lane.c").read_text()
    lanes = {name: int(number) for name, number in re.findall(r"LANES_(\w+) = (\d+)", text)}
    [[wide, many, few]] = re.findall(r"#define PANEL \(LANES == (\d+) \? (\d+) : (\d+)\)", text)
    assert lanes == library.LANES
    assert {name: n * int(many if n == int(wide) else few) for name, n in lanes.items()} == library.PANELS


def test_one_weight_read_in_two_ways_is_two_weights(normal):
    """The RPN's convolution takes large levels in tiles and small ones directly."""
    layer = Conv2d(64, 64, 3, padding=1, rng=np.random.default_rng(0))
    steps = plan.Plan((1, 32, 32, 64))
    for x in steps.x, steps.map((1, 8, 8, 64)):
        steps.convolve(x, layer)
    assert [way for _, way in steps.weights] == [4, 1]
