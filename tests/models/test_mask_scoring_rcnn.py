"""What Mask Scoring R-CNN adds: a mask's own score, its loss, and the ways its gradient goes."""

import dataclasses
import types

import numpy as np
import pytest
from tiny_model import tiny_config, tiny_model, tiny_samples, tiny_scene

from tinymaskrcnn.config import BackboneConfig, ModelConfig, RoIConfig
from tinymaskrcnn.config_rules import check_network
from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.evaluation.mask_quality import mask_ious
from tinymaskrcnn.interop.onnx import export_onnx
from tinymaskrcnn.interop.torchvision import to_state_dict
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.found import Found
from tinymaskrcnn.models.heads.mask import MaskHead
from tinymaskrcnn.models.mask_scoring_rcnn import MaskIoUPredictor, MaskScoringHead, mask_iou_body
from tinymaskrcnn.models.shapes import expected_shapes
from tinymaskrcnn.structures import Target
from tinymaskrcnn.targets.mask_iou import ScoredMaskTargets, mask_iou_targets
from tinymaskrcnn.train.finetune import load_fitting

CONFIG = dict(norm="group", mask_iou_widths=(4, 4))


def test_the_last_convolution_halves_the_crop():
    body = mask_iou_body(5, (6, 7, 8), 14, 9, rng=np.random.default_rng(0))
    shapes = [p.value.shape for p in body.parameters()]
    assert shapes[::2] == [(3, 3, 5, 6), (3, 3, 6, 7), (3, 3, 7, 8), (8 * 7 * 7, 9), (9, 9)]
    assert body.forward(np.ones((2, 14, 14, 5), np.float32))[0].shape == (2, 9)
    odd = mask_iou_body(2, (3,), 7, 4, rng=np.random.default_rng(0))
    assert odd.forward(np.ones((1, 7, 7, 2), np.float32))[0].shape == (1, 4)


def test_only_the_asked_class_answers_and_learns():
    predictor = MaskIoUPredictor(3, 4, rng=np.random.default_rng(0)).astype(np.float64)
    h, channel = np.random.default_rng(1).standard_normal((5, 3)), np.array([1, 3, 1, 0, 3])
    iou, cache = predictor.forward(h, channel=channel)
    np.testing.assert_allclose(iou, (h @ predictor.mask_iou.weight.value)[np.arange(5), channel], rtol=1e-12)
    predictor.backward(np.ones(5), cache)
    assert predictor.mask_iou.bias.grad.tolist() == [1, 2, 0, 2]


def head(size=2):
    config = RoIConfig(mask_size=size, mask_widths=(3,), mask_deconv_width=3, mask_iou_widths=(4,), head_width=5)
    return MaskScoringHead(2, 3, config, rng=np.random.default_rng(0))


def test_loss_by_hand():
    """Four masks: all right, half right, none of it right, padding; half of squared errors, a mean over two."""
    logits = np.full((4, 4, 4), -5.0)
    logits[:2, :2] = 5
    masks = np.zeros((4, 4, 4))
    masks[0, :2] = masks[1, 1:3] = masks[3, :2] = 1
    answers = ScoredMaskTargets(masks, np.array([8.0, 16.0, 8.0, 8.0]))  # of the second object half lies in the crop
    np.testing.assert_allclose(mask_iou_targets(logits, answers)[:3], [1, 4 / 20, 0])
    seen = types.SimpleNamespace(weight=np.array([1.0, 1, 1, 0]))
    iou = np.array([0.5, 0.6, 0.9, 0.9])
    losses, cache = head().loss_forward((logits, iou), seen=seen, answers=answers)
    assert losses["mask_iou"] == pytest.approx((0.5**2 + 0.4**2) / 2 / 2)
    _, diou = head().loss_backward({"mask": 1.0, "mask_iou": 3.0}, cache)
    np.testing.assert_allclose(diou, [3 * -0.5 / 2, 3 * 0.4 / 2, 0, 0], rtol=1e-12)
    alone, _ = super(MaskScoringHead, head()).loss_forward(logits, seen=seen, answers=masks)
    assert losses["mask"] == alone["mask"]


