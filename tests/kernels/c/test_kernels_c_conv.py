"""kernels/c/conv.py: convolutions in C equal the text in every variant, on drawn geometry and shapes of training."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tinymaskrcnn import kernel_lookup
from tinymaskrcnn.kernels.c import conv as fast
from tinymaskrcnn.kernels.c import library
from tinymaskrcnn.ops import conv

CONV = fast.conv2d_forward, fast.conv2d_backward, conv.conv2d_forward, conv.conv2d_backward
IS_WORTH_IT = fast._is_worth_it
DRAWN = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def no_case_is_too_small(monkeypatch):
    monkeypatch.setattr(fast, "NARROW", 0)
    monkeypatch.setattr(fast, "_is_worth_it", lambda pixels, weight: True)


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
    channels=pairs(1, 20),
    biased=st.booleans(),
)
def test_any_geometry(variant, compare_pair, normal, size, kernel, stride, padding, dilation, N, channels, biased):
    assume(all(d * (k - 1) < s + 2 * p for d, k, s, p in zip(dilation, kernel, size, padding)))
    inputs = normal(N, *size, channels[0]), normal(*kernel, *channels), normal(channels[1]) if biased else None
    compare_pair(*CONV, inputs, stride=stride, padding=padding, dilation=dilation)


@DRAWN
@given(
    size=pairs(1, 18),
    padding=pairs(0, 3),
    N=st.integers(1, 5),
    channels=st.sampled_from([(16, 16), (32, 16), (48, 32), (64, 80)]),
    m=st.sampled_from([(1, 2), (2, 2), (4, 1), (4, 4)]),
)
def test_tiles_on_any_size(variant, compare_pair, normal, size, padding, N, channels, m):
    assume(all(s + 2 * p >= 3 for s, p in zip(size, padding)))
    inputs = normal(N, *size, channels[0]), normal(3, 3, *channels), normal(channels[1])
    with mock.patch.object(fast, "choose", lambda *args, **data: m):
        compare_pair(*CONV, inputs, padding=padding)


@pytest.mark.parametrize(
    "x, kernel, O, ways, options",
    [
        ((2, 128, 128, 1), 3, 16, (1, 1), dict(stride=2, padding=1)),  # stem
        ((2, 64, 64, 16), 3, 32, (1, 1), dict(stride=2, padding=1)),
        ((8, 32, 32, 16), 3, 16, (4, 1), dict(padding=1)),  # first stage
        ((2, 16, 16, 64), 1, 128, (1, 1), dict(stride=2)),  # shortcut
        ((2, 32, 32, 128), 1, 64, (1, 1), dict()),  # lateral
        ((2, 32, 32, 64), 1, 3, (1, 1), dict()),  # objectness
        ((2, 32, 32, 64), 3, 64, (4, 2), dict(padding=1)),  # pyramid
        ((8, 4, 4, 128), 3, 128, (2, 2), dict(padding=1)),  # few pixels
        ((21, 14, 14, 64), 3, 64, (2, 2), dict(padding=1)),  # mask head
        ((1, 56, 74, 256), 3, 64, (4, 2), dict(padding=1)),  # one image in bands of rows
        ((1, 75, 203, 3), 7, 64, (1, 1), dict(stride=2, padding=3)),
        ((1, 95, 90, 64), 3, 8, (1, 1), dict(padding=1)),
        ((1, 40, 41, 32), 3, 80, (1, 1), dict(padding=2, dilation=2)),
    ],
)
def test_shapes_of_the_networks(compare_pair, normal, x, kernel, O, ways, options):
    assert _ways(x, kernel, O, **options) == ways
    compare_pair(*CONV, (normal(*x), normal(kernel, kernel, x[3], O), normal(O)), **options)


def _ways(x, k, O, *, stride=1, padding=0, dilation=1):
    size = tuple((n + 2 * padding - dilation * (k - 1) - 1) // stride + 1 for n in x[1:3])
    return fast.choose(x[0], size, (k, k), (x[3], O), stride=(stride,) * 2, dilation=(dilation,) * 2)


def test_arrays_that_are_not_contiguous(variant, compare_pair, normal):
    x = normal(2, 40, 9, 10).transpose(0, 2, 3, 1)
    compare_pair(*CONV, (x, normal(32, 40, 3, 3).transpose(2, 3, 1, 0), None), padding=1)
    compare_pair(*CONV, (x[:, ::2, 1:], normal(2, 2, 40, 3), normal(6)[::2]), stride=2)
    compare_pair(*CONV, (normal(2, 32, 9, 10).transpose(0, 2, 3, 1), normal(32, 64, 3, 3).transpose(2, 3, 0, 1), None))


@pytest.mark.parametrize("kernel, stride, padding", [((3, 3), 1, 1), ((2, 2), 2, 0), ((1, 1), 1, 0)])
def test_gradient_that_is_not_contiguous(variant, normal, kernel, stride, padding):
    _, cache = fast.conv2d_forward(normal(2, 6, 6, 32), normal(*kernel, 32, 32), None, stride=stride, padding=padding)
    size = 6 // stride
    dy = normal(2, 32, size, size).transpose(0, 2, 3, 1)
    for actual, wanted in zip(fast.conv2d_backward(dy, cache), fast.conv2d_backward(dy.copy(), cache)):
        assert actual is wanted is None or np.array_equal(actual, wanted)


def unaligned(x):
    """The same numbers as a field of packed records, which begins anywhere."""
    records = np.zeros(x.shape, np.dtype([("odd", "u1"), ("x", "<f4")]))
    records["x"] = x
    assert not records["x"].flags.aligned
    return records["x"]


def test_numbers_that_do_not_lie_where_floats_do(normal):
    for inputs, options in (
        ((normal(2, 6, 6, 16), normal(3, 3, 16, 16), normal(16)), dict(padding=1)),
        ((normal(2, 6, 6, 3), normal(3, 2, 3, 5), normal(5)), dict(stride=2)),
    ):
        y, cache = fast.conv2d_forward(*inputs, **options)
        odd, odd_cache = fast.conv2d_forward(*map(unaligned, inputs), **options)
        assert np.array_equal(odd, y)
        for actual, wanted in zip(fast.conv2d_backward(unaligned(y), odd_cache), fast.conv2d_backward(y, cache)):
            assert np.array_equal(actual, wanted)


def test_the_gates(is_held_to_float32, normal, monkeypatch):
    x, weight, bias = normal(1, 5, 6, 4), normal(3, 2, 4, 3), normal(3)
    is_held_to_float32(fast._takes_forward, x, weight, bias)
    for options in (dict(stride=0), dict(padding=-1), dict(padding="same"), dict(dilation=(1, 1.0)), dict(groups=2)):
        assert not fast._takes_forward(x, weight, bias, **options)
    assert fast._takes_forward(x, weight, bias, stride=(9, 1), padding=(0, 3), dilation=(2, 5))  # it just fits
    assert not fast._takes_forward(x, weight, bias, dilation=(3, 1))
    assert not fast._takes_forward(x, weight[:, :, :3], bias) and not fast._takes_forward(x[:0], weight, bias)
    y, cache = fast.conv2d_forward(x, weight, bias, stride=2)
    is_held_to_float32(fast._takes_backward, y, cache)
    assert not fast._takes_backward(y, (*cache[:-1], 2)) and not fast._takes_backward(y[:0], cache)

    monkeypatch.setattr(fast, "_is_worth_it", IS_WORTH_IT)
    monkeypatch.setattr(fast, "FEWEST", 0)
    monkeypatch.setattr(fast, "NARROW", 4)
    assert not fast._takes_backward(y, cache) and fast._takes_forward(x, weight, bias)
    assert not fast._takes_forward(x, weight[:1, :1], bias) and fast._takes_forward(x, weight[:, :1], bias)
    monkeypatch.setattr(fast, "NARROW", 0)
    monkeypatch.setattr(fast, "FEWEST", 5 * 6)
    assert not fast._takes_forward(x, weight, bias) and fast._takes_forward(x, weight, bias, padding=1)
    monkeypatch.setattr(fast, "FEWEST", y.size // 3 + 1)
    assert not fast._takes_backward(y, cache)


def test_kernels_in_c_are_asked_first(normal):
    kernel_lookup._load_kernels()
    for name in ("conv2d_forward", "conv2d_backward"):
        assert kernel_lookup._KERNELS[name][0][2] is getattr(fast, name)
        library.use("numpy")
        assert not kernel_lookup._serves(kernel_lookup._KERNELS[name][0][0], np)
        library.use(library.supported()[0])
