"""kernels/conv.py: every way of convolving equals the text, on drawn geometry and on the shapes of training."""

from unittest import mock

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import HealthCheck, assume, given
from hypothesis import strategies as st

from tinymaskrcnn import kernel_lookup
from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.kernels import conv as fast
from tinymaskrcnn.ops import conv

CONV = fast.conv2d_forward, fast.conv2d_backward, conv.conv2d_forward, conv.conv2d_backward
TRANSPOSE = (
    fast.conv_transpose2d_forward,
    fast.conv_transpose2d_backward,
    conv.conv_transpose2d_forward,
    conv.conv_transpose2d_backward,
)
SELECT = (
    fast.select_conv1x1_forward,
    fast.select_conv1x1_backward,
    conv.select_conv1x1_forward,
    conv.select_conv1x1_backward,
)
DRAWN = examples(25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def no_case_is_too_small(monkeypatch):
    monkeypatch.setattr(fast, "LEAST", 0)
    monkeypatch.setattr(fast, "FEWEST", 0)
    monkeypatch.setattr(fast, "SMALL", 0)


def pairs(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


@DRAWN
@given(
    size=pairs(1, 12),
    kernel=pairs(1, 4),
    stride=pairs(1, 3),
    padding=pairs(0, 4),
    dilation=pairs(1, 2),
    N=st.integers(1, 3),
    biased=st.booleans(),
)
def test_any_geometry(compare_pair, normal, size, kernel, stride, padding, dilation, N, biased):
    assume(all(d * (k - 1) < s + 2 * p for d, k, s, p in zip(dilation, kernel, size, padding)))
    inputs = normal(N, *size, 3), normal(*kernel, 3, 2), normal(2) if biased else None
    compare_pair(*CONV, inputs, stride=stride, padding=padding, dilation=dilation)


@DRAWN
@given(size=pairs(1, 18), padding=pairs(0, 3), N=st.integers(1, 5), channels=st.sampled_from([(32, 40), (48, 32)]))
def test_winograd_on_any_size(compare_pair, normal, size, padding, N, channels):
    assume(all(s + 2 * p >= 3 for s, p in zip(size, padding)))
    inputs = normal(N, *size, channels[0]), normal(3, 3, *channels), normal(channels[1])
    with mock.patch.multiple(fast, FEW=0, REPAY=0):
        compare_pair(*CONV, inputs, padding=padding)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "x, kernel, O, way, options",
    [
        ((2, 128, 128, 1), 3, 16, "im2col", dict(stride=2, padding=1)),  # stem
        ((2, 64, 64, 16), 3, 16, "im2col", dict(stride=2, padding=1)),
        ((2, 16, 16, 64), 1, 128, "matmul", dict(stride=2)),  # shortcut
        ((2, 32, 32, 128), 1, 64, "matmul", dict()),  # lateral
        ((2, 32, 32, 64), 1, 3, "matmul", dict()),  # objectness
        ((2, 32, 32, 64), 3, 64, 4, dict(padding=1)),  # pyramid
        ((8, 4, 4, 128), 3, 128, "im2col", dict(padding=1)),  # few pixels
        ((8, 8, 8, 64), 3, 64, 2, dict(padding=1)),
        ((21, 14, 14, 64), 3, 64, 2, dict(padding=1)),  # mask head
        ((1, 56, 74, 256), 3, 64, 4, dict(padding=1)),  # one image in bands of rows
        ((1, 25, 42, 256), 3, 256, 2, dict(padding=1)),  # filters of 4x4 tiles would be larger than the image
        ((1, 75, 203, 3), 7, 64, "im2col", dict(stride=2, padding=3)),
        ((1, 95, 90, 64), 3, 8, "im2col", dict(padding=1)),
    ],
)
def test_shapes_of_the_networks(compare_pair, normal, x, kernel, O, way, options):
    assert _way(x, kernel, O, **options) == way
    compare_pair(*CONV, (normal(*x), normal(kernel, kernel, x[3], O), normal(O)), **options)


def _way(x, k, O, *, stride=1, padding=0):
    size = tuple((n + 2 * padding - k) // stride + 1 for n in x[1:3])
    pairs = dict(stride=(stride,) * 2, padding=(padding,) * 2, dilation=(1, 1))
    return fast.choose(x[0], size, (k, k), (x[3], O), **pairs)


def test_arrays_that_are_not_contiguous(compare_pair, normal):
    x = normal(2, 40, 9, 10).transpose(0, 2, 3, 1)
    compare_pair(*CONV, (x, normal(32, 40, 3, 3).transpose(2, 3, 1, 0), None), padding=1)
    compare_pair(*CONV, (x[:, ::2, 1:], normal(2, 2, 40, 3), None), stride=2)


@pytest.mark.parametrize("kernel, stride, padding", [((3, 3), 1, 1), ((2, 2), 2, 0), ((1, 1), 1, 0)])
def test_gradient_that_is_not_contiguous(normal, kernel, stride, padding):
    _, cache = fast.conv2d_forward(normal(2, 6, 6, 32), normal(*kernel, 32, 32), None, stride=stride, padding=padding)
    size = 6 // stride
    dy = normal(2, 32, size, size).transpose(0, 2, 3, 1)
    for actual, wanted in zip(fast.conv2d_backward(dy, cache), fast.conv2d_backward(dy.copy(), cache)):
        assert actual is wanted is None or np.array_equal(actual, wanted)


def test_what_the_kernel_leaves_to_the_text(monkeypatch, normal):
    x, weight = normal(1, 5, 5, 4), normal(3, 3, 4, 4)
    assert fast._takes_forward(x, weight, None)
    assert not fast._takes_forward(x.astype(np.float64), weight.astype(np.float64), None)
    assert not fast._takes_forward(x, normal(3, 3, 2, 4), None, groups=2)
    assert not fast._takes_forward(x[:0], weight, None)
    with mock.patch.object(fast, "FEWEST", 10):
        assert not fast._takes_forward(x, weight, None) and fast._takes_forward(x, weight, None, padding=1)
    with mock.patch.object(fast, "SMALL", 9 * 9 + 1):
        assert fast._takes_forward(x, weight, None) and not fast._takes_forward(x[..., :1], weight[:, :, :1], None)
        assert fast._takes_forward(x[..., :1], weight[:, :, :1], None, padding=1)
    monkeypatch.setattr(fast, "LEAST", x.size * weight.size + 1)
    assert not fast._takes_forward(x, weight, None, padding=1)
    _, cache = fast.conv2d_forward(x, weight, None, padding=1)
    assert not fast._takes_backward(x, cache)


def test_the_gates_of_convolution(is_held_to_float32, gate_of, normal):
    x, weight, bias = normal(1, 5, 6, 4), normal(3, 2, 4, 3), normal(3)
    is_held_to_float32(fast._takes_forward, x, weight, bias)
    for options in (dict(stride=0), dict(stride=(1, 0)), dict(padding=-1), dict(padding=(0, -1)), dict(dilation=0)):
        assert not fast._takes_forward(x, weight, bias, **options)
    for options in (dict(stride=[1, 1]), dict(padding="same"), dict(dilation=(1, 1.0)), dict(groups=2)):
        assert not fast._takes_forward(x, weight, bias, **options)
    assert fast._takes_forward(x, weight, bias, stride=(9, 1), padding=(0, 3), dilation=(2, 5))  # it just fits
    for dilation in ((3, 1), (1, 6)):
        assert not fast._takes_forward(x, weight, bias, dilation=dilation)
    assert not fast._takes_forward(x, weight[:, :, :3], bias)

    y, cache = fast.conv2d_forward(x, weight, bias, stride=2)
    is_held_to_float32(fast._takes_backward, y, cache)
    assert not fast._takes_backward(y, (*cache[:-1], 2))
    assert not fast._takes_backward(y[:0], cache)

    y, cache = fast.conv_transpose2d_forward(x, weight, bias, stride=(3, 2))
    is_held_to_float32(lambda *floats: fast._takes_transpose(*floats, stride=(3, 2)), x, weight, bias)
    gate = gate_of("conv_transpose2d_backward")
    is_held_to_float32(gate, y, cache)
    assert not gate(y, (*cache[:3], (3, 3), (0, 0))) and not gate(y, (*cache[:4], (0, 1)))
    assert not gate(y.swapaxes(1, 2), cache) and not gate(y[:, 1:], cache) and not gate(y[0], cache)

    channel = np.array([2])
    y, cache = fast.select_conv1x1_forward(x, weight[:1, :1], bias, channel=channel)
    is_held_to_float32(lambda *floats: fast._takes_select(*floats, channel=channel), x, weight[:1, :1], bias)
    is_held_to_float32(gate_of("select_conv1x1_backward"), y, cache)
    for wrong in ([-1], [3], [0, 3], [-1, 0]):
        assert not fast._takes_select(x, weight[:1, :1], bias, channel=np.array(wrong))


def test_sizes_are_those_of_the_text(normal):
    x, weight = normal(1, 9, 11, 2), normal(3, 2, 2, 1)
    several = dict(stride=(2, 3)), dict(padding=(0, 2)), dict(dilation=(3, 2)), dict(stride=(3, 1), padding=(2, 0))
    for options in several:
        y, _ = conv.conv2d_forward.readable(x, weight, None, **options)
        pairs = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)} | options
        assert fast.output_size(x.shape, weight.shape, **pairs) == y.shape[1:3]


