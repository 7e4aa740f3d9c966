"""The mask predictor computes one class's mask; it must be the one it would have got among all."""

import types

import numpy as np
import pytest

from tinymaskrcnn.config import RoIConfig
from tinymaskrcnn.models.heads.mask import MaskHead, MaskPredictor, mask_body
from tinymaskrcnn.models.heads.mask_variants import MASK_HEADS
from tinymaskrcnn.ops import naive

HEAD = MaskHead(2, 3, RoIConfig(mask_widths=(2,), mask_deconv_width=2), rng=np.random.default_rng(0))


def seen(weight):
    return types.SimpleNamespace(weight=np.array(weight, np.float32))


def test_the_asked_channel_is_the_one_of_the_full_convolution():
    rng = np.random.default_rng(0)
    predictor = MaskPredictor(6, 5, 4, rng=rng)
    x = rng.standard_normal((3, 7, 7, 6)).astype(np.float32)
    channel = np.array([2, 0, 3])
    logits, _ = predictor.forward(x, channel=channel)
    h, _ = predictor.conv5_mask.forward(x)
    every, _ = predictor.mask_fcn_logits.forward(np.maximum(h, 0))  # (Q, 14, 14, classes)
    assert logits.shape == (3, 14, 14)
    np.testing.assert_allclose(logits, every[np.arange(3), :, :, channel], rtol=1e-4, atol=1e-5)


def test_the_predictor_equals_the_three_definitions():
    rng = np.random.default_rng(0)
    predictor, channel = MaskPredictor(3, 5, 4, rng=rng).astype(np.float64), np.array([1, 0, 1])
    for parameter in predictor.parameters():
        parameter.value = rng.standard_normal(parameter.value.shape)
    deconv, last = predictor.conv5_mask, predictor.mask_fcn_logits
    x = rng.standard_normal((3, 4, 2, 3))
    h = np.maximum(naive.conv_transpose2d(x, deconv.weight.value, deconv.bias.value, stride=(2, 2)), 0)
    wanted = naive.select_conv1x1(h, last.weight.value, last.bias.value, channel=channel)
    logits, cache = predictor.forward(x, channel=channel)
    np.testing.assert_allclose(logits, wanted, atol=1e-12)
    predictor.backward(np.ones_like(logits), cache)
    np.testing.assert_allclose(last.bias.grad, [4 * 8, 2 * 4 * 8, 0, 0])


def test_channels_that_nobody_asked_for_get_no_gradient():
    rng = np.random.default_rng(0)
    predictor = MaskPredictor(6, 5, 4, rng=rng)
    x = rng.standard_normal((3, 7, 7, 6)).astype(np.float32)
    logits, cache = predictor.forward(x, channel=np.array([2, 2, 3]))
    predictor.backward(np.ones_like(logits), cache)
    touched = np.abs(predictor.mask_fcn_logits.weight.grad[0, 0]).max(axis=0) > 0
    assert touched.tolist() == [False, False, True, True]


def test_loss_is_the_mean_over_pixels_of_positive_rois():
    logits = np.zeros((2, 4, 4), np.float32)
    targets = np.ones((2, 4, 4), np.float32)
    losses, cache = HEAD.loss_forward(logits, seen=seen([1, 0]), answers=targets)
    np.testing.assert_allclose(losses["mask"], np.log(2), rtol=1e-6)
    dlogits = HEAD.loss_backward({"mask": 1.0}, cache)
    np.testing.assert_allclose(dlogits[0], -0.5 / 16, rtol=1e-6)
    assert (dlogits[1] == 0).all()


@pytest.mark.parametrize("kind", ["per_class", "softmax"])
def test_loss_of_a_part_of_a_weight_on_maps_that_are_not_square(kind, rng):
    """The mean over pixels by weight; the gradient is that of the scale it is asked for, by small steps."""
    config = RoIConfig(mask_widths=(2,), mask_deconv_width=2)
    head, weight, labels = MASK_HEADS[kind](2, 3, config, rng=rng), np.array([1, 0.5, 0, 1]), np.array([2, 1, 1, 2])
    logits, answers = rng.standard_normal((4, 2, 3, 3)[: 3 + (kind == "softmax")]), rng.random((4, 2, 3))

    def by_definition(logits):
        total = 0.0
        for q, i, j in np.ndindex(4, 2, 3):
            if kind == "softmax":
                scores = np.exp(logits[q, i, j])
                loss = -np.log(scores[labels[q] if answers[q, i, j] >= 0.5 else 0] / scores.sum())
            else:
                p = 1 / (1 + np.exp(-logits[q, i, j]))
                loss = -answers[q, i, j] * np.log(p) - (1 - answers[q, i, j]) * np.log(1 - p)
            total += weight[q] * loss
        return total / (2.5 * 6)

    learnt = types.SimpleNamespace(weight=weight, labels=labels)
    losses, cache = head.loss_forward(logits, seen=learnt, answers=answers)
    np.testing.assert_allclose(losses["mask"], by_definition(logits), rtol=1e-12)
    dlogits = head.loss_backward({"mask": -3.0}, cache)
    for place in np.ndindex(logits.shape):
        step = np.zeros(logits.shape)
        step[place] = 1e-5
        slope = (by_definition(logits + step) - by_definition(logits - step)) / 2e-5
        np.testing.assert_allclose(dlogits[place], -3 * slope, atol=1e-8)
    alone = types.SimpleNamespace(weight=np.array([0.0, 0, 0, 1]), labels=labels)
    losses, _ = head.loss_forward(logits * 0, seen=alone, answers=answers)
    np.testing.assert_allclose(losses["mask"], np.log(3 if kind == "softmax" else 2), rtol=1e-12)


def test_no_positive_rois_cost_nothing():
    head = mask_body(4, (6, 6), rng=np.random.default_rng(0))
    h, _ = head.forward(np.zeros((0, 14, 14, 4), np.float32))
    predictor = MaskPredictor(6, 5, 4, rng=np.random.default_rng(0))
    logits, _ = predictor.forward(h, channel=np.zeros(0, int))
    losses, _ = HEAD.loss_forward(logits, seen=seen([]), answers=logits)
    assert losses["mask"] == 0


def test_a_norm_after_every_convolution():
    head = mask_body(4, (6, 5), norm="batch", rng=np.random.default_rng(0))
    names = ["weight", "bias", "running_mean", "running_var"]
    assert list(head.state_dict()) == [f"{i}.{n}" for i in (0, 1) for n in ["0.weight", *(f"1.{n}" for n in names)]]


def test_answers_are_twice_as_fine_as_the_crop():
    head = MaskHead(2, 3, RoIConfig(mask_widths=(2,), mask_deconv_width=2, mask_size=3), rng=np.random.default_rng(0))
    masks = np.zeros((1, 1, 20, 20), np.uint8)
    masks[0, 0, :, 10:] = 1
    rois, matched = np.array([[4.0, 4, 16, 16]], np.float32), np.array([0])
    seen, targets = types.SimpleNamespace(rois=rois, matched=matched), types.SimpleNamespace(masks=masks)
    found = head.answers(seen, targets, sizes=np.array([[20, 20]]))
    np.testing.assert_array_equal(found, np.tile([0, 0, 0, 1, 1, 1], (1, 6, 1)))

