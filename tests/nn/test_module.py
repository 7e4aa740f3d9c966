"""Names, gradients, modes and state dicts of modules, whatever they are made of."""

import contextlib

import numpy as np
import pytest

from tinymaskrcnn.errors import CheckpointError
from tinymaskrcnn.nn import Buffer, Module, Parameter
from tinymaskrcnn.nn.containers import Sequential
from tinymaskrcnn.nn.layers import BatchNorm2d, Linear
from tinymaskrcnn.nn.module import at_rest


class Net(Module):
    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.stem = Linear(2, 3, rng=rng)
        self.norm = BatchNorm2d(3)
        self.blocks = [Linear(3, 3, rng=rng), Sequential(first=Linear(3, 3, rng=rng), second=Linear(3, 3, rng=rng))]
        self.scale = Parameter(np.ones(1, np.float32), decay=False)
        self.options = {"kept": "out"}
        self.note = [1, 2]


def test_names_are_dotted_and_in_order_own_before_childrens():
    assert [name for name, _ in Net().named_parameters()] == [
        "scale",
        "stem.weight",
        "stem.bias",
        "norm.weight",
        "norm.bias",
        "blocks.0.weight",
        "blocks.0.bias",
        "blocks.1.first.weight",
        "blocks.1.first.bias",
        "blocks.1.second.weight",
        "blocks.1.second.bias",
    ]
    assert [name for name, _ in Net().named_buffers()] == ["norm.running_mean", "norm.running_var"]
    modules = [name for name, _ in Net().named_modules()]
    assert modules[0] == "" and "blocks.1.second" in modules


def test_a_tied_parameter_counts_once():
    net = Net()
    net.blocks[0].weight = net.blocks[1].layers[0].weight
    names = [name for name, _ in net.named_parameters()]
    assert "blocks.0.weight" in names and "blocks.1.first.weight" not in names
    assert len(net.parameters()) == 10


def test_zero_grad_is_the_only_reset():
    net = Net()
    for p in net.parameters():
        p.grad += 1
        kept = p.grad
        p.zero_grad()
        assert p.grad is kept and not kept.any()
    net.scale.grad += 1
    net.zero_grad()
    assert not net.scale.grad.any()


def test_modes_reach_every_module_and_keep_obeys():
    net = Net()
    assert net.training and net.keep("cache") == "cache"
    assert net.eval() is net and not any(module.training for _, module in net.named_modules())
    assert net.keep("cache") is None
    assert all(module.training for _, module in net.train().named_modules())


def test_members_are_parameters_buffers_and_modules_only():
    assert [name for name, _ in Net().members()] == ["stem", "norm", "blocks.0", "blocks.1", "scale"]


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


def test_the_base_class_says_who_forgot():
    class Empty(Module):
        pass

    with pytest.raises(NotImplementedError, match="Empty.forward"):
        Empty().forward(None)
    with pytest.raises(NotImplementedError, match="Empty.backward"):
        Empty().backward(None, None)


def test_parameters_and_buffers_describe_themselves():
    assert repr(Parameter(np.zeros((2, 3), np.float32))) == "Parameter(2, 3) float32"
    assert repr(Buffer(np.zeros(4))) == "Buffer(4,) float64"
