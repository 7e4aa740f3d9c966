"""Names, gradients and modes of modules, whatever they are made of."""

import numpy as np
import pytest
from small_net import Net

from tinymaskrcnn.nn import Buffer, Module, Parameter


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
