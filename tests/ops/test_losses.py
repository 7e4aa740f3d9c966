"""ops/losses.py: against the definitions and the harness, weights, extreme numbers, and errors."""

import math

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.errors import ArgumentError, DtypeError, ShapeError
from tinymaskrcnn.ops import losses, more_losses, naive, naive_family
from tinymaskrcnn.testing import check_pair

SOFTMAX = losses.softmax_cross_entropy_forward, losses.softmax_cross_entropy_backward
SIGMOID = losses.sigmoid_cross_entropy_forward, losses.sigmoid_cross_entropy_backward
SMOOTH = losses.smooth_l1_forward, losses.smooth_l1_backward
HINGE = more_losses.hinge_forward, more_losses.hinge_backward
SQUARED = more_losses.squared_error_forward, more_losses.squared_error_backward


def every_loss(rng, rows=6, dtype=np.float64):
    """(pair, prediction, data) of each loss, with one row per first axis; no difference lies on a knee."""
    logits = rng.normal(size=(rows, 3)).astype(dtype)
    far = (rng.uniform(1.1, 2, (rows, 4)) * rng.choice([-1, 1], (rows, 4))).astype(dtype)
    near = far * dtype(0.2)
    target = rng.normal(size=(rows, 4)).astype(dtype)
    labels = rng.integers(0, 3, rows)
    return [
        pytest.param(SOFTMAX, logits, dict(labels=labels), id="softmax"),
        pytest.param(SIGMOID, logits, dict(targets=rng.random((rows, 3)).astype(dtype)), id="sigmoid"),
        pytest.param(SMOOTH, target + far, dict(target=target, beta=1.0), id="far"),
        pytest.param(SMOOTH, target + near, dict(target=target, beta=0.5), id="near"),
        pytest.param(SMOOTH, target + far, dict(target=target, beta=0), id="absolute"),
        pytest.param(HINGE, far, dict(targets=np.where(target > 0, 1, -1)), id="hinge"),
        pytest.param(SQUARED, target + far, dict(target=target), id="squared"),
    ]


EVERY = pytest.mark.parametrize("pair, prediction, data", every_loss(np.random.default_rng(3)))
NONE = pytest.mark.parametrize("pair, prediction, data", every_loss(np.random.default_rng(3), rows=0))


# ---------------------------------------------------------------- values and gradients


@examples(60)
@given(rows=st.integers(0, 5), seed=st.integers(0, 999), beta=st.sampled_from([0, 1 / 9, 1.0]))
def test_values_equal_the_definitions(rows, seed, beta):
    rng = np.random.default_rng(seed)
    x, target = rng.normal(size=(2, rows, 3)) * 2
    weight, normalizer = rng.integers(0, 3, rows) / 2, 2.5
    each = np.broadcast_to(weight[:, None], x.shape)
    labels, targets = rng.integers(0, 3, rows), rng.random((rows, 3))
    common = dict(weight=weight, normalizer=normalizer)
    pairs = [
        (SOFTMAX[0](x, labels=labels, **common), naive.softmax_cross_entropy(x, labels=labels, **common)),
        (SMOOTH[0](x, target=target, beta=beta, **common), naive.smooth_l1(x, target=target, beta=beta, **common)),
    ]
    wide = dict(weight=each, normalizer=normalizer)
    sigmoid, squared = (
        naive.sigmoid_cross_entropy(x, targets=targets, **wide),
        naive.squared_error(x, target=target, **wide),
    )
    for data in (common, wide):  # one weight per row, or the same written out for each element
        pairs += [(SIGMOID[0](x, targets=targets, **data), sigmoid), (SQUARED[0](x, target=target, **data), squared)]
    row = dict(targets=np.where(targets < 0.5, -1, 1)[:, 0], weight=each[:, 0], normalizer=normalizer)
    pairs.append((HINGE[0](x[:, 0], **row), naive_family.hinge(x[:, 0], **row)))
    for (loss, _), wanted in pairs:
        assert isinstance(loss, np.ndarray) and loss.shape == ()
        np.testing.assert_allclose(loss, wanted, rtol=1e-12, atol=1e-14)


