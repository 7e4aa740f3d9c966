"""kernels/cuda/conv.py: columns by one kernel, gathered by another; equal to the text in every shape."""

import numpy as np
import pytest
import strict_device
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from strict_device import xp

from tinymaskrcnn.kernels.cuda import conv as device_conv
from tinymaskrcnn.ops import conv

CONV = conv.conv2d_forward, conv.conv2d_backward
TRANSPOSE = conv.conv_transpose2d_forward, conv.conv_transpose2d_backward
COLUMNS = ["image_to_columns"]
BOTH = ["image_to_columns", "columns_to_image"]

CASES = {
    "3x3": ((2, 5, 4, 3), (3, 3, 3, 4), dict(padding=1)),
    "stride-rest": ((2, 6, 5, 2), (3, 3, 2, 5), dict(stride=2)),
    "stem": ((2, 9, 8, 1), (7, 7, 1, 3), dict(stride=2, padding=3)),
    "dilation": ((1, 6, 7, 2), (2, 3, 2, 2), dict(dilation=(2, 1), stride=(1, 2), padding=(0, 2))),
    "one-pixel": ((3, 1, 1, 2), (3, 3, 2, 2), dict(padding=1)),
    "one-window": ((1, 3, 3, 2), (3, 3, 2, 4), dict(stride=3)),
    "1x1-stride": ((2, 4, 5, 3), (1, 1, 3, 2), dict(stride=2)),
    "1x1-border": ((2, 2, 3, 3), (1, 1, 3, 2), dict(padding=1)),
    "many-blocks": ((2, 13, 11, 8), (3, 3, 8, 5), dict(padding=1)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("with_bias", [True, False])
def test_conv2d(compare_pair, normal, case, with_bias):
    x, weight, data = CASES[case]
    inputs = normal(*x), normal(*weight), normal(weight[3]) if with_bias else None
    *_, forward_cost, backward_cost = compare_pair(*CONV, inputs, (COLUMNS, BOTH), **data)
    assert forward_cost <= 4 and backward_cost <= 8


def test_conv2d_of_pixels_needs_no_columns(compare_pair, normal):
    inputs = normal(2, 3, 4, 5), normal(1, 1, 5, 6), normal(6)
    *_, forward_cost, backward_cost = compare_pair(*CONV, inputs, ([], []))
    assert forward_cost <= 2 and backward_cost <= 4


@pytest.mark.parametrize(
    ("x", "weight", "data"),
    [
        ((2, 3, 4, 2), (2, 2, 2, 3), dict(stride=2)),
        ((1, 3, 4, 2), (4, 3, 2, 2), dict(stride=(2, 1), padding=1)),
        ((2, 2, 3, 2), (1, 2, 2, 2), dict(stride=3)),
        ((2, 1, 1, 3), (4, 4, 3, 2), dict(stride=2, padding=1)),
    ],
)
@pytest.mark.parametrize("with_bias", [True, False])
def test_conv_transpose2d(compare_pair, normal, x, weight, data, with_bias):
    inputs = normal(*x), normal(*weight), normal(weight[3]) if with_bias else None
    *_, forward_cost, backward_cost = compare_pair(*TRANSPOSE, inputs, (BOTH[1:], COLUMNS), **data)
    assert forward_cost <= 4 and backward_cost <= 8


@pytest.mark.parametrize("pair", [CONV, TRANSPOSE])
def test_images_are_done_in_turn_when_their_columns_are_too_many(on_device, normal, monkeypatch, pair):
    forward, backward = pair
    x, weight, bias = normal(5, 4, 3, 2), normal(3, 3, 2, 4), normal(4)
    whole = on_device(lambda: forward(x, weight, bias, padding=1))
    dy = normal(*whole[0][0].shape)
    whole_gradients = on_device(lambda: backward(dy, whole[0][1]))
    monkeypatch.setattr(device_conv, "WORKSPACE", 2 * 4 * 12 * 36)  # two images, or four
    parts = on_device(lambda: forward(x, weight, bias, padding=1))
    part_gradients = on_device(lambda: backward(dy, parts[0][1]))
    assert len(parts[1]) > len(whole[1]) and len(part_gradients[1]) > len(whole_gradients[1])
    for got, wanted in zip((parts[0][0], *part_gradients[0]), (whole[0][0], *whole_gradients[0])):
        np.testing.assert_allclose(got.get(), wanted.get(), rtol=0, atol=1e-5)


def test_either_backward_follows_either_forward(on_device, normal):
    for (forward, backward), data in ((CONV, dict(padding=1, stride=2)), (TRANSPOSE, dict(stride=2))):
        inputs = normal(2, 5, 4, 3), normal(2, 2, 3, 4), normal(4)
        (y, kernel_cache), _, _ = on_device(lambda: forward(*inputs, **data))  # noqa: B023
        text_cache = forward.readable(*inputs, **data)[1]
        dy = normal(*y.shape)
        wanted = backward.readable(dy, text_cache)
        for got in (backward.readable(dy, kernel_cache), on_device(lambda: backward(dy, text_cache))[0]):  # noqa: B023
            for a, b in zip(got, wanted):
                np.testing.assert_allclose(a.get(), b.get(), rtol=0, atol=1e-5)


def test_views_with_gaps_are_taken(on_device, normal):
    x, weight = normal(2, 5, 8, 3)[:, :, ::2], normal(3, 3, 3, 4)
    (y, cache), launched, _ = on_device(lambda: conv.conv2d_forward(x, weight, None))
    assert launched == COLUMNS
    np.testing.assert_allclose(y.get(), conv.conv2d_forward.readable(x, weight, None)[0].get(), atol=1e-5)
    dy = normal(*y.shape[:3], 8)[..., ::2]
    dx = on_device(lambda: conv.conv2d_backward(dy, cache))[0][0]
    np.testing.assert_allclose(dx.get(), conv.conv2d_backward.readable(dy, cache)[0].get(), atol=1e-5)


@pytest.mark.parametrize(
    ("x", "weight", "data"),
    [
        ((2, 4, 4, 4), (3, 3, 2, 6), dict(groups=2)),
        ((0, 4, 4, 2), (3, 3, 2, 2), {}),
    ],
)
def test_what_is_left_to_the_text(on_device, normal, x, weight, data):
    inputs = normal(*x), normal(*weight), None
    (y, cache), launched, _ = on_device(lambda: conv.conv2d_forward(*inputs, **data))
    assert launched == [] and y.shape[0] == x[0]
    dy = normal(*y.shape)
    assert on_device(lambda: conv.conv2d_backward(dy, cache))[1] == []


def test_float64_is_left_to_the_text(on_device, normal):
    x, weight = normal(1, 3, 3, 1).astype(np.float64), normal(2, 2, 1, 1).astype(np.float64)
    assert on_device(lambda: conv.conv2d_forward(x, weight, None))[1] == []


# ---------------------------------------------------------------- the two kernels by themselves: bit for bit


@examples(40)
@given(data=st.data())
def test_the_kernels_are_exact_and_adjoint(data):
    draw = data.draw
    small, spread = st.integers(1, 3), st.integers(0, 2)
    kernel, stride, dilation = ((draw(small), draw(small)) for _ in range(3))
    padding = draw(spread), draw(spread)
    span = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    size = [max(1, s - 2 * p) + draw(st.integers(0, 4)) for s, p in zip(span, padding)]
    n, channels = draw(small), draw(small)
    count = tuple((h + 2 * p - s) // t + 1 for h, p, s, t in zip(size, padding, span, stride))
    windows = device_conv.Windows((*size, channels), count, kernel, stride, padding, dilation)

    rng = np.random.default_rng(draw(st.integers(0, 999)))
    x = xp.asarray(rng.standard_normal((n, *size, channels), dtype=np.float32))
    dcolumns = rng.standard_normal((n * windows.rows, windows.row), dtype=np.float32)
    dcolumns = xp.asarray(dcolumns)
    dx = xp.asarray(np.full(x.shape, np.nan, np.float32))
    with strict_device.kernels():
        columns = windows.columns(x)
        windows.gather(dcolumns, dx)
    wanted = conv._image_to_columns(x, kernel, stride, padding, dilation, count)
    assert np.array_equal(columns.get(), wanted.reshape(columns.shape).get())
    shaped = dcolumns.reshape(wanted.shape)
    assert np.array_equal(dx.get(), conv._columns_to_image(shaped, size, stride, padding, dilation).get())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ky * dilation_y - padding_y", "ky - padding_y"),
        ("column < W;", "column <= W;"),
        ("top % stride_y != 0 || ", ""),
        ("sum + bias[c] : sum", "sum : sum"),
        ("rest * HO + top / stride_y", "rest * WO + top / stride_y"),
    ],
)
def test_planted_faults_are_seen(normal, old, new):
    """A convolution and a transposed one with everything different along the two axes."""
    x, weight, bias = normal(2, 7, 5, 2), normal(3, 2, 2, 3), normal(3)
    data = dict(stride=(2, 1), padding=(1, 2), dilation=(2, 1))
    transposed = dict(stride=(2, 1), padding=(1, 0))
    wanted, cache = conv.conv2d_forward(x, weight, bias, **data)
    dy = normal(*wanted.shape)
    wanted = wanted, *conv.conv2d_backward(dy, cache), conv.conv_transpose2d_forward(x, weight, bias, **transposed)[0]
    with strict_device.kernels(faults={"im2col": ((old, new),)}):
        got, cache = conv.conv2d_forward(x, weight, bias, **data)
        got = got, *conv.conv2d_backward(dy, cache), conv.conv_transpose2d_forward(x, weight, bias, **transposed)[0]
    assert not all(np.allclose(a.get(), b.get(), atol=1e-4) for a, b in zip(got, wanted))


def test_which_convolutions_the_device_kernel_takes():
    """float32 in each array, something in each, one group, and at least one window along each axis."""
    takes, shapes = device_conv._takes_forward, [(2, 5, 4, 3), (3, 3, 3, 4), (4,)]
    arrays = [np.ones(shape, np.float32) for shape in shapes]
    assert takes(*arrays) and takes(*arrays[:2], None) and takes(*arrays, padding=1, stride=(2, 1), dilation=1)
    for i in range(3):
        for other in (arrays[i].astype(np.float64), arrays[i].astype(int), arrays[i][:0]):
            assert not takes(*arrays[:i], other, *arrays[i + 1 :]), (i, other.dtype, other.shape)
    assert not takes(*arrays, groups=3) and not takes(arrays[0][..., :2], *arrays[1:])
    for height, width in ((2, 4), (5, 2), (1, 1)):
        assert not takes(np.ones((2, height, width, 3), np.float32), *arrays[1:])
        assert takes(np.ones((2, height, width, 3), np.float32), *arrays[1:], padding=1)
