"""Mask heads of other kinds: what each says about a RoI, what it learns from, and that it learns."""

import dataclasses
import types

import numpy as np
import pytest
from tiny_model import tiny_config, tiny_model, tiny_scene

from tinymaskrcnn.config import RoIConfig
from tinymaskrcnn.models.heads.mask import MaskHead
from tinymaskrcnn.models.heads.mask_variants import MASK_HEADS, AgnosticMaskHead, FlatMaskHead, SoftmaxMaskHead
from tinymaskrcnn.ops import activation

KINDS = list(MASK_HEADS)
CONFIG = RoIConfig(mask_size=2, mask_widths=(5, 4), mask_deconv_width=3)


def made(kind, classes=3):
    return kind(2, classes, CONFIG, rng=np.random.default_rng(0)).astype(np.float64)


def looked(head, rng, labels=None):
    rois = np.array([[0, 0, 16, 16], [4, 8, 30, 20.0]])
    pyramid = [rng.standard_normal((1, 8, 8, 2))]
    question = {} if labels is None else head.question(np.array(labels))
    return head.forward(pyramid, rois=rois, image_index=np.zeros(2, int), **question)[0]


def test_the_agnostic_mask_does_not_know_the_class():
    head = made(AgnosticMaskHead)
    masks = [looked(head, np.random.default_rng(1), labels) for labels in ((1, 2), (2, 1))]
    np.testing.assert_array_equal(*masks)
    assert masks[0].shape == (2, 4, 4)
    assert head.predictor.mask_fcn_logits.weight.value.shape[-1] == 1
    other = [looked(made(MaskHead), np.random.default_rng(1), labels) for labels in ((1, 2), (2, 1))]
    assert not np.allclose(*other)


def test_softmax_loss_is_the_class_inside_and_background_outside():
    """By hand: minus the logarithm of each pixel's own probability, the mean over the pixels of the RoIs that count."""
    head, rng = made(SoftmaxMaskHead), np.random.default_rng(2)
    logits, answers = rng.standard_normal((3, 4, 4, 3)), rng.uniform(0, 1, (3, 4, 4))
    answers[0, 0, 0] = 0.5  # half is inside
    seen = types.SimpleNamespace(labels=np.array([1, 2, 1]), weight=np.array([1.0, 1, 0]))
    losses, cache = head.loss_forward(logits, seen=seen, answers=answers)
    wanted = 0
    for q, i, j in np.ndindex(2, 4, 4):
        scores = np.exp(logits[q, i, j])
        wanted -= np.log(scores[seen.labels[q] if answers[q, i, j] >= 0.5 else 0] / scores.sum()) / 32
    np.testing.assert_allclose(losses["mask"], wanted)
    dlogits = head.loss_backward({"mask": 1.0}, cache)
    np.testing.assert_allclose(dlogits.sum(axis=3), 0, atol=1e-15)  # classes compete
    assert dlogits[:2].any(axis=3).all() and not dlogits[2].any()


def test_softmax_masks_are_the_probability_of_the_class_that_was_found():
    images, _ = tiny_scene()
    model = tiny_model(mask_kind="softmax").eval()
    said, head = [], model.roi_heads.heads["mask"]
    forward = head.forward
    head.forward = lambda *args, **data: said.append(forward(*args, **data)) or said[-1]
    x, _ = model.normalize.forward(images, sizes=np.full((2, 2), 64))
    pyramid, _ = model.backbone.forward(x)
    answers, _ = model.rpn.forward(pyramid)
    sizes = np.full((2, 2), 64)
    rois, valid = model.rpn.propose(pyramid, *answers, image_size=(64, 64), sizes=sizes)
    found = model.roi_heads.detect(pyramid, rois, valid, sizes=sizes)
    probabilities = activation.softmax_forward(said[0][0])[0]
    labels = found.labels[found.valid]
    assert len(labels) > 2 and found.said["mask"].shape[2:] == (8, 8)
    np.testing.assert_array_equal(found.said["mask"][found.valid], [p[..., k] for p, k in zip(probabilities, labels)])


def test_a_flat_head_says_every_pixel_by_itself():
    head, rng = made(FlatMaskHead), np.random.default_rng(3)
    widths = [p.value.shape for name, p in head.named_parameters() if name.endswith("weight")]
    assert widths == [(8, 5), (5, 4), (4, 3 * 16)]
    last = head.predictor.mask_fcn_logits
    h = rng.standard_normal((2, 4))
    every = (h @ last.weight.value + last.bias.value).reshape(2, 3, 4, 4)
    logits, cache = head.predictor.forward(h, channel=np.array([2, 0]))
    np.testing.assert_allclose(logits, every[[0, 1], [2, 0]])
    head.predictor.backward(np.ones_like(logits), cache)
    np.testing.assert_allclose(last.bias.grad.reshape(3, 16), [[1] * 16, [0] * 16, [1] * 16])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns_and_reports_masks(kind):
    """30 steps of gradient descent on two scenes: the loss of the masks falls, and masks come out as pictures."""
    images, targets = tiny_scene()
    model = tiny_model(norm="group", mask_kind=kind)
    history = []
    for _ in range(30):
        model.zero_grad()
        losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
        model.backward({name: 1.0 for name in losses}, cache)
        for p in model.parameters():
            p.value -= 0.1 * p.grad
        history.append(float(losses["mask"]))
    assert np.mean(history[-5:]) < 0.8 * np.mean(history[:3])
    for found in model.eval().detect(images):
        assert found.masks.shape == (len(found), 64, 64) and found.masks.dtype == bool
    again = type(model)(model.backbone, model.rpn, model.roi_heads, model.config)
    assert again.load_state_dict(model.state_dict()) is again


@pytest.mark.parametrize("kind", KINDS)
def test_without_objects_the_mask_costs_nothing(kind):
    images, targets = tiny_scene(objects=(0, 0))
    model = tiny_model(mask_kind=kind)
    losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
    model.backward({name: 1.0 for name in losses}, cache)
    assert losses["mask"] == 0 and all(np.isfinite(p.grad).all() for p in model.parameters())
    assert not any(p.grad.any() for name, p in model.named_parameters() if "mask" in name)


def test_the_kind_is_a_setting():
    for kind in KINDS:
        assert type(tiny_model(mask_kind=kind).roi_heads.heads["mask"]) is MASK_HEADS[kind]
    assert tiny_config().roi == dataclasses.replace(tiny_config().roi, mask_kind="per_class")