def test_what_is_worth_a_kernel(monkeypatch, normal):
    monkeypatch.setattr(fast, "FEWEST", 10)
    monkeypatch.setattr(fast, "LEAST", 0)
    assert fast._is_worth_it(10, normal(1, 1, 2, 2)) and not fast._is_worth_it(9, normal(1, 1, 2, 2))
    monkeypatch.setattr(fast, "LEAST", 1000)
    assert fast._is_worth_it(50, normal(2, 5, 2, 1)) and not fast._is_worth_it(49, normal(2, 5, 2, 1))
    assert fast._is_worth_it(50, normal(1, 1, 10, 2)) and not fast._is_worth_it(49, normal(1, 1, 10, 2))
    monkeypatch.setattr(fast, "POINTS", 500)
    assert fast._is_worth_it(25, normal(1, 1, 10, 2)) and not fast._is_worth_it(24, normal(1, 1, 10, 2))
    monkeypatch.setattr(fast, "SMALL", 500)
    assert fast._is_worth_it(100, normal(1, 5, 1, 2)) and not fast._is_worth_it(99, normal(1, 5, 1, 3))


def test_transposed_convolution(compare_pair, normal):
    compare_pair(*TRANSPOSE, (normal(5, 14, 14, 64), normal(2, 2, 64, 64), normal(64)), stride=2)
    compare_pair(*TRANSPOSE, (normal(3, 3, 4, 5), normal(3, 2, 5, 4), None), stride=(3, 2))