@EVERY
def test_harness(pair, prediction, data):
    from strict_device import BACKEND

    check_pair(*pair, [prediction], **data, backends=[BACKEND])
    weight = np.array([1, 0, 2, 0.5, 0, 1.0])
    check_pair(*pair, [prediction], **data, weight=weight, normalizer=3.0, backends=[BACKEND])


def test_values_on_paper():
    uniform = np.zeros((2, 4))
    assert SOFTMAX[0](uniform, labels=np.array([0, 3]))[0] == pytest.approx(math.log(4))
    assert SIGMOID[0](np.zeros((2, 1)), targets=np.array([[0.0], [1]]))[0] == pytest.approx(math.log(2))
    difference = np.array([[0.5, 1.0, -3.0]])
    assert SMOOTH[0](difference, target=np.zeros((1, 3)), beta=1)[0] == 0.125 + 0.5 + 2.5
    assert SMOOTH[0](difference, target=np.zeros((1, 3)), beta=0)[0] == 4.5
    assert SQUARED[0](np.array([1.0, 3]), target=np.array([0.0, 1]))[0] == 2.5


def test_smooth_l1_does_not_jump_at_the_knee():
    """A printed version with `|d|` beyond 1, without the `- 0.5`, jumps by a half there."""
    around = np.array([[1 - 1e-9], [1 + 1e-9]])
    low, high = (SMOOTH[0](d[None], target=np.zeros((1, 1)), beta=1)[0] for d in around)
    assert abs(high - low) < 1e-8


# ---------------------------------------------------------------- weight and normalizer


@EVERY
def test_without_weight_it_is_the_mean_over_rows(pair, prediction, data):
    forward, _ = pair
    mean, _ = forward(prediction, **data)
    rows = [{k: v[i : i + 1] if isinstance(v, np.ndarray) else v for k, v in data.items()} for i in range(6)]
    single = [forward(prediction[i : i + 1], **row)[0] for i, row in enumerate(rows)]
    np.testing.assert_allclose(mean, np.mean(single), rtol=1e-12)
    np.testing.assert_allclose(mean, forward(prediction, **data, weight=np.ones(6))[0], rtol=1e-14)
    half = np.array([1, 0, 1, 0, 1.0, 0])
    np.testing.assert_allclose(forward(prediction, **data, weight=half)[0], np.mean(single[::2]), rtol=1e-12)
    summed, _ = forward(prediction, **data, normalizer=np.asarray(2.0))
    factor = prediction[0].size if pair in (SIGMOID, SQUARED, HINGE) else 1  # these two average over elements
    np.testing.assert_allclose(summed, np.sum(single) * factor / 2, rtol=1e-12)


@pytest.mark.parametrize("junk", [np.inf, -np.inf, 1e300])
@EVERY
def test_a_row_of_weight_zero_counts_for_nothing_whatever_it_holds(pair, prediction, data, junk):
    forward, backward = pair
    weight = np.array([1, 1, 0, 1, 0, 1.0])
    spoilt = prediction.copy()
    spoilt[2] = junk
    data = dict(data)
    if "labels" in data:
        data["labels"] = np.where(weight > 0, data["labels"], -1)
    loss, cache = forward(spoilt, **data, weight=weight)
    clean, clean_cache = forward(prediction, **dict(data), weight=weight)
    assert loss == clean
    gradient = backward(1.0, cache)
    assert not gradient[weight == 0].any() and gradient[weight > 0].any()
    np.testing.assert_array_equal(gradient, backward(1.0, clean_cache))


