"""kernels/c/conv.py: convolutions in C equal the text in every variant, on drawn geometry and shapes of training."""

from unittest import mock

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import HealthCheck, assume, given
from hypothesis import strategies as st

from tinymaskrcnn import kernel_lookup
from tinymaskrcnn.kernels import threads
from tinymaskrcnn.kernels.c import conv as fast
from tinymaskrcnn.kernels.c import library
from tinymaskrcnn.nn import fused
from tinymaskrcnn.ops import conv

CONV = fast.conv2d_forward, fast.conv2d_backward, conv.conv2d_forward, conv.conv2d_backward
IS_WORTH_IT = fast._is_worth_it
DRAWN = examples(25, suppress_health_check=[HealthCheck.function_scoped_fixture])


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


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "x, kernel, O, ways, options",
    [
        ((2, 128, 128, 1), 3, 16, (1, 1), dict(stride=2, padding=1)),  # stem
        ((2, 64, 64, 16), 3, 32, (1, 1), dict(stride=2, padding=1)),
        ((8, 32, 32, 16), 3, 16, (4, 1), dict(padding=1)),  # first stage
        ((2, 16, 16, 64), 1, 128, (1, 1), dict(stride=2)),  # shortcut
        ((2, 32, 32, 128), 1, 64, (1, 1), dict()),  # lateral
        ((2, 32, 32, 64), 1, 3, (1, 1), dict()),  # objectness
        ((2, 32, 32, 64), 3, 64, (4, 4), dict(padding=1)),  # pyramid
        ((2, 16, 16, 64), 3, 64, (2, 2), dict(padding=1)),  # its next level
        ((8, 4, 4, 128), 3, 128, (1, 1), dict(padding=1)),  # few pixels
        ((21, 14, 14, 64), 3, 64, (4, 4), dict(padding=1)),  # mask head
        ((1, 56, 74, 256), 3, 64, (4, 4), dict(padding=1)),  # one image in bands of rows
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
    assert fast._takes_backward(y, cache)
    monkeypatch.setattr(fast, "FEWEST", y.size // 3 + 1)
    assert not fast._takes_backward(y, cache) and fast._takes_forward(x, weight, bias)


def test_kernels_in_c_are_asked_first(normal):
    kernel_lookup._load_kernels()
    for name in ("conv2d_forward", "conv2d_backward"):
        assert kernel_lookup._KERNELS[name][0][2] is getattr(fast, name)
        library.use("numpy")
        assert not kernel_lookup._serves(kernel_lookup._KERNELS[name][0][0], np)
        library.use(library.supported()[0])


# ---------------------------------------------------------------- with what follows it


@DRAWN
@given(
    size=pairs(3, 12),
    geometry=st.sampled_from([(3, 1, 1, 1), (3, 2, 1, 1), (1, 1, 0, 1), (1, 2, 0, 1), (2, 1, 0, 2)]),
    channels=st.sampled_from([(1, 3), (5, 16), (16, 32), (32, 80), (3, 400)]),
    m=st.sampled_from([1, 2, 4]),
    scaled=st.booleans(),
    biased=st.booleans(),
    summed=st.booleans(),
    rectified=st.booleans(),
)
def test_what_follows_a_sum(variant, normal, size, geometry, channels, m, scaled, biased, summed, rectified):
    (k, stride, padding, dilation), (C, O) = geometry, channels
    x, weight, bias, scale = normal(2, *size, C), normal(k, k, C, O), normal(O), normal(O)
    tiled = geometry == (3, 1, 1, 1) and C % 16 == O % 16 == 0
    place = dict(stride=stride, padding=padding, dilation=dilation, groups=1)
    assume(all(n + 2 * padding > dilation * (k - 1) for n in size))
    shape = conv.conv2d_forward.readable(x, weight, None, **place)[0].shape
    then = (
        dict(rectified=rectified)
        | (dict(scale=scale) if scaled else {})
        | (dict(added=normal(*shape)) if summed else {})
    )
    bias = bias if biased or scaled else None
    wide = {name: value.astype(np.float64) if name in ("scale", "added") else value for name, value in then.items()}
    wanted = fused.convolution.readable(
        *(a if a is None else a.astype(np.float64) for a in (x, weight, bias)), **place, **wide
    )
    with mock.patch.object(fast, "choose", lambda *args, **data: (m if tiled else 1, 1)):
        results = []
        for n in (1, 2, 4):
            threads.set_threads(n)
            results.append(fused.convolution(x, weight, bias, **place, **then))
    y, cache = results[0]
    np.testing.assert_allclose(y, wanted[0], rtol=0, atol=2e-5 * max(1, abs(wanted[0]).max()))
    assert not rectified or y.min() >= 0
    assert all(np.array_equal(y, other) for other, _ in results)
    assert cache[0] is x and cache[1] is weight and cache[2] == (bias is not None) and cache[3:] == wanted[1][3:]


def test_what_does_not_fit_a_sum_is_left_to_the_text(is_held_to_float32, normal):
    inputs, place = (normal(1, 5, 6, 4), normal(3, 3, 4, 3), normal(3)), dict(stride=1, padding=1, dilation=1, groups=1)
    is_held_to_float32(fast._takes_all, *inputs, **place)
    for name, array in (("scale", normal(3)), ("added", normal(1, 5, 6, 3))):
        assert fast._takes_all(*inputs, **place, **{name: array})
        assert not fast._takes_all(*inputs, **place, **{name: array.astype(np.float64)})
        for other in (array[..., :1], array[None], array[:0]):
            assert not fast._takes_all(*inputs, **place, **{name: other})
    assert not fast._takes_all(*inputs, **(place | dict(groups=2)))


def test_what_a_block_adds_lies_anywhere(normal):
    """The shortcut of a residual block may be any view, and must not be written into."""
    x, weight, place = normal(2, 8, 8, 16), normal(3, 3, 16, 16), dict(stride=1, padding=1, dilation=1, groups=1)
    added = normal(2, 16, 8, 8).transpose(0, 2, 3, 1)
    y, _ = fused.convolution(x, weight, None, added=added, rectified=True, **place)
    wanted, _ = fused.convolution(x, weight, None, added=added.copy(), rectified=True, **place)
    assert np.array_equal(y, wanted)
    np.testing.assert_allclose(y, np.maximum(conv.conv2d_forward(x, weight, None, padding=1)[0] + added, 0), atol=1e-4)


def test_maps_of_few_pixels_are_not_cut_into_tiles():
    assert _ways((8, 4, 4, 128), 3, 128, padding=1) == (1, 1) and _ways((1, 16, 16, 64), 3, 64, padding=1) == (2, 2)


@pytest.mark.parametrize("kernel", [1, 3])
def test_what_vectors_are_read_from_and_stored_in_begins_a_line_of_the_cache(normal, kernel):
    x, weight = normal(1, 40, 40, 32), normal(kernel, kernel, 32, 48)
    y, _ = fast.convolution(x, weight, None, stride=1, padding=0, dilation=1, groups=1)
    filters = (
        fast.correlate.filters_of(weight, (1, 1), pixels=1600).rows,
        fast.winograd.filters_of(normal(3, 3, 16, 16), 4),
    )
    assert all(array.__array_interface__["data"][0] % 64 == 0 for array in (y, *filters))
    assert np.shares_memory(fast.correlate.filters_of(weight, (1, 1)).rows, weight)  # few pixels repay no copy
