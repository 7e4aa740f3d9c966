"""kernels/mask_logits.py: the text's values, whatever the number of maps that go through together."""

import numpy as np
import pytest

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.kernels import mask_logits as fast
from tinymaskrcnn.ops import mask_logits

PAIR = (
    fast.mask_logits_forward,
    fast.mask_logits_backward,
    mask_logits.mask_logits_forward,
    mask_logits.mask_logits_backward,
)


@pytest.mark.parametrize("budget", [1, 1 << 12, 1 << 20])
@pytest.mark.parametrize(("Q", "S", "T"), [(1, 1, 1), (7, 3, 5), (20, 14, 14)])
def test_equals_the_text(compare_pair, normal, monkeypatch, budget, Q, S, T):
    monkeypatch.setattr(fast, "BUDGET", budget)
    inputs = normal(Q, S, T, 6), normal(2, 2, 6, 5), normal(5), normal(1, 1, 5, 4), normal(4)
    compare_pair(*PAIR, inputs, channel=np.arange(Q) % 4)


def test_what_the_kernel_leaves_to_the_text(is_held_to_float32, gate_of, normal):
    inputs = normal(1, 2, 2, 3), normal(2, 2, 3, 3), normal(3), normal(1, 1, 3, 4), normal(4)
    is_held_to_float32(lambda *floats: fast._takes(*floats, channel=np.array([0])), *inputs)
    for wrong in ([-1], [4], [0, 4], [-1, 3]):
        assert not fast._takes(*inputs, channel=np.array(wrong))
    logits, cache = fast.mask_logits_forward(*inputs, channel=np.array([3]))
    gate = gate_of("mask_logits_backward")
    assert gate(logits, cache) and not gate(logits.astype(np.float64), cache)
    assert not gate(logits, (cache[0], cache[1].astype(np.float64), cache[2])) and not gate(logits[:0], cache)
    assert fast._takes(*inputs, channel=np.array([3]))
    assert not fast._takes(*(x.astype(np.float64) for x in inputs), channel=np.array([3]))
    assert not fast._takes(inputs[0][:0], *inputs[1:], channel=np.zeros(0, int))
    with pytest.raises(ArgumentError, match="channel must hold"):
        mask_logits.mask_logits_forward(*inputs, channel=np.array([4]))