def test_answers_are_the_masks_of_mask_rcnn_and_the_areas_of_their_objects():
    """An object of 60 pixels; a crop of 12 x 8 pixels has 16 cells of 6 pixels each, so it covers 10 of them."""
    masks = np.zeros((1, 2, 20, 30), np.uint8)
    masks[0, 1, 4:10, 5:15] = 1
    seen = types.SimpleNamespace(rois=np.array([[4.0, 3, 16, 11]]), matched=np.array([1]), weight=np.ones(1))
    targets, sizes = types.SimpleNamespace(masks=masks), np.array([[20, 30]])
    answers = head().answers(seen, targets, sizes=sizes)
    np.testing.assert_allclose(answers.areas, [10])
    np.testing.assert_array_equal(answers.masks, MaskHead.answers(head(), seen, targets, sizes=sizes))
    assert answers.masks.shape == (1, 4, 4)


def test_masks_and_their_ious_are_said_about_the_boxes_in_use():
    rng = np.random.default_rng(0)
    pyramid = [rng.standard_normal((2, 16 >> k, 16 >> k, 2)).astype(np.float32) for k in range(4)]
    corner = rng.uniform(0, 30, (2, 3, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(6, 30, (2, 3, 2))], axis=2).astype(np.float32)
    valid, labels = np.array([[True, False, True], [False, True, True]]), np.array([[2, 1, 1], [1, 2, 1]])
    scores = np.array([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4]], np.float32)
    said = head().detect(pyramid, Found(boxes, labels, scores, valid), sizes=None).said
    assert said["mask"].shape == (2, 3, 4, 4) and said["mask_iou"].shape == (2, 3)
    for n, k in np.ndindex(2, 3):
        one = dict(rois=boxes[n, k][None], image_index=np.zeros(1, int), channel=labels[n, k][None])
        (logits, iou), _ = head().forward([level[n : n + 1] for level in pyramid], **one)
        np.testing.assert_allclose(said["mask"][n, k], valid[n, k] / (1 + np.exp(-logits[0])), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(said["mask_iou"][n, k], valid[n, k] * iou[0], rtol=1e-4, atol=1e-6)


def test_nothing_to_score_costs_nothing():
    for q in (0, 2):
        y, answers = (np.ones((q, 4, 4)), np.ones(q)), ScoredMaskTargets(np.zeros((q, 4, 4)), np.ones(q))
        losses, cache = head().loss_forward(y, seen=types.SimpleNamespace(weight=np.ones(q)), answers=answers)
        assert losses["mask_iou"] == 0 and not head().loss_backward({"mask": 0.0, "mask_iou": 1.0}, cache)[1].any()


def gradients(model, name, images, targets, samples):
    """Of every parameter, from one of the losses alone."""
    model.zero_grad()
    losses, cache = model.forward(images, targets=targets, samples=samples)
    model.backward({other: float(other == name) for other in losses}, cache)
    return {name: p.grad.copy() for name, p in model.named_parameters()}


def test_what_the_score_learns_reaches_the_mask_head_and_the_crop():
    """The mask is an input like any other, not data; only what the boxes are made of hears nothing."""
    images, targets = tiny_scene()
    model = tiny_model(**CONFIG)
    samples = tiny_samples(model, images, targets)
    losses, _ = model.forward(images, targets=targets, samples=samples)
    assert list(losses)[-2:] == ["mask", "mask_iou"] and losses["mask_iou"] > 0
    from_score = gradients(model, "mask_iou", images, targets, samples)
    from_mask = gradients(model, "mask", images, targets, samples)
    for name, gradient in from_score.items():
        if name.startswith("backbone.fpn"):  # no RoI was cut from some of its levels
            continue
        assert gradient.any() == name.startswith(("backbone.body", "roi_heads.mask")), name
        assert from_mask[name].any() == (gradient.any() and not name.startswith("roi_heads.mask_iou")), name


def test_the_losses_of_the_others_are_those_of_mask_rcnn():
    """The same weights without the new part: the same five losses, bit for bit, and names that carry over."""
    images, targets = tiny_scene()
    model, plain = tiny_model(**CONFIG), tiny_model(norm="group")
    fresh = load_fitting(model, plain.state_dict())
    assert fresh and all(name.startswith(("roi_heads.mask_iou_head", "roi_heads.mask_iou_predictor")) for name in fresh)
    losses, _ = model.forward(images, targets=targets, rng=np.random.default_rng(0))
    wanted, _ = plain.forward(images, targets=targets, rng=np.random.default_rng(0))
    assert {name: loss for name, loss in losses.items() if name != "mask_iou"} == wanted


def test_a_mask_has_the_score_of_its_class_times_its_iou():
    images, _ = tiny_scene()
    model = tiny_model(**CONFIG).eval()
    plain = tiny_model(norm="group").eval()
    plain.load_state_dict({name: array for name, array in model.state_dict().items() if "mask_iou" not in name})
    last = model.roi_heads.heads["mask"].iou_predictor.mask_iou
    last.weight.value[...] = 0
    for bias, factor in ((0.25, 0.25), (7.0, 1.0), (-2.0, 0.0)):  # an IoU is not below 0 nor above 1
        last.bias.value[...] = bias
        for found, wanted in zip(model.detect(images), plain.detect(images), strict=True):
            assert len(found) and np.array_equal(found.boxes, wanted.boxes)
            assert np.array_equal(found.scores, wanted.scores) and np.array_equal(found.masks, wanted.masks)
            np.testing.assert_allclose(found.mask_scores, factor * found.scores, rtol=1e-6)
            assert wanted.mask_scores is None
            assert np.array_equal(found.select([0]).mask_scores, found.mask_scores[:1])


def test_it_learns_how_good_its_masks_are():
    """Two scenes by heart: what it predicts of its masks is what they have."""
    images, targets = tiny_scene((1, 2))
    roi = RoIConfig(mask_iou_widths=(8, 8), mask_widths=(16, 16), head_width=64, samples_per_image=24, mask_size=7)
    backbone = BackboneConfig(widths=(8, 16, 16, 16), fpn_channels=16)
    config = ModelConfig(system="mask_scoring_rcnn", backbone=backbone, roi=roi)
    model = build_model(config, rng=np.random.default_rng(0))
    for step in range(150):
        rate = 0.03 if step < 100 else 0.003  # at the full rate what it says swings too far, and rounding decides
        model.zero_grad()
        losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(step))
        model.backward({name: 1.0 for name in losses}, cache)
        norm = sum(float((p.grad**2).sum()) for p in model.parameters()) ** 0.5
        for p in model.parameters():
            p.value -= rate * min(1, 5 / norm) * p.grad  # clipped, as the Trainer does
    model.eval()
    for n, found in enumerate(model.detect(images)):
        valid = targets.valid[n]
        truth = Target(targets.boxes[n][valid], targets.labels[n][valid], targets.masks[n][valid] > 0)
        sure = found.select(found.scores > 0.5)
        assert len(sure) >= len(truth)
        assert np.abs(sure.mask_scores / sure.scores - mask_ious(truth, sure)).mean() < 0.2  # from 0.8 on


