"""kernels/c/sweep.py: batch norm and ReLU in every variant, on any threads; a ReLU's way back to the last bit."""

import numpy as np
import pytest

from tinymaskrcnn.kernel_lookup import kernel_for
from tinymaskrcnn.kernels import threads
from tinymaskrcnn.kernels.c import sweep as fast
from tinymaskrcnn.ops import more_norms, norm
from tinymaskrcnn.ops.activation import relu_backward


@pytest.mark.parametrize("shape", [(1,), (7, 5), (2, 9, 9, 16), (3, 1 << 18)])
def test_relu_backward_equals_the_text(variant, rng, shape):
    dy, y = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    y.flat[::3] = [0, -0.0, np.nan, np.inf, -np.inf, 1e-45][len(shape)]
    dy.flat[::5] = np.nan
    assert kernel_for(relu_backward.__wrapped__, (dy, y), {}) is fast.relu_backward
    wanted = relu_backward.readable(dy, y)
    for n in (1, 2, 4):
        threads.set_threads(n)
        found = relu_backward(dy, y)
        assert found.dtype == np.float32 and found.tobytes() == wanted.tobytes()


def test_relu_backward_of_arrays_that_are_not_contiguous(variant, rng):
    dy, y = (rng.normal(size=(6, 9, 4)).astype(np.float32)[::2].transpose(2, 1, 0) for _ in range(2))
    assert np.array_equal(relu_backward(dy, y), relu_backward.readable(dy, y))


def test_what_became_no_number_is_reported(variant):
    dy, y = np.full(40, np.inf, np.float32), np.zeros(40, np.float32)
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        relu_backward(dy, y)


@pytest.mark.parametrize("dtypes", [(np.float64, np.float64), (np.float32, np.float64)])
def test_what_relu_backward_leaves_to_the_text(dtypes):
    arrays = [np.ones(3, dtype) for dtype in dtypes]
    assert kernel_for(relu_backward.__wrapped__, arrays, {}) is None
    scalars = np.float32(1), np.float32(1)
    assert kernel_for(relu_backward.__wrapped__, scalars, {}) is None


# ---------------------------------------------------------------- batch norm

SHAPES = [(2, 64, 64, 8), (8, 32, 32, 16), (3, 45, 33, 15), (2, 40, 30, 130), (1, 1, 1 << 16, 1)]
NORMS = {
    "batch_norm2d": (norm.batch_norm2d_forward, norm.batch_norm2d_backward),
    "batch_norm2d_relu": (more_norms.batch_norm2d_relu_forward, more_norms.batch_norm2d_relu_backward),
}


def batch_of(rng, shape, far=0.0):
    x, dy = rng.normal(far, 1 + far / 8, shape), rng.normal(size=shape)
    weight, bias, running_mean = rng.normal(size=(3, shape[3]))
    arrays = x, dy, weight, bias, running_mean, np.abs(weight) + 1
    return [array.astype(np.float32) for array in arrays]


def widened(cache):
    """The same numbers in float64."""
    return tuple(map(widened, cache)) if isinstance(cache, tuple) else cache.astype(np.float64)


def flat(cache):
    return [array for part in cache for array in (part if isinstance(part, tuple) else (part,))]


def both_ways(name, arrays, *, eps):
    """What the kernels return and leave behind, and what the texts do: backward from the very numbers kept here."""
    forward, backward = NORMS[name]
    x, dy, weight, bias, *running = (array.copy() for array in arrays)
    y, cache = forward(x, weight, bias, running_mean=running[0], running_var=running[1], momentum=0.3, eps=eps)
    found = [y, *flat(cache), *running, *backward(dy, cache)]
    x, dy, weight, bias, *running = (array.astype(np.float64) for array in arrays)
    y, right = forward.readable(x, weight, bias, running_mean=running[0], running_var=running[1], momentum=0.3, eps=eps)
    return found, [y, *flat(right), *running, *backward.readable(dy, widened(cache))]


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("far", (0.0, 100.0))
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_equals_the_text_on_any_threads(variant, rng, name, far, shape):
    """Also of numbers far from zero, whose variance a mean of squares would lose."""
    arrays = batch_of(rng, shape, far)
    results = []
    for n in (1, 2, 4):
        threads.set_threads(n)
        found, wanted = both_ways(name, arrays, eps=1e-3)
        results.append(found)
    for number, right in zip(results[0], wanted, strict=True):
        assert number.dtype == np.float32 and number.shape == right.shape
        np.testing.assert_allclose(number, right, rtol=0, atol=2e-5 * np.abs(right).max())
    for other in results[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("name", NORMS)
def test_batch_norm_of_arrays_that_are_not_contiguous(variant, rng, name):
    arrays = batch_of(rng, (2, 64, 80, 16))
    turned = [a.transpose(2, 1, 0, 3) if a.ndim == 4 else np.stack([a, a], axis=1)[:, 0] for a in arrays]
    for number, right in zip(*both_ways(name, turned, eps=1e-5), strict=True):
        np.testing.assert_allclose(number, right, rtol=0, atol=2e-5 * np.abs(right).max())


@pytest.mark.parametrize("name", NORMS)
def test_batch_norm_reports_and_passes_on_what_is_no_number(variant, rng, name):
    forward, backward = NORMS[name]
    x, dy, weight, bias, *_ = batch_of(rng, (4, 40, 40, 16))
    y, cache = forward(x, weight, bias)
    dy[1, 2, 3, 4] = np.nan
    dx, dweight, dbias = backward(dy, cache)
    assert np.isnan(dx).all(axis=(0, 1, 2)).tolist() == np.isnan(dbias).tolist() == [c == 4 for c in range(16)]
    x[1, 2, 3, 4] = np.inf
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        forward(x, weight, bias)
    with np.errstate(invalid="ignore"):
        y, _ = forward(x, weight, bias)
    assert np.isnan(y).all(axis=(0, 1, 2)).tolist() == [c == 4 for c in range(16)]


def test_what_batch_norm_leaves_to_the_text(rng):
    x, dy, weight, bias, mean, var = batch_of(rng, (2, 64, 64, 8))
    taken = {"running_mean": mean, "running_var": var}
    forward, backward = (function.__wrapped__ for function in NORMS["batch_norm2d"])
    assert kernel_for(forward, (x, weight, bias), taken) is fast.batch_norm2d_forward
    wide = x.astype(np.float64)
    for others in ((x[:1, :9], weight, bias), (wide, weight, bias), (x, weight[:3], bias), (x, weight, bias[:1])):
        assert kernel_for(forward, others, taken) is not fast.batch_norm2d_forward
    for wrong in ({"eps": 0}, {"momentum": 2}, {"running_mean": mean}, {"running_mean": mean, "running_var": var[:2]}):
        assert kernel_for(forward, (x, weight, bias), wrong) is not fast.batch_norm2d_forward
    cache = x, weight, bias
    assert kernel_for(backward, (dy, cache), {}) is fast.batch_norm2d_backward
    for wrong in ((dy[:1], cache), (dy, (x.astype(np.float64), weight, bias)), (dy, (x, weight[:2], bias))):
        assert kernel_for(backward, wrong, {}) is not fast.batch_norm2d_backward
