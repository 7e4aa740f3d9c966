"""Layers in a row give what each alone gives, forward and backward, however few passes they take together."""

import copy
import functools
from unittest import mock

import numpy as np
import pytest
import strict_device

from tinymaskrcnn.models.backbones.fpn import FPN
from tinymaskrcnn.models.backbones.resnet import basic_block
from tinymaskrcnn.nn import fused
from tinymaskrcnn.nn.layers import BatchNorm2d, Conv2d, ConvTranspose2d, Flatten, Linear, ReLU
from tinymaskrcnn.nn.module import Identity, Sequential
from tinymaskrcnn.nn.more_layers import FrozenBatchNorm2d, GroupNorm
from tinymaskrcnn.ops import more_norms

KINDS = {"batch": BatchNorm2d, "frozen": FrozenBatchNorm2d}


def one_by_one(layers, x):
    caches = []
    for layer in layers:
        x, cache = layer.forward(x)
        caches.append(cache)
    return x, caches


def backward(layers, dy, caches):
    for layer, cache in zip(reversed(layers), reversed(caches)):
        dy = layer.backward(dy, cache)
    return dy


def network(*layers, dtype=np.float64, training=True):
    return Sequential(*layers).astype(dtype).train(training)


def norm_of(kind, channels, rng, **options):
    """A norm whose four arrays are all far from their beginnings."""
    norm = KINDS[kind](channels, **options)
    norm.weight.value = rng.uniform(-2, 2, channels).astype(np.float32)
    norm.bias.value = rng.normal(size=channels).astype(np.float32)
    norm.running_mean.value = rng.normal(size=channels).astype(np.float32)
    norm.running_var.value = rng.uniform(0.1, 3, channels).astype(np.float32)
    return norm


# ---------------------------------------------------------------- a convolution and its norm


CONVS = {
    "3x3": dict(kernel=3, padding=1),
    "1x1 with stride": dict(kernel=1, stride=2),
    "pairs": dict(kernel=3, stride=(2, 1), padding=(1, 0)),
    "groups": dict(kernel=3, padding=1, groups=4),
}