def test_transposed_convolution_that_overlaps_is_left_to_the_text(normal):
    x, weight = normal(1, 4, 4, 3), normal(3, 3, 3, 2)
    assert not fast._takes_transpose(x, weight, None, stride=2)
    for padding in (1, (0, 1), (1, 0), [0, 0]):
        assert not fast._takes_transpose(x, weight, None, stride=3, padding=padding)
    assert fast._takes_transpose(x, weight, None, stride=3) and fast._takes_transpose(x, weight, None, stride=(3, 3))
    assert fast._takes_transpose(x, weight, None, stride=3, padding=(0, 0))
    assert not fast._takes_transpose(x, weight, None, stride=(3, 2)) and not fast._takes_transpose(x, weight, None)
    assert not fast._takes_transpose(x, weight[:, :, :2], None, stride=3)
    assert not fast._takes_transpose(x, weight[:0], None, stride=0)
    y, cache = conv.conv_transpose2d_forward(x, weight, None, stride=2)
    wanted, _ = conv.conv_transpose2d_forward.readable(x, weight, None, stride=2)
    assert np.array_equal(y, wanted)
    assert conv.conv_transpose2d_backward(y, cache)[0].shape == x.shape


def test_one_channel_per_map(compare_pair, normal):
    channel = np.random.default_rng(0).integers(0, 11, 30)
    compare_pair(*SELECT, (normal(30, 28, 28, 64), normal(1, 1, 64, 11), normal(11)), channel=channel)
    with pytest.raises(ArgumentError, match="channel"):
        conv.select_conv1x1_forward(normal(1, 2, 2, 3), normal(1, 1, 3, 4), normal(4), channel=np.array([4]))


def test_every_twin_is_registered():
    kernel_lookup._load_kernels()
    names = ("conv2d", "conv_transpose2d", "select_conv1x1", "linear")
    wanted = {f"{name}_{way}" for name in names for way in ("forward", "backward")} | {"nms"}
    assert wanted <= set(kernel_lookup._KERNELS)
