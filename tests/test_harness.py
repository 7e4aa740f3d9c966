"""The harness over everything: every public pair and Module, on NumPy, on the strict device array, on CuPy if there."""

import cases
import numpy as np
import pytest
import registry
import strict_device
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.structures import TargetBatch
from tinymaskrcnn.testing import available_backends

BACKENDS = (strict_device.BACKEND, *available_backends())


@pytest.mark.parametrize("case", registry.CASES, ids=str)
def test_case(case):
    case.check(BACKENDS)


def test_every_public_pair_is_registered():
    registered = {case.what for case in registry.CASES if case.kind == "pair"}
    assert not set(cases.public_pairs()) - registered, "add a line to tests/registry.py"


def test_every_public_module_is_registered():
    registered = {type(case.build()).__name__ for case in registry.CASES if case.kind == "layer"}
    assert not cases.public_modules() - registered, "add a line to tests/registry.py"


def test_how_often_a_training_step_makes_the_host_wait_for_a_device(device):
    """Four levels times two poolings look for their RoIs, two poolings count their samples; backward never waits."""
    model = tiny_model(norm="group").convert(device.asarray)
    images, targets = tiny_scene()
    targets = TargetBatch(*(device.asarray(a) for a in (targets.boxes, targets.labels, targets.masks, targets.valid)))
    with strict_device.counting() as forward:
        losses, cache = model.forward(device.asarray(images), targets=targets, rng=np.random.default_rng(0))
    with strict_device.counting() as backward:
        model.backward({name: 0 * loss + 1 for name, loss in losses.items()}, cache)
    assert forward.synchronisations <= 10
    assert backward.synchronisations == 0
