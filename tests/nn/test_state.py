"""All arrays of a module at once: freezing, converting, saving and loading, resting."""

import contextlib

import numpy as np
import pytest
from small_net import Net

from tinymaskrcnn.errors import CheckpointError
from tinymaskrcnn.nn.state import at_rest


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
