"""nn/layers.py, more_layers.py: each layer is its operator with its own arrays, in the settings it was given or has."""

import inspect

import numpy as np
import pytest
from cases import worn
from strategies import distinct

from tinymaskrcnn.nn import layers, more_layers
from tinymaskrcnn.nn.init import normal
from tinymaskrcnn.ops import activation, average_pool, conv, linear, more_norms, norm, pool, resize

X = np.random.default_rng(7).standard_normal((2, 6, 7, 4)).astype(np.float32)
ROWS = np.random.default_rng(8).standard_normal((5, 3)).astype(np.float32)
CHANNELS = {"weight", "bias"}


def conv_of(function):
    return lambda layer, x, **options: function(x, layer.weight.value, layer.bias and layer.bias.value, **options)


def norm_of(function, **statistics):
    def call(layer, x, **options):
        found = {name: getattr(layer, attribute).value.copy() for name, attribute in statistics.items()}
        return function(x, layer.weight.value, layer.bias.value, **found, **options)

    return call


def plain(function):
    return lambda layer, x, **options: function(x, **options)


RUNNING = {"running_mean": "running_mean", "running_var": "running_var"}
STATISTICS = {"mean": "running_mean", "var": "running_var"}
BATCH = norm_of(norm.batch_norm2d_forward, **RUNNING), norm.batch_norm2d_backward
CONV = conv_of(conv.conv2d_forward), conv.conv2d_backward
DECONV = conv_of(conv.conv_transpose2d_forward), conv.conv_transpose2d_backward
MAX, AVG = (
    (plain(pool.max_pool2d_forward), pool.max_pool2d_backward),
    (plain(average_pool.avg_pool2d_forward), average_pool.avg_pool2d_backward),
)
UP = plain(resize.upsample_nearest2d_forward), resize.upsample_nearest2d_backward
GROUP = norm_of(more_norms.group_norm_forward), more_norms.group_norm_backward
FROZEN = norm_of(more_norms.frozen_batch_norm2d_forward, **STATISTICS), more_norms.frozen_batch_norm2d_backward

# layer, its input, its operator, the operator's settings: a layer made with its defaults has those of the operator
CASES = {
    "Conv2d": (lambda rng: layers.Conv2d(4, 3, 3, rng=rng), X, CONV, {}),
    "Conv2d set": (
        lambda rng: layers.Conv2d(4, 6, 2, stride=(2, 1), padding=(0, 1), dilation=(1, 2), groups=2, rng=rng),
        X,
        CONV,
        dict(stride=(2, 1), padding=(0, 1), dilation=(1, 2), groups=2),
    ),
    "Conv2d bare": (lambda rng: layers.Conv2d(4, 3, 3, bias=False, rng=rng), X, CONV, {}),
    "ConvTranspose2d": (lambda rng: layers.ConvTranspose2d(4, 3, 3, rng=rng), X, DECONV, {}),
    "ConvTranspose2d set": (
        lambda rng: layers.ConvTranspose2d(4, 3, 4, stride=(2, 3), padding=1, rng=rng),
        X,
        DECONV,
        dict(stride=(2, 3), padding=1),
    ),
    "ConvTranspose2d bare": (lambda rng: layers.ConvTranspose2d(4, 3, 2, bias=False, rng=rng), X, DECONV, {}),
    "Linear": (
        lambda rng: layers.Linear(3, 4, rng=rng),
        ROWS,
        (conv_of(linear.linear_forward), linear.linear_backward),
        {},
    ),
    "BatchNorm2d": (lambda rng: layers.BatchNorm2d(4), X, BATCH, dict(momentum=0.1, eps=1e-5)),
    "BatchNorm2d set": (
        lambda rng: layers.BatchNorm2d(4, momentum=0.3, eps=0.2),
        X,
        BATCH,
        dict(momentum=0.3, eps=0.2),
    ),
    "FrozenBatchNorm2d": (lambda rng: more_layers.FrozenBatchNorm2d(4), X, FROZEN, dict(eps=1e-5)),
    "FrozenBatchNorm2d set": (lambda rng: more_layers.FrozenBatchNorm2d(4, eps=0.5), X, FROZEN, dict(eps=0.5)),
    "GroupNorm": (lambda rng: more_layers.GroupNorm(2, 4), X, GROUP, dict(groups=2, eps=1e-5)),
    "GroupNorm set": (lambda rng: more_layers.GroupNorm(4, 4, eps=0.5), X, GROUP, dict(groups=4, eps=0.5)),
    "ReLU": (lambda rng: layers.ReLU(), X, (plain(activation.relu_forward), activation.relu_backward), {}),
    "Sigmoid": (
        lambda rng: more_layers.Sigmoid(),
        X,
        (plain(activation.sigmoid_forward), activation.sigmoid_backward),
        {},
    ),
    "Softmax": (
        lambda rng: more_layers.Softmax(),
        X,
        (plain(activation.softmax_forward), activation.softmax_backward),
        {},
    ),
    "MaxPool2d": (lambda rng: more_layers.MaxPool2d(2), X, MAX, dict(kernel=2)),
    "MaxPool2d set": (
        lambda rng: more_layers.MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0)),
        X,
        MAX,
        dict(kernel=(3, 2), stride=(2, 1), padding=(1, 0)),
    ),
    "AvgPool2d": (lambda rng: more_layers.AvgPool2d(2), X, AVG, dict(kernel=2)),
    "AvgPool2d set": (
        lambda rng: more_layers.AvgPool2d((2, 3), stride=(1, 2), padding=(0, 1)),
        X,
        AVG,
        dict(kernel=(2, 3), stride=(1, 2), padding=(0, 1)),
    ),
    "GlobalAvgPool2d": (
        lambda rng: more_layers.GlobalAvgPool2d(),
        X,
        (plain(average_pool.global_avg_pool2d_forward), average_pool.global_avg_pool2d_backward),
        {},
    ),
    "UpsampleNearest2d": (lambda rng: more_layers.UpsampleNearest2d(), X, UP, dict(size=(12, 14))),
    "UpsampleNearest2d set": (lambda rng: more_layers.UpsampleNearest2d((1, 3)), X, UP, dict(size=(6, 21))),
}