@EVERY
def test_weights_that_sum_to_less_than_one_are_divided_by_one(pair, prediction, data):
    """So that a tenth of a row costs a tenth; from one on it is their mean."""
    one_row = {k: v[:1] if isinstance(v, np.ndarray) else v for k, v in data.items()}
    (whole, cache), each = pair[0](prediction[:1], **one_row, normalizer=1.0), prediction[0].size
    size = each if pair in (SIGMOID, SQUARED, HINGE) else 1  # these two weigh elements, each of which counts
    for weight in (0.05, 0.2, 0.5, 4.0):
        loss, c_weighted = pair[0](prediction[:1], **one_row, weight=np.array([weight]))
        share = weight / max(weight * size, 1)
        np.testing.assert_allclose(loss, share * whole, rtol=1e-12)
        np.testing.assert_allclose(pair[1](1.0, c_weighted), share * pair[1](1.0, cache), rtol=1e-12)


@EVERY
def test_when_nothing_counts_the_loss_is_zero(pair, prediction, data):
    forward, backward = pair
    loss, cache = forward(prediction, **data, weight=np.zeros(6))
    assert loss == 0
    assert not backward(1.0, cache).any()


@NONE
def test_no_rows(pair, prediction, data):
    forward, backward = pair
    loss, cache = forward(prediction, **data)
    assert loss == 0
    assert backward(1.0, cache).shape == prediction.shape


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("size", [1e3, 1e30])
def test_huge_logits_do_not_overflow(size):
    logits = np.array([[size, -size, 0]], np.float32)
    for label, wanted in ((0, 0), (1, 2 * size), (2, size)):
        loss, cache = SOFTMAX[0](logits, labels=np.array([label]))
        np.testing.assert_allclose(loss, wanted, rtol=1e-6)
        assert np.isfinite(SOFTMAX[1](1.0, cache)).all()
    loss, cache = SIGMOID[0](logits, targets=np.array([[0, 1, 1]], np.float32), normalizer=1)
    np.testing.assert_allclose(loss, 2 * size + math.log(2), rtol=1e-6)
    np.testing.assert_array_equal(SIGMOID[1](1.0, cache), [[1, -1, -0.5]])


def test_small_losses_keep_their_digits():
    """log(1 + exp(-30)) is 9.4e-14, and 0 when one adds before taking the logarithm."""
    loss, _ = SIGMOID[0](np.array([[30.0]]), targets=np.array([[1.0]]))
    np.testing.assert_allclose(loss, math.exp(-30), rtol=1e-12)


@pytest.mark.parametrize("dloss", [2.0, np.float64(2), np.asarray(2.0, np.float32), np.asarray(2.0)])
@pytest.mark.parametrize("pair, prediction, data", every_loss(np.random.default_rng(3), dtype=np.float32))
def test_float32_stays_float32(pair, prediction, data, dloss):
    forward, backward = pair
    wide = {
        k: v.astype(np.float64) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v for k, v in data.items()
    }
    weight = np.array([True, False, True, True, False, True])
    for options in (data, dict(data, weight=weight), dict(wide, normalizer=np.float64(3)), dict(data, normalizer=3)):
        loss, cache = forward(prediction, **options)
        assert loss.dtype == np.float32
        gradient = backward(dloss, cache)
        assert gradient.dtype == np.float32
        np.testing.assert_allclose(gradient, 2 * backward(1, cache), rtol=1e-6)


@EVERY
def test_a_device_never_waits(pair, prediction, data, device):
    from strict_device import counting

    there = {k: device.asarray(v) if isinstance(v, np.ndarray) else v for k, v in data.items()}
    weight = device.asarray(np.array([1, 0, 1, 1, 0, 1.0]))
    with counting() as cost:
        loss, cache = pair[0](device.asarray(prediction), **there, weight=weight, normalizer=weight.sum())
        gradient = pair[1](loss * 2, cache)
    assert cost.synchronisations == 0
    assert loss.shape == () and to_host(gradient).shape == prediction.shape


# ---------------------------------------------------------------- errors


