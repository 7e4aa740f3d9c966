"""Every layer that can be exported says in onnxruntime what it says here."""

import numpy as np
import pytest
from onnx_run import run_nodes

from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.interop.onnx_layers import EMITTERS, emit
from tinymaskrcnn.models.backbones.resnet import basic_block, bottleneck
from tinymaskrcnn.models.blocks import Difference
from tinymaskrcnn.models.heads.box import box_body
from tinymaskrcnn.nn import layers, more_layers
from tinymaskrcnn.nn.module import Identity, Sequential


def rng():
    return np.random.default_rng(3)


CASES = {
    "conv": lambda: layers.Conv2d(6, 4, 3, stride=2, padding=1, rng=rng()),
    "conv, groups, dilation, no bias": lambda: layers.Conv2d(6, 4, 3, dilation=2, groups=2, bias=False, rng=rng()),
    "transposed conv": lambda: layers.ConvTranspose2d(6, 3, 2, stride=2, rng=rng()),
    "transposed conv with padding": lambda: layers.ConvTranspose2d(6, 3, 4, stride=2, padding=1, rng=rng()),
    "batch norm": lambda: layers.BatchNorm2d(6, eps=1e-3),
    "frozen batch norm": lambda: more_layers.FrozenBatchNorm2d(6, eps=0.0),
    "group norm": lambda: more_layers.GroupNorm(3, 6),
    "relu": layers.ReLU,
    "max pool": lambda: more_layers.MaxPool2d(3, stride=2, padding=1),
    "max pool, stride not given": lambda: more_layers.MaxPool2d(2),
    "identity": Identity,
    "flatten, linear": lambda: Sequential(layers.Flatten(), layers.Linear(6 * 9 * 9, 5, rng=rng())),
    "basic block": lambda: basic_block(6, 8, stride=2, norm="batch", rng=rng()),
    "basic block, identity shortcut": lambda: basic_block(6, 6, norm="group", rng=rng()),
    "bottleneck": lambda: bottleneck(6, 16, stride=2, norm="frozen", rng=rng()),
    "blocks of a head": lambda: Sequential(
        Sequential(layers.Conv2d(6, 16, 3, padding=1, bias=False, rng=rng()), layers.BatchNorm2d(16), layers.ReLU()),
        Sequential(layers.Conv2d(16, 16, 3, padding=1, rng=rng()), layers.ReLU()),
        layers.ConvTranspose2d(16, 16, 2, stride=2, rng=rng()),
    ),
    "body of the box head": lambda: box_body(6, 9, 7, rng=rng()),
    "objectness of two scores": Difference,
}


def drawn(make):
    """A layer in eval mode, all of whose numbers are drawn: no weight is 1 by chance, no mean 0."""
    layer = make().eval()
    numbers = np.random.default_rng(5)
    for _, member in [*layer.named_parameters(), *layer.named_buffers()]:
        member.value += numbers.uniform(0.1, 0.5, member.value.shape).astype(np.float32)
    return layer


def both(layer, x):
    """What the layer says, here and in onnxruntime, channels last."""
    here, _ = layer.forward(x)
    there = run_nodes(lambda g, x: emit(g, layer, x), x=np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    return here, there.transpose(0, 2, 3, 1) if there.ndim == 4 else there


@pytest.mark.parametrize("name", CASES)
def test_layer(name):
    x = np.random.default_rng(7).normal(0.5, 1, (2, 9, 9, 6)).astype(np.float32)
    here, there = both(drawn(CASES[name]), x)
    assert here.shape == there.shape and there.dtype == np.float32
    np.testing.assert_allclose(there, here, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("name", ["conv", "flatten, linear", "blocks of a head", "body of the box head"])
def test_layer_of_a_head_without_any_roi(name):
    here, there = both(drawn(CASES[name]), np.zeros((0, 9, 9, 6), np.float32))
    assert here.shape == there.shape


def test_every_known_layer_has_a_case():
    seen = set()
    for make in CASES.values():
        seen |= {type(module) for _, module in make().named_modules()}
    assert seen >= set(EMITTERS)


def test_an_unknown_layer_is_named():
    with pytest.raises(ConfigError, match="knows no layer AvgPool2d; it knows BatchNorm2d, .*Sequential"):
        run_nodes(lambda g, x: emit(g, more_layers.AvgPool2d(2), x), x=np.zeros((1, 2, 4, 4), np.float32))


UNEQUAL = {
    "conv": lambda: layers.Conv2d(6, 4, 3, stride=(2, 1), padding=(2, 1), dilation=(1, 3), groups=2, rng=rng()),
    "transposed conv": lambda: layers.ConvTranspose2d(6, 3, 4, stride=(2, 3), padding=(0, 1), rng=rng()),
    "max pool": lambda: more_layers.MaxPool2d((3, 2), stride=(1, 2), padding=(1, 0)),
    "max pool, stride not given": lambda: more_layers.MaxPool2d((3, 2)),
    "flatten": layers.Flatten,
    "group norm": lambda: more_layers.GroupNorm(2, 6, eps=0.3),
    "batch norm": lambda: layers.BatchNorm2d(6, eps=0.3),
}


@pytest.mark.parametrize("name", UNEQUAL)
def test_two_sides_that_differ_and_a_large_eps(name):
    x = np.random.default_rng(8).normal(0.5, 1, (2, 9, 12, 6)).astype(np.float32)
    here, there = both(drawn(UNEQUAL[name]), x)
    assert here.shape == there.shape
    np.testing.assert_allclose(there, here, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("make", [layers.Conv2d, layers.ConvTranspose2d])
def test_layers_without_a_bias(make):
    x = np.random.default_rng(8).normal(0.5, 1, (2, 5, 7, 6)).astype(np.float32)
    here, there = both(drawn(lambda: make(6, 4, 2, bias=False, rng=rng())), x)
    np.testing.assert_allclose(there, here, rtol=1e-4, atol=2e-5)