@pytest.mark.parametrize("name", CASES)
def test_a_layer_is_its_operator(name, rng):
    make, x, (forward, backward), options = CASES[name]
    layer = worn(make(rng))
    if "Pool" in name:
        x = distinct(*x.shape)(rng).astype(np.float32)
    wanted, c_wanted = forward(layer, x, **options)
    dy = rng.standard_normal(wanted.shape).astype(np.float32)
    gradients = backward(dy, c_wanted)
    dx, *dparameters = gradients if isinstance(gradients, tuple) else (gradients,)
    before = {p: rng.standard_normal(p.value.shape).astype(np.float32) for p in layer.parameters()}
    for p, gradient in before.items():
        p.grad[...] = gradient
    y, cache = layer.forward(x)
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_allclose(layer.backward(dy, cache), dx, rtol=1e-6)
    for p, dvalue in zip(layer.parameters(), [d for d in dparameters if d is not None]):
        np.testing.assert_allclose(p.grad, before[p] + dvalue, rtol=1e-5, atol=1e-6)


def test_every_layer_is_compared():
    made = {name.split()[0] for name in CASES} | {"Flatten"}
    found = [inspect.getmembers(module, inspect.isclass) for module in (layers, more_layers)]
    own = (c for pairs in found for _, c in pairs if c.__module__ in (layers.__name__, more_layers.__name__))
    assert made == {layer.__name__ for layer in own}


def test_flatten_keeps_the_order_of_rows_columns_channels(rng):
    y, cache = layers.Flatten().forward(X)
    assert y.shape == (2, 6 * 7 * 4) and y[1, 4 * (7 * 2 + 3) + 1] == X[1, 2, 3, 1]
    np.testing.assert_array_equal(layers.Flatten().backward(y, cache), X)


@pytest.mark.parametrize("name", CASES)
def test_weights_decay_and_biases_and_norms_do_not(name, rng):
    layer = CASES[name][0](rng)
    decaying = {key for key, p in layer.named_parameters() if p.decay}
    assert decaying == ({"weight"} if name.split()[0] in ("Conv2d", "ConvTranspose2d", "Linear") else set())
    assert all(p.trainable for p in layer.parameters())


@pytest.mark.parametrize("name", [name for name in CASES if "Norm" in name])
def test_a_new_norm_changes_nothing_but_the_scale(name, rng):
    state = CASES[name][0](rng).state_dict()
    assert {key: set(value.tolist()) for key, value in state.items()} == {
        key: {1.0} if key in ("weight", "running_var") else {0.0} for key in state
    }
    assert all(value.dtype == np.float32 for value in state.values())


@pytest.mark.parametrize(
    "make, shape",
    [
        (lambda **k: layers.Conv2d(4, 6, 3, groups=2, **k), (3, 3, 2, 6)),
        (lambda **k: layers.ConvTranspose2d(4, 6, 3, **k), (3, 3, 4, 6)),
        (lambda **k: layers.Linear(4, 6, **k), (4, 6)),
    ],
)
def test_weights_begin_as_they_are_asked_to(make, shape):
    """By He's rule unless told otherwise; a generator in the same state draws the same."""
    for init in ({}, {"init": normal(0.5)}):
        layer = make(rng=np.random.default_rng(3), **init)
        again = make(rng=np.random.default_rng(3), **init)
        assert layer.weight.value.shape == shape and layer.bias.value.tolist() == [0] * 6
        np.testing.assert_array_equal(layer.weight.value, again.weight.value)
    wanted = np.random.default_rng(3).standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))
    np.testing.assert_array_equal(make(rng=np.random.default_rng(3)).weight.value, wanted.astype(np.float32))


@pytest.mark.parametrize("kind", [layers.BatchNorm2d, more_layers.FrozenBatchNorm2d])
def test_at_rest_the_stored_statistics_stand_in(kind):
    layer = worn(kind(4, eps=0.1)).eval()
    before = layer.state_dict()
    y, cache = layer.forward(X)
    mean, var, weight, bias = (before[key] for key in ("running_mean", "running_var", "weight", "bias"))
    np.testing.assert_allclose(y, (X - mean) / np.sqrt(var + 0.1) * weight + bias, rtol=1e-4, atol=1e-5)
    assert cache is None
    assert all(np.array_equal(value, before[key]) for key, value in layer.state_dict().items())
