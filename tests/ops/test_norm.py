"""ops/norm.py: against the definitions, the harness, running statistics, and errors."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.ops import more_norms, naive, norm
from tinymaskrcnn.testing import check_pair

SHAPE = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
EPS = st.sampled_from([1e-5, 1e-3, 0.5])


def draws(seed=0):
    """A function of a shape that gives the next normal numbers of a fixed sequence."""
    rng = np.random.default_rng(seed)
    return lambda *shape: rng.standard_normal(shape)


def inputs(*shape, seed=1):
    normal = draws(seed)
    return [3 * normal(*shape) + 5, normal(shape[-1]), normal(shape[-1])]


def close(actual, wanted):
    np.testing.assert_allclose(actual, wanted, rtol=1e-9, atol=1e-9)


# ---------------------------------------------------------------- batch normalisation


@examples(20)
@given(shape=SHAPE, seed=st.integers(0, 999), eps=EPS)
def test_batch_norm2d_equals_the_definition(shape, seed, eps):
    args = inputs(*shape, seed=seed)
    close(norm.batch_norm2d_forward(*args, eps=eps)[0], naive.batch_norm2d(*args, eps=eps))


@pytest.mark.parametrize("shape", [(3, 2, 2, 3), (4, 1, 1, 4), (1, 1, 1, 2)])
def test_batch_norm2d_passes_the_harness(shape):
    check_pair(norm.batch_norm2d_forward, norm.batch_norm2d_backward, inputs(*shape))


def test_batch_norm2d_gradient_ignores_shift_and_stretch():
    normal = draws()
    x, weight, bias = inputs(2, 4, 4, 3)
    y, cache = norm.batch_norm2d_forward(x, weight, bias, eps=1e-12)
    dx, _, _ = norm.batch_norm2d_backward(normal(*y.shape), cache)
    np.testing.assert_allclose(dx.sum(axis=(0, 1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose((dx * x).sum(axis=(0, 1, 2)), 0, atol=1e-10)


def test_batch_norm2d_updates_the_running_statistics_in_place():
    x, weight, bias = inputs(2, 3, 3, 2)
    mean, var = np.full(2, 2.0, np.float32), np.full(2, 3.0, np.float32)
    norm.batch_norm2d_forward(x, weight, bias, running_mean=mean, running_var=var, momentum=0.25)
    pixels = x.reshape(-1, 2)
    np.testing.assert_allclose(mean, 0.75 * 2 + 0.25 * pixels.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(var, 0.75 * 3 + 0.25 * pixels.var(axis=0, ddof=1), rtol=1e-6)
    assert mean.dtype == var.dtype == np.float32


def test_batch_norm2d_with_one_pixel_or_none():
    weight, bias = np.ones(2), np.array([3.0, 4.0])
    mean, var = np.zeros(2), np.ones(2)
    y, _ = norm.batch_norm2d_forward(np.full((1, 1, 1, 2), 7.0), weight, bias, running_mean=mean, running_var=var)
    np.testing.assert_array_equal(y[0, 0, 0], bias)
    np.testing.assert_allclose((mean, var), ([0.7, 0.7], [0.9, 0.9]))

    y, cache = norm.batch_norm2d_forward(np.ones((0, 4, 4, 2)), weight, bias, running_mean=mean, running_var=var)
    dx, dweight, dbias = norm.batch_norm2d_backward(y, cache)
    assert y.shape == dx.shape == (0, 4, 4, 2) and not dweight.any() and not dbias.any()
    np.testing.assert_allclose((mean, var), ([0.7, 0.7], [0.9, 0.9]))  # nothing was seen, nothing is learned


def test_batch_norm2d_is_exact_far_from_zero():
    normal = draws()
    x = (1e4 + normal(4, 16, 16, 3)).astype(np.float32)  # E[x^2] - E[x]^2 would lose every digit here
    y, _ = norm.batch_norm2d_forward(x, np.ones(3, np.float32), np.zeros(3, np.float32))
    np.testing.assert_allclose(y.reshape(-1, 3).std(axis=0), 1, rtol=1e-2)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(running_mean=np.zeros(2)), "running_mean and running_var must be given together; got only one"),
        (dict(running_var=np.zeros(2)), "running_mean and running_var must be given together; got only one"),
        (dict(momentum=-0.1), "momentum must lie between 0 and 1; got -0.1"),
        (dict(momentum=1.5), "momentum must lie between 0 and 1; got 1.5"),
        (dict(eps=0), "eps must be above 0, .* got 0"),
        (dict(eps=float("nan")), "eps must be above 0, .* got nan"),
    ],
)
def test_batch_norm2d_names_the_wrong_option(options, message):
    with pytest.raises(ArgumentError, match="batch_norm2d_forward: " + message):
        norm.batch_norm2d_forward(*inputs(1, 2, 2, 2), **options)


def test_batch_norm2d_names_running_statistics_of_another_width():
    with pytest.raises(ShapeError, match=r"running_mean must be \(C,\) with C = 2"):
        norm.batch_norm2d_forward(*inputs(1, 2, 2, 2), running_mean=np.zeros(3), running_var=np.ones(3))


# ---------------------------------------------------------------- frozen statistics


@examples(15)
@given(shape=SHAPE, seed=st.integers(0, 999), eps=st.sampled_from([0.0, 1e-5, 0.5]))
def test_frozen_batch_norm2d_equals_the_definition(shape, seed, eps):
    normal = draws(seed)
    args, data = inputs(*shape, seed=seed), dict(mean=normal(shape[-1]), var=0.1 + abs(normal(shape[-1])), eps=eps)
    close(more_norms.frozen_batch_norm2d_forward(*args, **data)[0], naive.frozen_batch_norm2d(*args, **data))


def test_frozen_batch_norm2d_passes_the_harness():
    normal = draws()
    data = dict(mean=normal(3), var=0.1 + abs(normal(3)))
    check_pair(
        more_norms.frozen_batch_norm2d_forward, more_norms.frozen_batch_norm2d_backward, inputs(2, 3, 2, 3), **data
    )


def test_frozen_batch_norm2d_does_not_upcast_to_its_statistics():
    normal = draws()
    args = [a.astype(np.float32) for a in inputs(2, 3, 2, 3)]
    y, cache = more_norms.frozen_batch_norm2d_forward(*args, mean=normal(3), var=np.ones(3))
    assert [a.dtype for a in (y, *more_norms.frozen_batch_norm2d_backward(y, cache))] == [np.float32] * 4


def test_frozen_batch_norm2d_repeats_what_training_saw():
    x, weight, bias = inputs(2, 3, 2, 3)
    y, _ = norm.batch_norm2d_forward(x, weight, bias)
    mean, var = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    close(more_norms.frozen_batch_norm2d_forward(x, weight, bias, mean=mean, var=var)[0], y)


def test_frozen_batch_norm2d_names_a_negative_eps():
    with pytest.raises(ArgumentError, match="frozen_batch_norm2d_forward: eps must be 0 or above; got -1"):
        more_norms.frozen_batch_norm2d_forward(*inputs(1, 2, 2, 2), mean=np.zeros(2), var=np.ones(2), eps=-1)


# ---------------------------------------------------------------- group normalisation


@examples(15)
@given(shape=SHAPE, seed=st.integers(0, 999), groups=st.integers(1, 3), eps=EPS)
def test_group_norm_equals_the_definition(shape, seed, groups, eps):
    args = inputs(*shape[:3], shape[3] * groups, seed=seed)
    options = dict(groups=groups, eps=eps)
    close(more_norms.group_norm_forward(*args, **options)[0], naive.group_norm(*args, **options))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_group_norm_passes_the_harness(groups):
    check_pair(more_norms.group_norm_forward, more_norms.group_norm_backward, inputs(2, 2, 3, 4), groups=groups)


def test_group_norm_treats_each_image_alone():
    x, weight, bias = inputs(3, 2, 2, 4)
    together, _ = more_norms.group_norm_forward(x, weight, bias, groups=2)
    alone, _ = more_norms.group_norm_forward(x[1:2], weight, bias, groups=2)
    close(together[1:2], alone)


@pytest.mark.parametrize("options", [dict(groups=3), dict(groups=0), dict(groups=-1), dict(groups=2.0)])
def test_group_norm_names_groups_that_do_not_divide(options):
    with pytest.raises(ArgumentError, match="group_norm_forward: groups must be an int that divides C = 4; got"):
        more_norms.group_norm_forward(*inputs(1, 2, 2, 4), **options)


def test_group_norm_names_a_wrong_eps():
    with pytest.raises(ArgumentError, match="group_norm_forward: eps must be above 0"):
        more_norms.group_norm_forward(*inputs(1, 2, 2, 4), groups=2, eps=0)


# ---------------------------------------------------------------- all of them


def test_batch_norm2d_relu_is_both_with_the_settings_of_the_norm():
    """Values, gradients and statistics, by default and as they are set."""
    dy = draws(5)(2, 3, 3, 2)
    for options in ({}, dict(momentum=0.25, eps=0.5)):
        args, both, alone = inputs(2, 3, 3, 2), [np.zeros(2), np.ones(2)], [np.zeros(2), np.ones(2)]
        wanted, c_norm = norm.batch_norm2d_forward(*args, running_mean=alone[0], running_var=alone[1], **options)
        y, cache = more_norms.batch_norm2d_relu_forward(*args, running_mean=both[0], running_var=both[1], **options)
        np.testing.assert_array_equal(y, np.maximum(wanted, 0))
        np.testing.assert_array_equal(both, alone)
        gradients = more_norms.batch_norm2d_relu_backward(dy, cache)
        for one, other in zip(gradients, norm.batch_norm2d_backward(dy * (wanted > 0), c_norm), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)
    np.testing.assert_array_equal(more_norms.batch_norm2d_relu_forward(*args, **options)[0], np.maximum(wanted, 0))


@pytest.mark.parametrize(
    "forward, data",
    [
        (norm.batch_norm2d_forward, {}),
        (more_norms.batch_norm2d_relu_forward, {}),
        (more_norms.frozen_batch_norm2d_forward, dict(mean=np.zeros(4), var=np.full(4, 1e-5))),
        (more_norms.group_norm_forward, dict(groups=2)),
    ],
)
def test_eps_is_a_hundred_thousandth_unless_it_is_set(forward, data):
    """Where the variance is as small as eps itself, so that each eps gives another result."""
    args = [a / 1000 if i == 0 else a for i, a in enumerate(inputs(2, 3, 3, 4))]
    y, _ = forward(*args, **data)
    np.testing.assert_array_equal(y, forward(*args, **data, eps=1e-5)[0])
    assert not np.allclose(y, forward(*args, **data, eps=2e-5)[0])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_frozen_statistics_of_another_type_change_neither_type_nor_value(kind):
    args = [a.astype(np.float32) for a in inputs(2, 3, 2, 3)]
    mean, var = np.arange(3).astype(kind), np.arange(1, 4).astype(kind)
    y, cache = more_norms.frozen_batch_norm2d_forward(*args, mean=mean, var=var)
    wide = [a.astype(np.float64) for a in args]
    wanted, c_wanted = more_norms.frozen_batch_norm2d_forward(*wide, mean=mean.astype(float), var=var.astype(float))
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)
    gradients = more_norms.frozen_batch_norm2d_backward(y, cache)
    for one, other in zip(gradients, more_norms.frozen_batch_norm2d_backward(wanted, c_wanted), strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "forward, backward, data",
    [
        (norm.batch_norm2d_forward, norm.batch_norm2d_backward, {}),
        (more_norms.group_norm_forward, more_norms.group_norm_backward, dict(groups=2)),
    ],
)
def test_keeps_float32(forward, backward, data):
    args = [a.astype(np.float32) for a in inputs(2, 3, 3, 4)]
    y, cache = forward(*args, **data)
    assert [a.dtype for a in (y, *backward(y, cache))] == [np.float32] * 4
