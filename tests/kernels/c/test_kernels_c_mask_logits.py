"""kernels/c/mask_logits.py: the text's values in every variant, however many maps go through together."""

import mask_predictor
import numpy as np
import pytest

from tinymaskrcnn.kernels import mask_logits as in_numpy
from tinymaskrcnn.kernels.c import mask_logits as fast

PAIR = fast.mask_logits_forward, fast.mask_logits_backward, mask_predictor.forward, mask_predictor.backward


@pytest.mark.parametrize("budget", [1, 1 << 12, 1 << 20])
@pytest.mark.parametrize(("Q", "S", "T", "D"), [(1, 1, 1, 1), (7, 3, 5, 19), (20, 14, 14, 64)])
def test_equals_the_text(variant, compare_pair, normal, monkeypatch, budget, Q, S, T, D):
    monkeypatch.setattr(fast, "BUDGET", budget)
    inputs = normal(Q, S, T, 6), normal(2, 2, 6, D), normal(D), normal(1, 1, D, 4), normal(4)
    compare_pair(*PAIR, inputs, channel=np.arange(Q) % 4)


def test_arrays_that_are_not_contiguous(compare_pair, normal):
    inputs = normal(3, 6, 4, 5).transpose(0, 2, 3, 1), normal(4, 6, 2, 2).transpose(2, 3, 1, 0), normal(8)[::2]
    compare_pair(*PAIR, (*inputs, normal(7, 4, 1, 1).transpose(2, 3, 1, 0), normal(7)), channel=np.array([6, 0, 6]))


def test_what_is_not_a_number_stays_so(variant, normal):
    """Training names the first array with one: no kernel may lose it."""
    x = normal(1, 2, 2, 16).copy()
    x[0, 0, 0, 3] = np.nan
    inputs = x, normal(2, 2, 16, 16), normal(16), normal(1, 1, 16, 2), normal(2)
    with np.errstate(invalid="ignore"):  # the processor reports it again where it is compared with zero
        logits, (_, h, _) = fast.mask_logits_forward(*inputs, channel=np.array([1]))
    wanted, (_, wanted_h, _) = in_numpy.mask_logits_forward(*inputs, channel=np.array([1]))
    assert np.array_equal(np.isnan(h), np.isnan(wanted_h)) and np.array_equal(np.isnan(logits), np.isnan(wanted))
    assert np.isnan(h).any() and not np.isnan(h).all() and h[~np.isnan(h)].min() == 0


def test_the_gate_of_the_way_back(is_held_to_float32, normal):
    weights = normal(2, 2, 3, 5), normal(5), normal(1, 1, 5, 4), normal(4)
    predictor = mask_predictor.made(*weights)
    logits, cache = fast.forward(predictor, normal(2, 3, 3, 3), channel=np.array([3, 1]))
    assert fast._takes_backward(predictor, logits, cache)
    assert not fast._takes_backward(predictor, logits.astype(np.float64), cache)
    assert not fast._takes_backward(predictor, logits, (cache[0], cache[1].astype(np.float64), cache[2]))


def test_gradients_add_up_and_inference_keeps_nothing(normal):
    weights = normal(2, 2, 3, 5), normal(5), normal(1, 1, 5, 4), normal(4)
    predictor, x, channel = mask_predictor.made(*weights), normal(2, 3, 3, 3), np.array([3, 1])
    logits, cache = fast.forward(predictor, x, channel=channel)
    for _ in range(2):
        fast.backward(predictor, logits, cache)
    once = fast.mask_logits_backward(logits, cache)[1:]
    for parameter, gradient in zip(predictor.parameters(), once, strict=True):
        np.testing.assert_allclose(parameter.grad, 2 * gradient, rtol=1e-6)
    assert fast.forward(predictor.eval(), x, channel=channel)[1] is None
