"""ops/mask_logits.py: three operators under one name, no more and no less."""

import numpy as np
import pytest

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.ops import naive
from tinymaskrcnn.ops.mask_logits import mask_logits_backward, mask_logits_forward


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape)


INPUTS = normal(3, 4, 2, 3), normal(2, 2, 3, 5), normal(5), normal(1, 1, 5, 4), normal(4)
CHANNEL = np.array([1, 0, 1])


def test_equals_the_three_definitions():
    x, deconv_weight, deconv_bias, weight, bias = INPUTS
    logits, _ = mask_logits_forward(*INPUTS, channel=CHANNEL)
    h = np.maximum(naive.conv_transpose2d(x, deconv_weight, deconv_bias, stride=(2, 2)), 0)
    np.testing.assert_allclose(logits, naive.select_conv1x1(h, weight, bias, channel=CHANNEL), atol=1e-12)


def test_channels_that_nobody_asked_for_get_no_gradient():
    logits, cache = mask_logits_forward(*INPUTS, channel=CHANNEL)
    *_, dweight, dbias = mask_logits_backward(np.ones_like(logits), cache)
    assert np.abs(dweight[0, 0]).max(axis=0).astype(bool).tolist() == [True, True, False, False]
    np.testing.assert_allclose(dbias, [4 * 8, 2 * 4 * 8, 0, 0])


def test_bad_input_is_named():
    with pytest.raises(ArgumentError, match="channel must hold 0 .. O-1 = 3; got 0 .. 4"):
        mask_logits_forward(*INPUTS, channel=np.array([0, 4, 1]))
    with pytest.raises(ShapeError, match="mask_logits_forward: weight must be"):
        mask_logits_forward(*INPUTS[:3], normal(1, 1, 6, 4), INPUTS[4], channel=CHANNEL)
