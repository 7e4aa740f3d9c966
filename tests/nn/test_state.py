"""All arrays of a module at once: freezing, converting, saving and loading, resting."""

import contextlib

import numpy as np
import pytest
from small_net import Net

from tinymaskrcnn.errors import CheckpointError
from tinymaskrcnn.nn.layers import BatchNorm2d, Conv2d
from tinymaskrcnn.nn.module import Sequential
from tinymaskrcnn.nn.state import at_rest, left_as_it_was


@pytest.mark.parametrize("error", [None, KeyError])
def test_at_rest_and_afterwards_as_they_were(error):
    """Those that rested before go on resting, whatever happens inside."""
    net, other = Net(), Net(1)
    net.norm.training = False
    with contextlib.suppress(KeyError), at_rest(net, other):
        assert not any(module.training for one in (net, other) for _, module in one.named_modules())
        if error:
            raise error
    assert [name for name, module in net.named_modules() if not module.training] == ["norm"]
    assert all(module.training for _, module in other.named_modules())


def test_freeze():
    assert not any(p.trainable for p in Net().freeze().parameters())
    assert all(p.trainable for p in Net().parameters())


def test_conversion_keeps_objects_and_marks():
    net = Net()
    net.scale.trainable = False
    scale = net.scale
    scale.grad += 3
    assert net.astype(np.float64) is net and net.scale is scale
    assert all(p.value.dtype == p.grad.dtype == np.float64 for p in net.parameters())
    assert all(b.value.dtype == np.float64 for _, b in net.named_buffers())
    assert not scale.trainable and not scale.decay and not scale.grad.any()
    assert net.stem.weight.decay


def test_conversion_to_a_device_and_back(device):
    net = Net()
    before = net.state_dict()
    net.convert(device.asarray)
    assert isinstance(net.stem.weight.grad, device.ndarray)
    after = net.state_dict()
    assert all(type(after[name]) is np.ndarray and np.array_equal(after[name], before[name]) for name in before)
    net.load_state_dict({name: value + 1 for name, value in before.items()})
    assert isinstance(net.scale.value, device.ndarray) and float(net.scale.value[0]) == 2
    net.to_device("cpu")
    assert type(net.scale.value) is np.ndarray


def test_state_dict_is_a_copy():
    net = Net()
    state = net.state_dict()
    state["scale"][...] = 9
    assert net.scale.value[0] == 1
    assert "norm.running_var" in state


def test_load_state_dict_copies_into_the_same_arrays():
    net, other = Net(0), Net(1)
    array = net.stem.weight.value
    assert net.load_state_dict(other.state_dict()) is net
    assert net.stem.weight.value is array and np.array_equal(array, other.stem.weight.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("scale"), r"does not fit Net: missing \['scale'\]; unexpected nothing"),
        (lambda s: s.update(other=s["scale"]), r"missing nothing; unexpected \['other'\]"),
        (lambda s: s.update(scale=np.ones(2)), r"scale must have shape \(1,\); got \(2,\)"),
        (
            lambda s: s.update({"stem.weight": s["stem.weight"].T}),
            r"stem.weight must have shape \(2, 3\); got \(3, 2\)",
        ),
    ],
)
def test_a_state_dict_that_does_not_fit_changes_nothing(change, message):
    net = Net()
    before = net.state_dict()
    state = {name: value + 1 for name, value in before.items()}
    change(state)
    with pytest.raises(CheckpointError, match=message):
        net.load_state_dict(state)
    assert all(np.array_equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_model_is_left_as_it_was_whatever_happens_inside():
    rng = np.random.default_rng(0)
    model = Sequential(norm=BatchNorm2d(3), conv=Conv2d(3, 2, 1, rng=rng)).eval()
    for p in model.parameters():
        p.grad[...] = 1.0
    state, arrays = model.state_dict(), [p.grad for p in model.parameters()]
    with pytest.raises(RuntimeError), left_as_it_was(model):
        y, cache = model.forward(rng.random((2, 4, 4, 3)).astype(np.float32))
        assert model.training and cache is not None
        model.backward(np.ones_like(y), cache)
        assert (model.state_dict()["norm.running_mean"] != state["norm.running_mean"]).any()
        raise RuntimeError
    assert all((value == state[name]).all() for name, value in model.state_dict().items())
    assert all(p.grad is grad and (grad == 1).all() for p, grad in zip(model.parameters(), arrays))
    assert not any(module.training for _, module in model.named_modules())
