"""kernels/mask_logits.py: the text's values, whatever the number of maps that go through together."""

import mask_predictor
import numpy as np
import pytest

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.kernels import mask_logits as fast

PAIR = fast.mask_logits_forward, fast.mask_logits_backward, mask_predictor.forward, mask_predictor.backward


@pytest.mark.parametrize("budget", [1, 1 << 12, 1 << 20])
@pytest.mark.parametrize(("Q", "S", "T"), [(1, 1, 1), (7, 3, 5), (20, 14, 14)])
def test_equals_the_text(compare_pair, normal, monkeypatch, budget, Q, S, T):
    monkeypatch.setattr(fast, "BUDGET", budget)
    inputs = normal(Q, S, T, 6), normal(2, 2, 6, 5), normal(5), normal(1, 1, 5, 4), normal(4)
    compare_pair(*PAIR, inputs, channel=np.arange(Q) % 4)


def test_what_the_kernel_leaves_to_the_text(is_held_to_float32, gate_of, normal):
    inputs = normal(1, 2, 2, 3), normal(2, 2, 3, 3), normal(3), normal(1, 1, 3, 4), normal(4)

    def takes(x, *weights, channel=(3,), kind=int):
        return gate_of("MaskPredictor.forward")(mask_predictor.made(*weights), x, channel=np.array(channel, kind))

    is_held_to_float32(takes, *inputs)
    for wrong in ([-1], [4], [0, 3], 3):
        assert not takes(*inputs, channel=wrong)
    assert not takes(*inputs, kind=float) and not takes(*(x.astype(np.float64) for x in inputs))
    assert not takes(inputs[0][:0], *inputs[1:], channel=())
    assert not takes(inputs[0][..., :2], *inputs[1:]) and not takes(inputs[0][0], *inputs[1:], channel=(3, 3))

    logits, cache = mask_predictor.forward(*inputs, channel=np.array([3]))
    gate, predictor = gate_of("MaskPredictor.backward"), mask_predictor.made(*inputs[1:])
    assert gate(predictor, logits, cache) and not gate(predictor, logits.astype(np.float64), cache)
    assert not gate(predictor, logits, (cache[0], cache[1].astype(np.float64), cache[2]))
    assert not gate(predictor, logits[:0], cache)
    with pytest.raises(ArgumentError, match="channel must lie in"):
        mask_predictor.forward(*inputs, channel=np.array([4]))
    with pytest.raises(ShapeError, match="conv_transpose2d_forward: "):
        mask_predictor.forward(inputs[0][..., :2], *inputs[1:], channel=np.array([3]))