def test_messages():
    logits = np.zeros((3, 4), np.float32)
    labels = np.array([0, 4, -1])
    with pytest.raises(ArgumentError, match=r"labels must lie in 0..3; got 4 at position 1"):
        SOFTMAX[0](logits, labels=labels)
    with pytest.raises(ArgumentError, match=r"labels must lie in 0..3; got -1 at position 2"):
        SOFTMAX[0](logits, labels=labels, weight=np.array([1, 0, 1]))
    with pytest.raises(DtypeError, match="labels must hold integers; got float64"):
        SOFTMAX[0](logits, labels=np.zeros(3))
    with pytest.raises(ShapeError, match="labels must be .* K = 3 to fit logits"):
        SOFTMAX[0](logits, labels=np.zeros(4, int))
    with pytest.raises(ShapeError, match=r"targets must have the shape of the prediction \(3, 4\); got \(3, 1\)"):
        SIGMOID[0](logits, targets=logits[:, :1])
    with pytest.raises(ShapeError, match=r"target must have the shape of the prediction \(3, 4\); got \(1, 4\)"):
        SMOOTH[0](logits, target=logits[:1], beta=1)
    with pytest.raises(
        ShapeError, match=r"squared_error_forward: weight must have the leading axes of \(3, 4\).*\(4,\)"
    ):
        SQUARED[0](logits, target=logits, weight=np.ones(4))
    with pytest.raises(ShapeError, match=r"smooth_l1_forward: weight must have the leading axes of \(3,\).*\(3, 4\)"):
        SMOOTH[0](logits, target=logits, beta=1, weight=np.ones((3, 4)))
    with pytest.raises(ArgumentError, match="smooth_l1_forward: beta must be at least 0; got -1"):
        SMOOTH[0](logits, target=logits, beta=-1)
    with pytest.raises(ArgumentError, match="sigmoid_cross_entropy_forward: normalizer must be above 0; got 0"):
        SIGMOID[0](logits, targets=logits, normalizer=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beta", [1e-12, 1e-3, 1 / 9, 1.0, 1e3])
def test_smooth_l1_of_huge_and_tiny_distances(dtype, beta):
    """No warning, which would fail the test, where the result is a number: slopes of 1 beyond the knee."""
    largest = 1e30 if dtype == np.float32 else 1e300
    distances = np.array([[0, beta / 2, -beta / 2, largest, -largest, 1e-20, -beta]], dtype)
    with np.errstate(all="raise", under="ignore"):
        loss, cache = losses.smooth_l1_forward(distances, target=np.zeros_like(distances), beta=beta, normalizer=1.0)
        slope = losses.smooth_l1_backward(1.0, cache)
    assert np.isfinite(loss) and slope.dtype == dtype
    np.testing.assert_allclose(slope, [[0, 0.5, -0.5, 1, -1, dtype(1e-20) / dtype(beta), -1]], rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e4, 1e15, 1e30])
def test_cross_entropies_of_huge_logits(dtype, size):
    """The losses of sure answers, right and wrong, are numbers, and their gradients lie within -1 .. 1."""
    logits = np.array([[size, -size, 0], [-size, size, size], [0, 0, -size]], dtype)
    with np.errstate(all="raise", under="ignore"):
        loss, cache = losses.softmax_cross_entropy_forward(logits, labels=np.array([0, 0, 2]))
        gradients = [losses.softmax_cross_entropy_backward(1.0, cache)]
        both, cache = losses.sigmoid_cross_entropy_forward(logits, targets=(logits > 0).astype(dtype))
        gradients.append(losses.sigmoid_cross_entropy_backward(1.0, cache))
    assert np.isfinite(loss) and np.isfinite(both)
    assert all(np.abs(gradient).max() <= 1 for gradient in gradients)


def test_what_a_loss_is_divided_by_may_be_counted_over_several_machines():
    weight = np.array([1, 0, 1], np.float32)
    assert losses.total_weight(weight) == 2 and losses.total_weight(0 * weight) == 1
    token = losses.BATCH_SUM.set(lambda own: own + 3)
    try:
        assert losses.total_weight(weight) == 5 and losses.total_weight(0 * weight) == 3
        loss, _ = losses.sigmoid_cross_entropy_forward(np.zeros(3), targets=np.ones(3), weight=weight)
        assert loss == pytest.approx(2 * np.log(2) / 5)
    finally:
        losses.BATCH_SUM.reset(token)
