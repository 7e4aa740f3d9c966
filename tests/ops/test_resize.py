"""ops/resize.py: against the definitions, the harness, exact cases, and errors."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.ops import bilinear, naive, resize
from tinymaskrcnn.testing import check_pair

SIZE = st.tuples(st.integers(1, 5), st.integers(1, 5))


@examples(40)
@given(size=SIZE, wanted=st.tuples(st.integers(1, 9), st.integers(1, 9)), N=st.integers(0, 2), seed=st.integers(0, 999))
def test_equals_the_definition(size, wanted, N, seed):
    x = np.random.default_rng(seed).standard_normal((N, *size, 2))
    y, _ = resize.upsample_nearest2d_forward(x, size=wanted)
    np.testing.assert_array_equal(y, naive.upsample_nearest2d(x, size=wanted))
    y, _ = bilinear.resize_bilinear_forward(x, size=wanted)
    np.testing.assert_allclose(y, naive.resize_bilinear(x, size=wanted), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [(6, 8), (3, 12), (5, 7), (2, 1), 12])
def test_upsample_nearest2d_passes_the_harness(size):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 2))
    check_pair(resize.upsample_nearest2d_forward, resize.upsample_nearest2d_backward, [x], size=size)


@pytest.mark.parametrize("size", [(6, 8), (5, 7), (2, 1), 3])
def test_resize_bilinear_passes_the_harness(size):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 2))
    check_pair(bilinear.resize_bilinear_forward, bilinear.resize_bilinear_backward, [x], size=size)


def test_upsample_nearest2d_repeats_pixels():
    x = np.array([[1.0, 2], [3, 4]]).reshape(1, 2, 2, 1)
    y, cache = resize.upsample_nearest2d_forward(x, size=4)
    np.testing.assert_array_equal(y[0, :, :, 0], [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]])
    dx = resize.upsample_nearest2d_backward(np.arange(16.0).reshape(y.shape), cache)
    np.testing.assert_array_equal(dx[0, :, :, 0], [[0 + 1 + 4 + 5, 2 + 3 + 6 + 7], [42, 50]])


def test_upsample_nearest2d_of_an_odd_pyramid():
    y, _ = resize.upsample_nearest2d_forward(np.arange(3.0).reshape(1, 3, 1, 1), size=(5, 1))
    np.testing.assert_array_equal(y.ravel(), [0, 0, 1, 1, 2])


def test_resize_bilinear_golden():
    x = np.array([0.0, 1.0]).reshape(1, 1, 2, 1)
    y, _ = bilinear.resize_bilinear_forward(x, size=(1, 4))
    np.testing.assert_allclose(y.ravel(), [0, 0.25, 0.75, 1])  # centres, and the border pixels go on


def test_resize_bilinear_to_the_same_size_changes_nothing():
    x = np.random.default_rng(0).standard_normal((1, 4, 5, 2))
    np.testing.assert_array_equal(bilinear.resize_bilinear_forward(x, size=(4, 5))[0], x)


def test_keeps_float32():
    x = np.ones((1, 3, 3, 2), np.float32)
    y, cache = resize.upsample_nearest2d_forward(x, size=(5, 4))
    assert y.dtype == resize.upsample_nearest2d_backward(y, cache).dtype == np.float32
    y, cache = bilinear.resize_bilinear_forward(x, size=(5, 4))
    assert y.dtype == bilinear.resize_bilinear_backward(y, cache).dtype == np.float32


@pytest.mark.parametrize("size, got", [(0, "0"), (1.5, "1.5"), ((4, 0), r"\(4, 0\)"), (None, "None")])
def test_upsample_nearest2d_names_the_wrong_size(size, got):
    with pytest.raises(ArgumentError, match=f"upsample_nearest2d_forward: size must be .* at least 1; got {got}"):
        resize.upsample_nearest2d_forward(np.ones((1, 2, 2, 1)), size=size)


def test_resize_bilinear_names_the_wrong_size():
    with pytest.raises(ArgumentError, match="resize_bilinear_forward: size must be .* at least 1; got 0"):
        bilinear.resize_bilinear_forward(np.ones((1, 2, 2, 1)), size=0)


@pytest.mark.parametrize("forward", [resize.upsample_nearest2d_forward, bilinear.resize_bilinear_forward])
def test_names_an_image_without_pixels(forward):
    with pytest.raises(ArgumentError, match="x must have at least one pixel"):
        forward(np.ones((1, 0, 2, 1)), size=(2, 2))
