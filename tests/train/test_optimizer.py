"""Optimizers against numbers from torch.optim (2.13, float64), and the rules on decay, frozen weights and identity."""

import numpy as np
import pytest

from tinymaskrcnn.config import TrainConfig
from tinymaskrcnn.errors import ArgumentError, CheckpointError
from tinymaskrcnn.nn.parameter import Parameter
from tinymaskrcnn.train.optimizer import SGD, AdamW, build_optimizer, clip_by_global_norm, global_norm

START = [0.5, -1.25, 2.0]
GRADIENTS = [[0.1, -0.2, 0.3], [0.4, 0.0, -0.6], [-0.05, 0.25, 0.125], [1.0, -1.0, 0.5]]
TORCH = {
    "sgd": [
        [0.4895, -1.22875, 1.968],
        [0.43956049999999997, -1.20839625, 1.997232],
        [0.3991753895, -1.21386947875, 2.009043568],
        [0.26242961466049997, -1.11758151514625, 1.967664935632],
    ],
    "adamw": [
        [0.397500009999999, -1.1437500049999998, 1.8900000033333333],
        [0.30707486392511707, -1.0710254343005585, 1.9171603552485528],
        [0.24536907046368445, -1.0832359614195892, 1.9236860684924795],
        [0.17157751512519365, -1.0268533767867558, 1.8903372269432135],
    ],
}
MAKE = {
    "sgd": lambda named: SGD(named, momentum=0.9, weight_decay=0.01),
    "adamw": lambda named: AdamW(named, weight_decay=0.05),
}


def parameter(values, dtype=np.float64, **options):
    return Parameter(np.array(values, dtype), **options)


@pytest.mark.parametrize("name", MAKE)
def test_equals_torch(name):
    p = parameter(START)
    optimizer = MAKE[name]([("w", p)])
    for gradient, wanted in zip(GRADIENTS, TORCH[name]):
        p.grad[...] = gradient
        optimizer.step(0.1)
        np.testing.assert_allclose(p.value, wanted, rtol=1e-13, atol=0)


@pytest.mark.parametrize("name", MAKE)
def test_arrays_keep_their_identity_and_dtype_and_gradients_are_not_touched(name):
    p = parameter(START, np.float32)
    value, optimizer = p.value, MAKE[name]([("w", p)])
    p.grad[...] = GRADIENTS[0]
    before = p.grad.copy()
    optimizer.step(0.1)
    assert p.value is value and value.dtype == np.float32
    assert all(array.dtype == np.float32 for array in optimizer.memory.values())
    np.testing.assert_array_equal(p.grad, before)


@pytest.mark.parametrize("name", MAKE)
def test_decay_only_where_a_parameter_asks_and_frozen_parameters_stay(name):
    weight, bias = parameter([1.0]), parameter([1.0], decay=False)
    frozen = parameter([1.0], trainable=False)
    frozen.grad[...] = 5.0
    MAKE[name]([("weight", weight), ("bias", bias), ("frozen", frozen)]).step(0.1)
    assert weight.value[0] < 1.0
    assert bias.value[0] == 1.0
    assert frozen.value[0] == 1.0


@pytest.mark.parametrize("name", MAKE)
def test_state_continues_exactly(name):
    def run(steps, optimizer, p):
        for gradient in steps:
            p.grad[...] = gradient
            optimizer.step(0.1)

    straight, broken = parameter(START), parameter(START)
    optimizer = MAKE[name]([("w", straight)])
    run(GRADIENTS, optimizer, straight)
    first = MAKE[name]([("w", broken)])
    run(GRADIENTS[:2], first, broken)
    second = MAKE[name]([("w", broken)]).load_state_dict(first.state_dict())
    run(GRADIENTS[2:], second, broken)
    np.testing.assert_array_equal(broken.value, straight.value)
    for key, array in optimizer.state_dict().items():
        np.testing.assert_array_equal(second.state_dict()[key], array)


def test_state_is_a_copy():
    p = parameter(START)
    optimizer = SGD([("w", p)])
    p.grad[...] = 1
    optimizer.step(0.1)
    state = optimizer.state_dict()
    optimizer.step(0.1)
    assert not np.array_equal(state["velocity.w"], optimizer.state_dict()["velocity.w"])


@pytest.mark.parametrize(
    "state", [{"velocity.other": np.zeros(3)}, {"velocity.w": np.zeros(4)}, {"square.w": np.zeros(3)}]
)
def test_foreign_state_is_refused(state):
    optimizer = SGD([("w", parameter(START))])
    with pytest.raises(CheckpointError, match="fits no parameter"):
        optimizer.load_state_dict(state)


def test_clipping_equals_torch():
    a, b = parameter([0.0, 0.0, 0.0]), parameter([0.0])
    a.grad[...], b.grad[...] = [3.0, 4.0, 0.0], 12.0
    norm = clip_by_global_norm([a, b], 2.0)
    assert norm.shape == () and norm == 13.0
    np.testing.assert_allclose(a.grad, [0.46153842603550577, 0.615384568047341, 0.0], rtol=1e-13)
    np.testing.assert_allclose(b.grad, [1.846153704142023], rtol=1e-13)


def test_clipping_leaves_short_gradients_and_frozen_ones():
    a, frozen = parameter([0.0, 0.0], np.float32), parameter([0.0], np.float32, trainable=False)
    a.grad[...], frozen.grad[...] = [3.0, 4.0], 100.0
    assert clip_by_global_norm([a, frozen], 6.0) == 5.0
    np.testing.assert_array_equal(a.grad, np.array([3, 4], np.float32))
    assert clip_by_global_norm([a, frozen], 0) == 5.0  # 0: only measured
    np.testing.assert_array_equal(a.grad, np.array([3, 4], np.float32))
    clip_by_global_norm([a, frozen], 1.0)
    assert frozen.grad[0] == 100.0 and a.grad.dtype == np.float32


def test_norm_of_nothing_is_zero():
    assert float(global_norm([])) == 0.0
    assert float(clip_by_global_norm([parameter([1.0], trainable=False)], 1.0)) == 0.0


def test_bad_settings_are_named():
    with pytest.raises(ArgumentError, match="max_norm"):
        clip_by_global_norm([], -1.0)
    with pytest.raises(ArgumentError, match="'sgd' or 'adamw'; got 'lion'"):
        build_optimizer([], TrainConfig(optimizer="lion"))
    assert isinstance(build_optimizer([], TrainConfig(optimizer="adamw", weight_decay=0.2)), AdamW)
    assert build_optimizer([], TrainConfig(momentum=0.5)).momentum == 0.5
