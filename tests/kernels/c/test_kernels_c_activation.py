"""kernels/c/activation.py: the text's bits, in every variant, on any threads, of NaN as well."""

import numpy as np
import pytest

from tinymaskrcnn.kernel_lookup import kernel_for
from tinymaskrcnn.kernels import threads
from tinymaskrcnn.kernels.c import activation as fast
from tinymaskrcnn.ops.activation import relu_backward


@pytest.mark.parametrize("shape", [(1,), (7, 5), (2, 9, 9, 16), (3, 1 << 18)])
def test_equals_the_text(variant, rng, shape):
    dy, y = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    y.flat[::3] = [0, -0.0, np.nan, np.inf, -np.inf, 1e-45][len(shape)]
    dy.flat[::5] = np.nan
    assert kernel_for(relu_backward.__wrapped__, (dy, y), {}) is fast.relu_backward
    wanted = relu_backward.readable(dy, y)
    for n in (1, 2, 4):
        threads.set_threads(n)
        found = relu_backward(dy, y)
        assert found.dtype == np.float32 and found.tobytes() == wanted.tobytes()


def test_arrays_that_are_not_contiguous(variant, rng):
    dy, y = (rng.normal(size=(6, 9, 4)).astype(np.float32)[::2].transpose(2, 1, 0) for _ in range(2))
    assert np.array_equal(relu_backward(dy, y), relu_backward.readable(dy, y))


def test_what_became_no_number_is_reported(variant):
    dy, y = np.full(40, np.inf, np.float32), np.zeros(40, np.float32)
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        relu_backward(dy, y)


@pytest.mark.parametrize("dtypes", [(np.float64, np.float64), (np.float32, np.float64)])
def test_what_it_leaves_to_the_text(dtypes):
    arrays = [np.ones(3, dtype) for dtype in dtypes]
    assert kernel_for(relu_backward.__wrapped__, arrays, {}) is None
    scalars = np.float32(1), np.float32(1)
    assert kernel_for(relu_backward.__wrapped__, scalars, {}) is None
