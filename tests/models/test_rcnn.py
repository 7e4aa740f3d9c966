"""models/rcnn.py: detections against plain loops, what each part is for, and names that other detectors share."""

import dataclasses

import numpy as np
import pytest
from tiny_model import tiny_model, tiny_proposals, tiny_rcnn, tiny_scene

from tinymaskrcnn.config import ModelConfig, RCNNConfig
from tinymaskrcnn.config_rules import check_network
from tinymaskrcnn.errors import ArgumentError, ConfigError
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.shapes import expected_shapes, weights_bytes
from tinymaskrcnn.ops import boxes as geometry
from tinymaskrcnn.ops import naive, naive_family
from tinymaskrcnn.train.finetune import freeze_stages
from tinymaskrcnn.train.optimizer import SGD


def fitted(seed=0, **settings):
    """A tiny R-CNN whose classifiers and regression are drawn: scores on both sides of 1/2, boxes that move."""
    model = tiny_rcnn(seed=seed, **settings)
    predictor, rng = model.roi_heads.heads["box"].predictor, np.random.default_rng(seed)
    sizes = {"svm_weight": 1, "svm_bias": 0.5, "bbox_weight": 0.3, "bbox_bias": 0.5}
    predictor.install(*(rng.normal(0, size, getattr(predictor, name).value.shape) for name, size in sizes.items()))
    return model.eval()


def scene(seed=0):
    images, targets = tiny_scene(seed=seed)
    return images, *tiny_proposals(targets, seed=seed)


def rule(rows):
    return {"iou_threshold": 0.3, "group": np.zeros(len(rows), int)}


def by_loops(model, images, proposals, valid, n, size=(64, 64)):
    """What is found in picture n, box by box and class by class: [(score, label, box)], best first."""
    head, config = model.roi_heads.heads["box"], model.config
    picture = (images[n : n + 1] - config.image_mean) / config.image_std
    kept = []
    rows = np.flatnonzero(valid[n])
    where = dict(boxes=proposals[n, rows], image_index=np.zeros(len(rows), int))
    crops = naive_family.warp(picture, **where, size=config.rcnn.warp_size, context=config.rcnn.context)
    pool5, fc7 = head.body.features(crops.astype(np.float32))
    for label in range(1, config.num_classes):
        margin = fc7 @ head.predictor.svm_weight.value[:, label - 1] + head.predictor.svm_bias.value[label - 1]
        scores = 1 / (1 + np.exp(-margin))
        good = np.flatnonzero(scores > config.roi.score_threshold)
        good = good[naive.nms(where["boxes"][good], scores[good], **rule(good))]
        part = slice(4 * (label - 1), 4 * label)
        deltas = pool5[good] @ head.predictor.bbox_weight.value[:, part] + head.predictor.bbox_bias.value[part]
        moved = geometry.decode(deltas, where["boxes"][good], weights=config.roi.delta_weights)
        moved = np.clip(moved, 0, [*size[::-1]] * 2)
        wide = (moved[:, 2:] - moved[:, :2] >= config.roi.min_size).all(axis=1)
        good, moved = good[wide], moved[wide]
        last = naive.nms(moved, scores[good], **rule(good))
        kept += [(scores[good][k], label, moved[k]) for k in np.flatnonzero(last)]
    return sorted(kept, key=lambda found: -found[0])[: config.roi.detections_per_image]


@pytest.mark.parametrize("seed", range(4))
def test_detections_are_those_of_plain_loops(seed):
    model, (images, proposals, valid) = fitted(seed), scene(seed)
    found = model.detect(images, proposals=proposals, proposals_valid=valid)
    for n, one in enumerate(found):
        wanted = by_loops(model, images, proposals, valid, n)
        assert len(one) == len(wanted) > 0
        np.testing.assert_allclose(one.scores, [score for score, _, _ in wanted], rtol=1e-4)
        assert one.labels.tolist() == [label for _, label, _ in wanted]
        np.testing.assert_allclose(one.boxes, [box for _, _, box in wanted], atol=1e-3)


def test_boxes_end_where_their_picture_ends_and_thin_ones_are_no_objects():
    model, (images, proposals, valid) = fitted(2), scene(2)
    roi = dataclasses.replace(model.config.roi, min_size=9.0)
    model.config = dataclasses.replace(model.config, roi=roi)
    model.roi_heads.heads["box"].config = roi
    sizes = np.array([[64, 38], [44, 64]])
    images[0, :, 38:] = images[1, 44:] = 0
    found = model.detect(images, sizes=sizes, proposals=proposals, proposals_valid=valid)
    unbounded = model.detect(images, proposals=proposals, proposals_valid=valid)
    for n, one in enumerate(found):
        width, height = (one.boxes[:, 2:] - one.boxes[:, :2]).T
        assert len(one) and min(width.min(), height.min()) >= 9
        assert one.boxes[:, 2].max() <= sizes[n, 1] and one.boxes[:, 3].max() <= sizes[n, 0]
    assert unbounded[0].boxes[:, 2].max() > 38 and unbounded[1].boxes[:, 3].max() > 44


def test_boxes_move_once_and_may_stay():
    images, proposals, valid = scene()
    given = {"proposals": proposals, "proposals_valid": valid}
    moved, still = (fitted(regress=regress).detect(images, **given) for regress in (True, False))
    for n, one in enumerate(still):
        assert all((box == proposals[n]).all(axis=1).any() for box in one.boxes)
    assert any(not (box == proposals[n]).all(axis=1).any() for n, one in enumerate(moved) for box in one.boxes)