@pytest.mark.parametrize("bias", (False, True))
@pytest.mark.parametrize("conv", CONVS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dtype", "bound"), ((np.float64, 1e-12), (np.float32, 2e-6)))
@pytest.mark.parametrize("side", (5, 40))  # few pixels and many
def test_fixed_norm_is_part_of_the_convolution(kind, conv, bias, dtype, bound, side):
    rng = np.random.default_rng(0)
    layers = Conv2d(8, 12, **CONVS[conv], bias=bias, rng=rng), norm_of(kind, 12, rng, eps=1e-3), ReLU()
    if bias:
        layers[0].bias.value = rng.normal(size=12).astype(np.float32)
    net = network(*layers, dtype=dtype, training=False)
    x = rng.standard_normal((2, side, side, 8)).astype(dtype)
    want, _ = one_by_one(net.layers, x)
    x.setflags(write=False)
    got, caches = net.forward(x)
    assert caches is None and got.dtype == want.dtype
    assert np.abs(got - want).max() <= bound * np.abs(want).max() and (want > 0).any()


@pytest.mark.parametrize("side", (3, 40))
def test_the_weights_of_this_very_call_count(side):
    rng = np.random.default_rng(1)
    net = network(Conv2d(2, 3, 3, padding=1, rng=rng), norm_of("batch", 3, rng), training=False)
    net.layers[0].bias.value[...] = 1, 2, -1
    x = rng.standard_normal((1, side, side, 2))
    arrays = [p.value for p in net.parameters()] + [b.value for _, b in net.named_buffers()]
    for array in arrays:
        before = net.forward(x)[0]
        array *= 1.5
        after = net.forward(x)[0]
        assert not np.allclose(before, after)
        np.testing.assert_allclose(after, one_by_one(net.layers, x)[0], atol=1e-12)


def test_the_norm_of_a_batch_stays_a_norm():
    """In training the statistics are those of the batch: nothing is folded, and the running ones follow."""
    rng = np.random.default_rng(2)
    layers = [Conv2d(2, 3, 3, padding=1, rng=rng), norm_of("batch", 3, rng), ReLU()]
    x, dy = rng.standard_normal((2, 2, 6, 6, 2)), rng.standard_normal((2, 6, 6, 3))
    results = []
    for run in (one_by_one, fused.forward):
        net = network(*layers)
        net.load_state_dict(network(*layers).state_dict())
        net.zero_grad()
        y, caches = run(net.layers, x[0])
        dx = backward(net.layers, dy, caches)
        results.append([y, dx, *(p.grad.copy() for p in net.parameters()), net.layers[1].running_mean.value.copy()])
        net.layers[1].running_mean.value[...] = 0
        layers[1].running_mean.value[...] = 0
    for one, other in zip(*(r[:-1] for r in results)):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("learns", (0, 1))
def test_a_convolution_or_a_norm_that_learns_is_not_folded(learns):
    """One of the two in training is enough: its backward needs what its forward kept."""
    rng = np.random.default_rng(3)
    net = network(Conv2d(2, 3, 3, padding=1, rng=rng), norm_of("frozen", 3, rng), training=False)
    net.layers[learns].training = True
    x, dy = rng.standard_normal((2, 6, 6, 2)), rng.standard_normal((2, 6, 6, 3))
    want, wanted_caches = one_by_one(net.layers, x)
    got, caches = fused.forward(net.layers, x)
    np.testing.assert_array_equal(got, want)
    assert [c is None for c in caches] == [c is None for c in wanted_caches] == [learns == 1, learns == 0]
    if learns:
        dx, wanted = (net.layers[1].backward(dy, c[1]) for c in (caches, wanted_caches))
        np.testing.assert_array_equal(dx, wanted)


def test_what_only_resembles_a_convolution_is_not_folded():
    class Doubled(Conv2d):
        def forward(self, x):
            y, cache = super().forward(x)
            return 2 * y, cache

    rng = np.random.default_rng(4)
    net = network(Doubled(2, 3, 3, padding=1, rng=rng), norm_of("batch", 3, rng), training=False)
    x = rng.standard_normal((2, 6, 6, 2))
    np.testing.assert_array_equal(fused.forward(net.layers, x)[0], one_by_one(net.layers, x)[0])


@pytest.mark.parametrize("kind", [*KINDS.values(), ReLU])
@pytest.mark.parametrize("training", (False, True))
@pytest.mark.parametrize("there", (False, True))
def test_what_only_resembles_a_norm_or_a_relu_does_what_it_does(kind, training, there):
    """With another layer of its kind in its place the numbers would be others: here, and on a device."""

    class Moved(kind):
        def forward(self, x):
            y, cache = super().forward(x)
            return y + 1, cache

    rng = np.random.default_rng(8)
    middle = Moved() if kind is ReLU else norm_of({v: k for k, v in KINDS.items()}[kind], 3, rng)
    if kind is not ReLU:
        middle.__class__ = Moved
    before = norm_of("batch", 3, rng) if kind is ReLU else Conv2d(2, 3, 3, padding=1, rng=rng)
    x, dy = rng.standard_normal((2, 6, 6, 3 if kind is ReLU else 2)), rng.standard_normal((2, 6, 6, 3))
    net = network(before, middle, ReLU(), training=training)
    alone = copy.deepcopy(net)
    wanted, caches = one_by_one(alone.layers, x)
    if there:
        net.convert(strict_device.xp.asarray)
    y, cache = net.forward(strict_device.xp.asarray(x) if there else x)
    np.testing.assert_allclose(y.get() if there else y, wanted, atol=1e-12)
    if training:
        dx = net.backward(strict_device.xp.asarray(dy) if there else dy, cache)
        np.testing.assert_allclose(dx.get() if there else dx, backward(alone.layers, dy, caches), atol=1e-12)


@pytest.mark.parametrize("own", (False, True))
@pytest.mark.parametrize("training", (False, True))
def test_a_sum_is_rectified_and_kept_only_in_training(training, own):
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((2, 3, 4, 4))
    want, dy = np.maximum(a + b, 0), rng.standard_normal((3, 4, 4))
    relu = ReLU().train(training)
    y, cache = fused.add_relu(relu, a, b, own=own)
    np.testing.assert_array_equal(y, want)
    assert np.shares_memory(y, a) == own and (cache is not None) == training
    if training:
        np.testing.assert_array_equal(relu.backward(dy, cache), dy * (want > 0))


# ---------------------------------------------------------------- ReLU in place


def stacks(rng):
    """Whatever may stand in front of a ReLU, with an input for it."""
    image, rows = rng.standard_normal((2, 5, 4, 4)), rng.standard_normal((6, 4))
    return {
        "conv": ([Conv2d(4, 3, 3, rng=rng), ReLU()], image),
        "transposed": ([ConvTranspose2d(4, 3, 2, stride=2, rng=rng), ReLU()], image),
        "linear": ([Linear(4, 3, rng=rng), ReLU(), Linear(3, 2, rng=rng), ReLU()], rows),
        "batch norm": ([norm_of("batch", 4, rng), ReLU()], image),
        "frozen norm": ([norm_of("frozen", 4, rng), ReLU()], image),
        "group norm": ([GroupNorm(2, 4), ReLU()], image),
        "nothing": ([ReLU()], image),
        "identity": ([Identity(), ReLU()], image),
        "view": ([Flatten(), ReLU()], image),
        "twice": ([Conv2d(4, 3, 1, rng=rng), ReLU(), ReLU()], image),
        "inside": ([Sequential(Conv2d(4, 4, 1, rng=rng)), ReLU(), Sequential(ReLU()), ReLU()], image),
        "empty": ([Conv2d(4, 3, 3, rng=rng), ReLU()], image[:0]),
    }


@pytest.mark.parametrize("training", (True, False))
@pytest.mark.parametrize("name", stacks(np.random.default_rng(0)))
def test_rectified_in_place(name, training):
    layers, x = stacks(np.random.default_rng(3))[name]
    net = network(*layers, training=training)
    want, caches = one_by_one(net.layers, x)
    before = x.copy()
    got, fused_caches = fused.forward(net.layers, x)
    np.testing.assert_allclose(got, want, atol=1e-12)
    np.testing.assert_array_equal(x, before)  # an input is not the container's to write into
    if not training:
        assert fused_caches == [None] * len(layers)
        return
    dy = np.random.default_rng(4).standard_normal(want.shape)
    gradients = []
    for c in (caches, fused_caches):  # what the caches hold was not written into either
        net.zero_grad()
        gradients.append([backward(net.layers, dy, c), *(p.grad.copy() for p in net.parameters())])
    for one, other in zip(*gradients):
        np.testing.assert_array_equal(one, other)


def test_one_array_less():
    """The ReLU's output is the memory that the convolution made."""
    rng = np.random.default_rng(5)
    conv = Conv2d(2, 3, 3, rng=rng)
    made = []

    class Watching(ReLU):
        def forward(self, x):
            made.append(x)
            return super().forward(x)

    x = rng.standard_normal((1, 8, 8, 2)).astype(np.float32)
    y, _ = fused.forward((conv, Watching()), x)
    assert not np.shares_memory(y, made[0])  # another class may keep what it received: it is left alone
    own = np.array([[-1.0, 2.0]])
    assert fused.rectify(own) is own and own.tolist() == [[0, 2]]
    assert fused.rectify(np.array([-1.0, 2.0])).tolist() == [0, 2]


def test_a_watched_layer_is_called():
    rng = np.random.default_rng(6)
    net = network(Conv2d(2, 3, 3, rng=rng), norm_of("batch", 3, rng), ReLU(), training=False)
    x, seen = rng.standard_normal((1, 8, 8, 2)), []
    for layer in net.layers:
        plain = layer.forward
        layer.forward = lambda x, plain=plain: seen.append(len(seen)) or plain(x)
    watched, _ = net.forward(x)
    for layer in net.layers:
        del layer.forward
    np.testing.assert_allclose(net.forward(x)[0], watched, atol=1e-12)
    assert seen == [0, 1, 2]


def test_the_sum_of_a_residual_block():
    rng = np.random.default_rng(7)
    relu = ReLU()
    a, b = rng.standard_normal((2, 3, 4, 4))
    want = np.maximum(a + b, 0)
    kept = a.copy()
    y, cache = fused.add_relu(relu, a, b, own=False)
    np.testing.assert_array_equal(y, want)
    np.testing.assert_array_equal(a, kept)
    assert cache is y
    y, _ = fused.add_relu(relu, a, b, own=True)
    np.testing.assert_array_equal(y, want)
    assert y is a
    assert fused.is_fresh(Sequential(ReLU(), Sequential(Linear(2, 2, rng=rng))))
    assert not any(map(fused.is_fresh, (Identity(), Sequential(), ReLU(), Sequential(Linear(2, 2, rng=rng), ReLU()))))


# ---------------------------------------------------------------- batch norm and ReLU on a device


def test_batch_norm_and_relu_are_one_operator_on_a_device():
    """Forward and backward, with the gradients of the norm, as on the host one by one; a watched layer stays itself."""
    rng = np.random.default_rng(0)
    layers = norm_of("batch", 4, rng), ReLU(), norm_of("batch", 4, rng), ReLU()
    host = network(*copy.deepcopy(layers))
    device = network(*layers).convert(strict_device.xp.asarray)
    x, dy = rng.normal(size=(2, 3, 3, 4)), rng.normal(size=(2, 3, 3, 4))
    wanted, caches = one_by_one(host.layers, x)
    wanted_dx = backward(host.layers, dy, caches)

    with mock.patch.object(
        more_norms, "batch_norm2d_relu_forward", wraps=more_norms.batch_norm2d_relu_forward
    ) as there:
        y, cache = device.forward(strict_device.xp.asarray(x))
    with mock.patch.object(
        more_norms, "batch_norm2d_relu_backward", wraps=more_norms.batch_norm2d_relu_backward
    ) as back:
        dx = device.backward(strict_device.xp.asarray(dy), cache)
    assert there.call_count == back.call_count == 2 and len(cache) == 4
    np.testing.assert_allclose(y.get(), wanted, atol=1e-12)
    np.testing.assert_allclose(dx.get(), wanted_dx, atol=1e-12)
    for (name, p), (_, q) in zip(device.named_parameters(), host.named_parameters()):
        np.testing.assert_allclose(p.grad.get(), q.grad, atol=1e-12, err_msg=name)
    for name, buffer in device.named_buffers():
        np.testing.assert_allclose(buffer.value.get(), dict(host.named_buffers())[name].value, atol=1e-12)

    layers[1].forward = layers[1].forward  # somebody looks
    with mock.patch.object(
        more_norms, "batch_norm2d_relu_forward", wraps=more_norms.batch_norm2d_relu_forward
    ) as there:
        device.forward(strict_device.xp.asarray(x))
    assert there.call_count == 1


# ---------------------------------------------------------------- sums of whole networks


def networks(rng):
    """Whatever adds up what its parts give, with an input for it."""
    maps = [rng.standard_normal((1, side, side, width)) for side, width in ((5, 2), (3, 3), (2, 4))]
    image = rng.standard_normal((2, 5, 6, 4))
    return {
        "identity": (basic_block(4, 4, norm="frozen", rng=rng), image),
        "shortcut": (basic_block(4, 3, stride=2, norm="frozen", rng=rng), image),
        "pyramid": (FPN((2, 3, 4), 3, rng=rng), maps),
    }


@pytest.mark.parametrize("training", (True, False))
@pytest.mark.parametrize("name", networks(np.random.default_rng(0)))
def test_sums_are_those_of_the_text(name, training):
    """In any state: values, what is kept, and the gradients that come from it."""
    net, x = networks(np.random.default_rng(9))[name]
    net.astype(np.float64).train(training)
    results = []
    text = getattr(type(net).forward, "readable", type(net).forward)
    twin = fused.pyramid_network if name == "pyramid" else fused.residual_block
    for forward in (functools.partial(text, net), functools.partial(twin, net), net.forward):
        net.zero_grad()
        y, cache = forward(x)
        levels = y if isinstance(y, list) else [y]
        assert (cache is None) == (not training)
        if training:
            dy = [np.random.default_rng(i).standard_normal(level.shape) for i, level in enumerate(levels)]
            dx = net.backward(dy if isinstance(y, list) else dy[0], cache)
            levels = [*levels, *(dx if isinstance(dx, list) else [dx]), *(p.grad.copy() for p in net.parameters())]
        results.append(levels)
    for numbers in zip(*results, strict=True):
        for other in numbers[1:]:
            np.testing.assert_allclose(other, numbers[0], rtol=1e-10, atol=1e-12)
