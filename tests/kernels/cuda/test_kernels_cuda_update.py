"""kernels/cuda/update.py: a step of SGD in one launch, bit for bit that of the text."""

import numpy as np
import pytest
import strict_device
from strict_device import xp

from tinymaskrcnn.devices import DEVICE
from tinymaskrcnn.train import optimizer

NUMBERS = dict(rate=0.01, momentum=0.9, decay=1e-2)  # the rate as an array of one number


def arrays(n, dtype=np.float32):
    rng = np.random.default_rng(0)
    return [xp.asarray(rng.standard_normal(n).astype(dtype)) for _ in range(3)]


def step(n, dtype=np.float32, **numbers):
    """The three arrays after a step. Without kernels the text takes the rate as it is, and rounds it as NumPy does."""
    value, grad, velocity = arrays(n, dtype)
    numbers = NUMBERS | numbers
    if DEVICE(xp):
        numbers["rate"] = xp.asarray(np.asarray(numbers["rate"], dtype))
    optimizer.sgd_update(value, grad, velocity, **numbers)
    return value.get(), grad.get(), velocity.get()


@pytest.mark.parametrize("n", [1, 256, 1000])
@pytest.mark.parametrize("decay", [0, 0.0, 1e-2])
@pytest.mark.parametrize("rate", [0.01, 1])
def test_sgd(n, decay, rate):
    wanted = step(n, decay=decay, rate=rate)
    with strict_device.kernels() as launched, strict_device.counting() as cost:
        got = step(n, decay=decay, rate=rate)
    assert launched == ["sgd_update"] and cost.operations == 1 + 4  # and four arrays to the device
    assert all(np.array_equal(a, b) for a, b in zip(got, wanted))


def test_what_is_left_to_the_text():
    with strict_device.kernels() as launched:
        step(0)
        step(3, np.float64)
        rate = xp.asarray(np.float32(0.1))
        optimizer.sgd_update(*(a[::2] for a in arrays(6)), **NUMBERS | dict(rate=rate))
        optimizer.sgd_update(*arrays(6), **NUMBERS)  # a number of the host
        optimizer.sgd_update(*arrays(6), **NUMBERS | dict(rate=rate.astype(np.float64)))
        optimizer.sgd_update(*arrays(6), **NUMBERS | dict(rate=rate.reshape(1)))
    assert launched == []


def test_a_group_of_parameters_is_one_launch():
    from tinymaskrcnn.nn.layers import Linear

    layer = Linear(3, 4, rng=np.random.default_rng(0)).convert(xp.asarray)
    descent = optimizer.SGD(layer.named_parameters(), weight_decay=0.1)
    with strict_device.kernels() as launched:
        descent.step(0.1)
        numbers = descent._numbers
        descent.step(0.2)
    assert launched == ["sgd_update"] * 4  # weights decay, biases do not
    assert descent._numbers is numbers and numbers.get() == np.float32([0.2])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("velocity[i] * momentum", "velocity[i]"),
        ("decay * value[i]", "decay * grad[i]"),
        ("if (decay != 0.0f)", "if (false)"),
        ("value[i] -= rate[0] * v", "value[i] -= v"),
        ("velocity[i] = v;", ""),
    ],
)
def test_planted_faults_are_seen(old, new):
    wanted = step(300)
    with strict_device.kernels(faults={"update": ((old, new),)}):
        got = step(300)
    assert not all(np.array_equal(a, b) for a, b in zip(got, wanted))