def test_softmax_instead_of_the_machines():
    """The probabilities that the network learned by, of all classes but background; margins know no other class."""
    images, proposals, valid = scene()
    model = fitted(classifier="softmax", regress=False)
    head = model.roi_heads.heads["box"]
    x, _ = model.normalize.forward(images, sizes=np.full((2, 2), 64))
    index = np.repeat([0, 1], proposals.shape[1])
    pool5, fc7 = head.features([x], rois=proposals.reshape(-1, 4), image_index=index)
    scores, _ = head.judge(pool5, fc7)
    logits, _ = head.forward([x], rois=proposals.reshape(-1, 4), image_index=index)
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(scores, (exp / exp.sum(axis=1, keepdims=True))[:, 1:], rtol=1e-5)
    head.rcnn = dataclasses.replace(head.rcnn, classifier="svm")
    margins = fc7 @ head.predictor.svm_weight.value + head.predictor.svm_bias.value
    np.testing.assert_allclose(head.judge(pool5, fc7)[0], 1 / (1 + np.exp(-margins)), rtol=1e-5)


def test_boxes_are_looked_at_a_part_at_a_time(monkeypatch):
    model, (images, proposals, valid) = fitted(), scene()
    whole = model.detect(images, proposals=proposals, proposals_valid=valid)
    monkeypatch.setattr("tinymaskrcnn.models.rcnn.CROPS", 3)
    for one, other in zip(model.detect(images, proposals=proposals, proposals_valid=valid), whole):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-4)
        assert one.labels.tolist() == other.labels.tolist()


def test_without_proposals_nothing_is_found():
    model, (images, proposals, valid) = fitted(), scene()
    assert [len(d) for d in model.detect(images, proposals=proposals, proposals_valid=valid & False)] == [0, 0]
    assert [len(d) for d in model.detect(images, proposals=proposals[:, :0], proposals_valid=valid[:, :0])] == [0, 0]
    with pytest.raises(ArgumentError, match="proposals"):
        model.detect(images)


def test_one_step_of_fine_tuning_moves_the_network_and_nothing_else():
    model, (images, proposals, valid) = tiny_rcnn(), scene()
    targets = tiny_scene()[1]
    losses, cache = model.forward(
        images, targets=targets, rng=np.random.default_rng(0), proposals=proposals, proposals_valid=valid
    )
    assert list(losses) == ["box_class"]
    model.backward({"box_class": 1.0}, cache)
    still = [name for name, p in model.named_parameters() if not p.grad.any()]
    assert still == [] and not {name for name, _ in model.named_parameters()} & {"roi_heads.box_predictor.svm_weight"}


def test_a_network_that_is_kept_as_it_is_still_serves():
    """Its backward ends above the crops, and the picture has no gradient."""
    model, (images, proposals, valid) = freeze_stages(tiny_rcnn(norm="batch"), 4), scene()
    before, given = model.state_dict(), {"proposals": proposals, "proposals_valid": valid}
    losses, cache = model.forward(images, targets=tiny_scene()[1], rng=np.random.default_rng(0), **given)
    assert model.backward(dict.fromkeys(losses, 1.0), cache) is None
    SGD(model.named_parameters()).step(0.1)
    moved = {name for name, array in model.state_dict().items() if not np.array_equal(array, before[name])}
    assert "roi_heads.box_head.fc6.weight" in moved and not any(name.startswith("backbone.") for name in moved)


def test_a_network_has_the_names_that_it_has_in_any_detector():
    state, other = tiny_rcnn().state_dict(), tiny_model(norm="group").state_dict()
    body = {name: array.shape for name, array in state.items() if name.startswith("backbone.")}
    assert body == {name: array.shape for name, array in other.items() if name.startswith("backbone.body.")}
    assert {"roi_heads.box_head.fc6.weight", "roi_heads.box_predictor.svm_weight"} <= set(state)
    assert not any(".body." in name for name in state if name.startswith("roi_heads"))


@pytest.mark.parametrize("kind", ["resnet", "vgg", "plain"])
def test_shapes_are_known_beforehand(kind):
    config = tiny_rcnn().config
    widths = {"widths": (4, 4, 4, 4, 4), "depths": (1,) * 5} if kind == "vgg" else {}
    backbone = dataclasses.replace(config.backbone, kind=kind, norm="group", **widths)
    config = dataclasses.replace(config, backbone=backbone)
    state = build_model(config, rng=np.random.default_rng(0)).state_dict()
    shapes = expected_shapes(config)
    assert {name: np.prod(shape) for name, shape in shapes.items()} == {n: a.size for n, a in state.items()}
    assert weights_bytes(config) == sum(array.nbytes for array in state.values())


def test_what_a_crop_may_be():
    with pytest.raises(ConfigError, match="warp_size must be a multiple of 32.*; got 48"):
        check_network(ModelConfig(system="rcnn", heads=("box",), rcnn=RCNNConfig(warp_size=48)))
    with pytest.raises(ConfigError, match="context must be less than half of warp_size, 64; got 32"):
        check_network(ModelConfig(system="rcnn", heads=("box",), rcnn=RCNNConfig(context=32)))
