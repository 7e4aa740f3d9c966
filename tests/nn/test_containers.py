"""Sequential's order and names, and the sum that never writes into its terms."""

import numpy as np
import pytest

from tinymaskrcnn.nn.layers import Linear, ReLU
from tinymaskrcnn.nn.module import Identity, Sequential, sum_grads

A, B, C = (np.full((2, 2), value) for value in (1.0, 2.0, 4.0))


def lock(*arrays):
    for array in arrays:
        array.setflags(write=False)


def test_sequential_runs_forward_and_back_in_order():
    rng = np.random.default_rng(0)
    first, second = Linear(3, 4, rng=rng), Linear(4, 2, rng=rng)
    net = Sequential(first, ReLU(), second)
    x = rng.standard_normal((5, 3)).astype(np.float32)
    y, cache = net.forward(x)
    h = np.maximum(x @ first.weight.value, 0)
    np.testing.assert_allclose(y, h @ second.weight.value, rtol=1e-5)
    dx = net.backward(np.ones_like(y), cache)
    want = (np.ones_like(y) @ second.weight.value.T * (h > 0)) @ first.weight.value.T
    np.testing.assert_allclose(dx, want, rtol=1e-5)


def test_the_text_runs_in_the_same_order():
    """What a reader sees, which a fast twin may replace."""
    rng = np.random.default_rng(1)
    net = Sequential(Linear(3, 4, rng=rng), ReLU(), Linear(4, 2, rng=rng))
    x, dy = rng.standard_normal((5, 3)).astype(np.float32), rng.standard_normal((5, 2)).astype(np.float32)
    y, cache = net.forward(x)
    wanted = [y, net.backward(dy, cache), *(p.grad.copy() for p in net.parameters())]
    net.zero_grad()
    y, cache = Sequential.forward.readable(net, x)
    dx = Sequential.backward.readable(net, dy, cache)
    for one, other in zip([y, dx, *(p.grad for p in net.parameters())], wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert Sequential.forward.readable(net.eval(), x)[1] is None


def test_names_are_positions_or_keywords():
    net = Sequential(ReLU(), act=ReLU(), last=Identity())
    assert [name for name, _ in net.named_modules()] == ["", "0", "act", "last"]


def test_an_empty_sequence_hands_through():
    y, cache = Sequential().forward(A)
    assert y is A and Sequential().backward(B, cache) is B


def test_sum_leaves_its_terms_alone():
    lock(A, B, C)
    assert np.array_equal(sum_grads(A, B, C), np.full((2, 2), 7.0))
    assert np.array_equal(A, np.ones((2, 2)))


def test_nothing_and_single_terms():
    assert sum_grads() is None and sum_grads(None, None) is None
    assert sum_grads(None, A, None) is A


def test_pyramids_are_added_level_by_level():
    total = sum_grads([A, B], None, [B, None], (C, C))
    assert np.array_equal(total[0], A + B + C) and np.array_equal(total[1], B + C)
    with pytest.raises(ValueError, match="shorter"):
        sum_grads([A, B], [A])  # one user lost a level
