"""ops/activation.py: against the definitions, the harness, and far out on both sides."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tinymaskrcnn.errors import DtypeError
from tinymaskrcnn.ops import activation, naive
from tinymaskrcnn.testing import check_pair

PAIRS = ["relu", "sigmoid", "softmax"]


def pair(name):
    return getattr(activation, name + "_forward"), getattr(activation, name + "_backward")


@pytest.mark.parametrize("name", PAIRS)
@examples(25)
@given(x=arrays(np.float64, array_shapes(min_dims=1, max_dims=3, max_side=4), elements=st.floats(-30, 30)))
def test_equals_the_definition(name, x):
    y, _ = pair(name)[0](x)
    np.testing.assert_allclose(y, getattr(naive, name)(x), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("shape", [(7, 2), (3, 5), (2, 3, 2, 4)])
def test_passes_the_harness(name, shape):
    x = np.random.default_rng(0).standard_normal(shape)
    x += 0.01 * np.sign(x)  # away from relu's kink
    check_pair(*pair(name), [x])


@pytest.mark.parametrize("name", PAIRS)
def test_keeps_float32_and_takes_zero_rows(name):
    forward, backward = pair(name)
    for shape in ((2, 3), (0, 3)):
        y, cache = forward(np.ones(shape, np.float32))
        dx = backward(np.ones(shape, np.float32), cache)
        assert y.shape == dx.shape == shape and y.dtype == dx.dtype == np.float32


@pytest.mark.parametrize("name", PAIRS)
def test_names_integers(name):
    with pytest.raises(DtypeError, match=f"{name}_forward: x must hold float32 or float64; got int64"):
        pair(name)[0](np.arange(3))


def test_relu_gradient_is_zero_at_the_kink():
    _, cache = activation.relu_forward(np.array([-1.0, 0.0, 2.0]))
    np.testing.assert_array_equal(activation.relu_backward(np.array([5.0, 6.0, 7.0]), cache), [0, 0, 7])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_far_out(dtype):
    x = np.array([-1e30, -80, 0, 80, 1e30], dtype)
    y, cache = activation.sigmoid_forward(x)
    np.testing.assert_allclose(y, [0, np.exp(-80), 0.5, 1, 1], rtol=1e-6)  # the small one is not rounded to 0
    assert np.isfinite(activation.sigmoid_backward(np.ones_like(x), cache)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_far_out(dtype):
    x = np.array([[1e30, 0, -1e30], [-1e30, -1e30, -1e30], [1000, 1000, 0]], dtype)
    y, cache = activation.softmax_forward(x)
    np.testing.assert_allclose(y, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0]], rtol=1e-6)
    assert np.isfinite(activation.softmax_backward(np.ones_like(x), cache)).all()


def test_softmax_does_not_notice_a_shift():
    x, dy = np.random.default_rng(0).standard_normal((2, 4, 5))
    y, cache = activation.softmax_forward(x)
    np.testing.assert_allclose(y, activation.softmax_forward(x + 100)[0], rtol=1e-12)
    np.testing.assert_allclose(activation.softmax_backward(dy, cache).sum(axis=-1), 0, atol=1e-15)
