"""ops/pool.py: against the definitions, the harness, ties, overlapping windows, and errors."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import assume, given
from hypothesis import strategies as st

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.ops import average_pool, naive, pool
from tinymaskrcnn.testing import check_pair

OPTIONS = [
    dict(kernel=2),
    dict(kernel=3, stride=2, padding=1),  # the stem of a ResNet: windows overlap
    dict(kernel=(3, 2), stride=1),
    dict(kernel=1, stride=2),  # the P6 of a pyramid
    dict(kernel=2, stride=3),  # pixels between the windows are never read
    dict(kernel=(2, 3), stride=(1, 2), padding=(1, 0)),
]


def distinct(*shape):
    """Numbers that differ by at least 1 / 10, in random order: no ties, and none within a difference quotient."""
    return np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape) / 10


@examples(60)
@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 1), st.integers(0, 1)),
    levels=st.integers(1, 4),
    N=st.integers(0, 2),
    seed=st.integers(0, 999),
)
def test_windows_equal_the_definition(size, kernel, stride, padding, levels, N, seed):
    rng = np.random.default_rng(seed)
    assume(all(k <= s + 2 * p and 2 * p <= k for k, s, p in zip(kernel, size, padding)))
    options = dict(kernel=kernel, stride=stride, padding=padding)
    x = rng.integers(0, levels, (N, *size, 2)) - 2.0  # few levels: many ties; negative: the border must not win
    y, cache = pool.max_pool2d_forward(x, **options)
    np.testing.assert_array_equal(y, naive.max_pool2d(x, **options))
    dy = rng.integers(1, 9, y.shape).astype(float)
    wanted = naive.max_pool2d_backward(dy, x, **options)
    np.testing.assert_array_equal(pool.max_pool2d_backward(dy, cache), wanted)

    x = rng.standard_normal((N, *size, 2))
    y, _ = average_pool.avg_pool2d_forward(x, **options)
    np.testing.assert_allclose(y, naive.avg_pool2d(x, **options), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", OPTIONS)
def test_max_pool2d_passes_the_harness(options):
    check_pair(pool.max_pool2d_forward, pool.max_pool2d_backward, [distinct(2, 5, 6, 2)], **options)


@pytest.mark.parametrize("options", OPTIONS)
def test_avg_pool2d_passes_the_harness(options):
    check_pair(
        average_pool.avg_pool2d_forward,
        average_pool.avg_pool2d_backward,
        [np.random.default_rng(0).standard_normal((2, 5, 6, 2))],
        **options,
    )


def test_global_avg_pool2d():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    y, _ = average_pool.global_avg_pool2d_forward(x)
    np.testing.assert_allclose(y, naive.global_avg_pool2d(x), rtol=1e-12)
    check_pair(average_pool.global_avg_pool2d_forward, average_pool.global_avg_pool2d_backward, [x])


def test_max_pool2d_of_overlapping_windows_adds_gradients():
    x = np.zeros((1, 3, 3, 1))
    x[0, 1, 1] = 1  # wins all four windows
    y, cache = pool.max_pool2d_forward(x, kernel=2, stride=1)
    dx = pool.max_pool2d_backward(np.array([1.0, 2, 4, 8]).reshape(y.shape), cache)
    np.testing.assert_array_equal(dx[0, :, :, 0], [[0, 0, 0], [0, 15, 0], [0, 0, 0]])


def test_max_pool2d_gives_a_tie_to_the_first_pixel():
    y, cache = pool.max_pool2d_forward(np.full((1, 4, 4, 1), -3.0), kernel=2)
    dx = pool.max_pool2d_backward(np.ones_like(y), cache)
    wanted = np.zeros((4, 4))
    wanted[::2, ::2] = 1
    np.testing.assert_array_equal(dx[0, :, :, 0], wanted)


def test_avg_pool2d_counts_the_border():
    y, _ = average_pool.avg_pool2d_forward(np.ones((1, 2, 2, 1)), kernel=2, padding=1)
    np.testing.assert_array_equal(y[0, :, :, 0], [[0.25, 0.25], [0.25, 0.25]])


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_keeps_float32(name):
    home = pool if name == "max_pool2d" else average_pool
    forward, backward = getattr(home, name + "_forward"), getattr(home, name + "_backward")
    y, cache = forward(np.ones((1, 5, 5, 2), np.float32), kernel=3, stride=2, padding=1)
    assert y.dtype == backward(y, cache).dtype == np.float32


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize(
    "options, message",
    [
        (dict(kernel=0), "kernel must be an int or a pair .* at least 1; got 0"),
        (dict(kernel=2, stride=0), "stride must .* got 0"),
        (dict(kernel=2, padding=-1), "padding must .* at least 0; got -1"),
        (dict(kernel=3, padding=2), r"padding must be at most half the kernel \(3, 3\), .* got \(2, 2\)"),
        (dict(kernel=5), r"kernel must have a window between 1x1 and the padded input, 4x6; got kernel \(5, 5\)"),
    ],
)
def test_names_the_wrong_option(name, options, message):
    with pytest.raises(ArgumentError, match=f"{name}_forward: {message}"):
        getattr(pool if name == "max_pool2d" else average_pool, name + "_forward")(np.ones((1, 4, 6, 1)), **options)


def test_global_avg_pool2d_names_an_image_without_pixels():
    with pytest.raises(ArgumentError, match=r"global_avg_pool2d_forward: x must have at least one pixel; got \(2, 0"):
        average_pool.global_avg_pool2d_forward(np.ones((2, 0, 3, 1)))
