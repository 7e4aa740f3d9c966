"""The harness: every public pair and Module has its example; what a training step costs a device."""

from dataclasses import fields
from pathlib import Path

import cases
import numpy as np
import pytest
import registry
import strict_device
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.config import TrainConfig
from tinymaskrcnn.structures import TargetBatch
from tinymaskrcnn.train.optimizer import build_optimizer


def test_every_case_runs_in_the_tests_of_its_room():
    """ROOMS are those whose tests call `harness_cases`."""
    assert {case.home for case in registry.CASES} == set(registry.ROOMS)
    for room in registry.ROOMS:
        own = Path(__file__).parent / room / f"test_{Path(room).name}_harness.py"
        assert f'harness_cases("{room}")' in own.read_text()


def test_every_public_pair_is_registered():
    registered = {case.what for case in registry.CASES if case.kind == "pair"}
    assert not set(cases.public_pairs()) - registered, "add a line to tests/registry.py"


def test_every_public_module_is_registered():
    registered = {type(case.build()).__name__ for case in registry.CASES if case.kind == "layer"}
    assert not cases.public_modules() - registered, "add a line to tests/registry.py"


# ---------------------------------------------------------------- what a training step costs a device


def training_step(model, images, targets, device):
    """Forward, backward, clipping and the optimizer's step on the device; returns what they cost.

    Reading the losses for the log, once after the step, is not part of it.
    """
    model = model.convert(device.asarray)
    optimizer = build_optimizer(model.named_parameters(), TrainConfig())
    moved = {f.name: getattr(targets, f.name) for f in fields(targets)}
    targets = TargetBatch(**{name: a if a is None else device.asarray(a) for name, a in moved.items()})
    images = device.asarray(images)
    with strict_device.counting() as cost:
        optimizer.zero_grad()
        losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
        model.backward(dict.fromkeys(losses, 1.0), cache)
        optimizer.clip(10.0)
        optimizer.step(0.01)
    return cost


@pytest.mark.parametrize("heads", [("box", "mask"), ("box", "keypoint")])
@pytest.mark.parametrize("box_gradient", ["none", "features", "features+targets"])
def test_a_training_step_never_makes_the_host_wait_for_a_device(device, heads, box_gradient):
    images, targets = tiny_scene(keypoints=3)
    model = tiny_model(norm="group", heads=heads, box_gradient=box_gradient)
    with strict_device.kernels(dry=True):
        cost = training_step(model, images, targets, device)
    assert cost.synchronisations == 0


@pytest.mark.parametrize("box_gradient", ["none", "features+targets"])
@pytest.mark.parametrize("pooling", ["pool", "warp", "prroi"])
def test_nor_does_one_with_another_pool(device, pooling, box_gradient):
    """How many pixels the largest bin has is known from the shapes of the maps, not from the RoIs."""
    images, targets = tiny_scene()
    model = tiny_model(norm="group", pooling=pooling, box_gradient=box_gradient)
    with strict_device.kernels(dry=True):
        assert training_step(model, images, targets, device).synchronisations == 0


@pytest.mark.parametrize("pooling", ["align", "pool"])
def test_without_kernels_only_sparse_matrices_wait(device, pooling):
    """Nothing in the text looks at a number to decide what comes next; CuPy looks at the matrices that it is given."""
    images, targets = tiny_scene()
    cost = training_step(tiny_model(norm="group", pooling=pooling), images, targets, device)
    assert cost.synchronisations == cost.sparse_waits > 0


def test_batch_norms_in_the_heads_wait_for_the_number_of_rows(device):
    """Their statistics are those of the sampled RoIs alone: how many, and which of them are positive."""
    images, targets = tiny_scene()
    cost = training_step(tiny_model(version="v2"), images, targets, device)
    assert cost.synchronisations - cost.sparse_waits == 2


@pytest.mark.parametrize("heads", [("box", "mask"), ("box", "keypoint")])
def test_inference_waits_for_a_device_once_and_finds_the_same(device, heads):
    """What was found comes to the host together; enlarging masks and keypoints to their boxes is done there."""
    model = tiny_model(norm="group", heads=heads).eval()
    images, _ = tiny_scene()
    sizes = dict(sizes=np.array([[64, 50], [60, 64]]), original_sizes=np.array([[100, 90], [60, 64]]))
    wanted = model.detect(images, **sizes)
    model = model.convert(device.asarray)
    with strict_device.counting() as cost:
        found = model.detect(device.asarray(images), **sizes)
    assert cost.synchronisations == 1 + cost.sparse_waits
    assert sum(len(detections) for detections in wanted) > 0
    for a, b in zip(found, wanted, strict=True):
        assert a.labels.dtype == b.labels.dtype and np.array_equal(a.labels, b.labels)
        for name in ("boxes", "scores", "masks", "keypoints"):
            if getattr(b, name) is not None:
                assert getattr(a, name).dtype == getattr(b, name).dtype
                np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-4, atol=1e-4)