def test_other_formats_refuse_it_in_one_line(tmp_path):
    model = build_model(tiny_config(mask_iou_widths=(4,)), rng=np.random.default_rng(0)).eval()
    with pytest.raises(ConfigError, match="torchvision has no word for model.roi.mask_iou_widths"):
        to_state_dict(model)
    with pytest.raises(ConfigError, match="the ONNX export has no word for model.roi.mask_iou_widths"):
        export_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_scores_need_masks():
    config = tiny_config(heads=("box",), mask_iou_widths=(4,))
    with pytest.raises(ConfigError, match=r"heads must be \['box', 'mask'\] for system 'mask_scoring_rcnn'; got"):
        check_network(config)
    for system, widths in (("mask_rcnn", (4,)), ("mask_scoring_rcnn", ())):
        roi = dataclasses.replace(config.roi, mask_iou_widths=widths)
        wrong = dataclasses.replace(config, system=system, roi=roi, heads=("box", "mask"))
        with pytest.raises(ConfigError, match=r"roi.mask_iou_widths must name widths for system 'mask_scoring_rcnn'"):
            check_network(wrong)
    roi = dataclasses.replace(config.roi, mask_kind="fc")
    with pytest.raises(ConfigError, match="roi.mask_kind must be 'per_class' for masks that are scored; got 'fc'"):
        check_network(dataclasses.replace(config, heads=("box", "mask"), roi=roi))
    assert expected_shapes(tiny_config()).keys() < expected_shapes(tiny_config(mask_iou_widths=(4,))).keys()
