"""A whole training step with the CUDA kernels, run on the host, beside the same step without them; and the harness."""

import numpy as np
import pytest
import registry
import strict_device
from strict_device import xp
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.kernels.cuda import launch
from tinymaskrcnn.structures import TargetBatch
from tinymaskrcnn.train.optimizer import SGD


def step(**config):
    """{name: array} of the losses, of every gradient, and of every parameter after the step."""
    model = tiny_model(**config).convert(xp.asarray)
    images, targets = tiny_scene()
    targets = TargetBatch(*(xp.asarray(a) for a in (targets.boxes, targets.labels, targets.masks, targets.valid)))
    descent = SGD(dict(model.named_parameters()), momentum=0.9, weight_decay=0.01)
    losses, cache = model.forward(xp.asarray(images), targets=targets, rng=np.random.default_rng(0))
    model.backward({name: 0 * loss + 1 for name, loss in losses.items()}, cache)
    gradients = {name: p.grad.get() for name, p in model.named_parameters()}
    descent.step(0.01)
    values = {name: p.value.get() for name, p in model.named_parameters()}
    return {name: loss.get() for name, loss in losses.items()}, gradients, values


def largest_difference(got, wanted):
    """Of all arrays taken as one, relative to the largest number."""
    assert got.keys() == wanted.keys()
    return max(abs(got[k] - wanted[k]).max() for k in wanted) / max(abs(w).max() for w in wanted.values())


@pytest.mark.parametrize(("norm", "share"), [("frozen", 0), ("batch", 1e-5)])
def test_a_step_is_that_of_the_text(norm, share):
    """With frozen norms every kernel on the way to the losses is exact, and so are the losses."""
    wanted = step(norm=norm)
    with strict_device.kernels(seed=3) as launched:
        got = step(norm=norm)
    assert largest_difference(got[0], wanted[0]) <= share
    assert largest_difference(got[1], wanted[1]) < 1e-5 and largest_difference(got[2], wanted[2]) < 1e-6
    norms = set(launch.read("norm").kernels) - {"relu_dx"}
    frozen = {"frozen_batch_norm"}
    usual = set(launch.SOURCES) - {"taps", "roi_pool"}  # those of other pools
    everything = {kernel for source in usual for kernel in launch.read(source).kernels} - {"paste_bits"}  # detection's
    assert set(launched) == everything - (norms - frozen if norm == "frozen" else frozen)


def test_a_step_twice_is_the_same_step():
    results = []
    for seed in (0, 1):
        with strict_device.kernels(seed=seed):
            results.append(step(norm="batch"))
    for one, other in zip(*results):
        assert all(np.array_equal(one[name], other[name]) for name in one)


OPERATORS = (
    "conv2d",
    "conv_transpose2d",
    "batch_norm2d",
    "frozen_batch_norm2d",
    "relu",
    "roi_align",
    "pyramid_roi_align",
    "roi_pool",
    "pyramid_roi_pool",
    "roi_warp",
    "pyramid_roi_warp",
    "prroi_pool",
    "pyramid_prroi_pool",
    "upsample_nearest2d",
)


@pytest.mark.in_turn
@pytest.mark.parametrize("case", [case for case in registry.PAIRS if case.what in OPERATORS], ids=str)
def test_the_harness_with_kernels(case):
    """Ownership, zero rows, linearity and the rest; what it does in float32 goes through the kernels."""
    with strict_device.kernels() as launched:
        case.check((strict_device.BACKEND,))
    left_to_the_text = ("1x1", "groups", "depthwise", "box", "one-sample")  # no columns, groups, boxes with a gradient
    assert launched or any(word in str(case) for word in left_to_the_text)
