"""kernels/c/mask_logits.py: the text's values in every variant, however many maps go through together."""

import mask_predictor
import numpy as np
import pytest

from tinymaskrcnn.kernels import mask_logits as in_numpy
from tinymaskrcnn.kernels.c import mask_logits as fast

PAIR = fast.mask_logits_forward, fast.mask_logits_backward, mask_predictor.forward, mask_predictor.backward


@pytest.mark.in_turn
@pytest.mark.parametrize("budget", [1, 1 << 12, 1 << 20])
@pytest.mark.parametrize(("Q", "S", "T", "D"), [(1, 1, 1, 1), (7, 3, 5, 19), (20, 14, 14, 64)])
def test_equals_the_text(variant, compare_pair, normal, monkeypatch, budget, Q, S, T, D):
    monkeypatch.setattr(in_numpy, "BUDGET", budget)
    inputs = normal(Q, S, T, 6), normal(2, 2, 6, D), normal(D), normal(1, 1, D, 4), normal(4)
    compare_pair(*PAIR, inputs, channel=np.arange(Q) % 4)


def test_arrays_that_are_not_contiguous(compare_pair, normal):
    inputs = normal(3, 6, 4, 5).transpose(0, 2, 3, 1), normal(4, 6, 2, 2).transpose(2, 3, 1, 0), normal(8)[::2]
    compare_pair(*PAIR, (*inputs, normal(7, 4, 1, 1).transpose(2, 3, 1, 0), normal(7)), channel=np.array([6, 0, 6]))


@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_not_a_number_stays_so(variant, normal, sign):
    """Training names the first array with one: no kernel may lose it, nor report it again where it only passes."""
    x = normal(1, 2, 2, 16).copy()
    x[0, 0, 0, 3] = np.copysign(np.float32(np.nan), sign)
    inputs = x, normal(2, 2, 16, 16), normal(16), normal(1, 1, 16, 2), normal(2)
    found, data = [], dict(channel=np.array([1]))
    with np.errstate(all="call", call=lambda *_: found.append(True)):
        logits, cache = fast.mask_logits_forward(*inputs, **data)
        gradients = fast.mask_logits_backward(np.ones_like(logits), cache)
        fast.mask_logits_forward(normal(*x.shape), *inputs[1:], **data)  # would tell what the way back had seen
    assert not found
    wanted, wanted_cache = in_numpy.mask_logits_forward(*inputs, **data)
    h, wanted_h = cache[1], wanted_cache[1]
    assert np.array_equal(np.isnan(h), np.isnan(wanted_h)) and np.array_equal(np.isnan(logits), np.isnan(wanted))
    assert np.isnan(h).any() and not np.isnan(h).all() and h[~np.isnan(h)].min() == 0
    for got, want in zip(gradients, in_numpy.mask_logits_backward(np.ones_like(logits), wanted_cache), strict=True):
        assert np.array_equal(np.isnan(got), np.isnan(want))


def test_what_is_infinite_is_rectified_by_its_sign(variant):
    x = np.array([-np.inf, np.inf, -0.0, 0.0, -1e-45, 1e-45, -1, 1], np.float32).reshape(8, 1, 1, 1)
    one = np.ones((2, 2, 1, 1), np.float32), np.zeros(1, np.float32), np.ones((1, 1, 1, 1), np.float32)
    inputs = x, *one, np.zeros(1, np.float32)
    (_, (_, h, _)), (_, (_, wanted, _)) = (
        way.mask_logits_forward(*inputs, channel=np.zeros(8, int)) for way in (fast, in_numpy)
    )
    assert np.array_equal(h, wanted)
