"""models/exact_joint.py: approximate joint training and one more line; what it reaches, and what it must not."""

import dataclasses

import numpy as np
import pytest
from tiny_model import tiny_model, tiny_samples, tiny_scene

from tinymaskrcnn.config import ModelConfig, RoIConfig
from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.models import exact_joint, moving_targets
from tinymaskrcnn.models.heads.box import BoxHead, BoxPredictor
from tinymaskrcnn.models.mask_rcnn import MaskRCNN
from tinymaskrcnn.models.moving_targets import moving
from tinymaskrcnn.models.poolers import pooler
from tinymaskrcnn.models.rpn import RPN
from tinymaskrcnn.nn.layers import Flatten
from tinymaskrcnn.ops import box_gradients
from tinymaskrcnn.ops.boxes import iou_matrix
from tinymaskrcnn.targets.roi import RoISamples

EXACT = ("features", "features+targets")
TINY = dict(norm="group", positive_iou=0.15)


def step(model, *, seeds=None, scene=None):
    """The losses of one step, and the gradient of every parameter; seeds {loss: weight}, 1 where none is given."""
    images, targets = scene or tiny_scene()
    model.zero_grad()
    losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
    dimages = model.backward(dict.fromkeys(losses, 1.0) | (seeds or {}), cache)
    return losses, {name: p.grad.copy() for name, p in model.named_parameters()} | {"images": dimages}


RPN_SILENT = {"rpn_objectness": 0.0, "rpn_box": 0.0}
HEADS_SILENT = dict.fromkeys(("box_class", "box_delta", "mask"), 0.0)

# ---------------------------------------------------------------- beside the approximate one


def test_without_it_the_model_is_the_usual_one():
    model = tiny_model()
    assert type(model) is MaskRCNN and type(model.rpn) is RPN and type(model.roi_heads.heads["box"]) is BoxHead
    assert ModelConfig().box_gradient == "none"


@pytest.mark.parametrize("box_gradient", EXACT)
@pytest.mark.parametrize("heads", [("box",), ("box", "mask", "keypoint")])
def test_the_same_weights_losses_and_detections(box_gradient, heads):
    """Only the way back is another one: what a step says, and what is found, is equal to the last bit."""
    images, targets = tiny_scene(keypoints=3)
    usual, exact = (tiny_model(**TINY, heads=heads, box_gradient=each) for each in ("none", box_gradient))
    for name, value in usual.state_dict().items():
        np.testing.assert_array_equal(value, exact.state_dict()[name])
    assert step(usual, scene=(images, targets))[0] == step(exact, scene=(images, targets))[0]
    for one, other in zip(usual.eval().detect(images), exact.eval().detect(images), strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.scores, other.scores)


@pytest.mark.parametrize("box_gradient", EXACT)
def test_what_the_heads_reach(box_gradient):
    """The heads' losses alone move the RPN's deltas, which the approximate model keeps from them; its scores never."""
    _, usual = step(tiny_model(**TINY), seeds=RPN_SILENT)
    _, exact = step(tiny_model(**TINY, box_gradient=box_gradient), seeds=RPN_SILENT)
    for name in ("weight", "bias"):
        assert not usual[f"rpn.head.bbox_pred.{name}"].any() and exact[f"rpn.head.bbox_pred.{name}"].any()
        assert not exact[f"rpn.head.cls_logits.{name}"].any()
    for name, gradient in usual.items():
        if name.startswith("roi_heads"):
            np.testing.assert_array_equal(exact[name], gradient, err_msg=name)
    assert (exact["images"] != usual["images"]).any()


@pytest.mark.parametrize("box_gradient", EXACT)
def test_the_rpns_own_losses_are_what_they_were(box_gradient):
    _, usual = step(tiny_model(**TINY), seeds=HEADS_SILENT)
    _, exact = step(tiny_model(**TINY, box_gradient=box_gradient), seeds=HEADS_SILENT)
    for name, gradient in usual.items():
        np.testing.assert_array_equal(exact[name], gradient, err_msg=name)


def test_the_proposals_are_those_of_the_rpn_and_their_anchors_explain_them():
    model = tiny_model(**TINY, box_gradient="features")
    images, _ = tiny_scene()
    where = dict(image_size=(64, 64), sizes=np.array([[64, 64], [50, 40]]))
    pyramid, _ = model.backbone.forward(model.normalize.forward(images, sizes=where["sizes"])[0])
    said, _ = model.rpn.forward(pyramid)
    proposals, valid, chosen = model.rpn.choose(pyramid, *said, **where)
    usual, usually = model.rpn.propose(pyramid, *said, **where)
    np.testing.assert_array_equal(proposals, usual)
    np.testing.assert_array_equal(valid, usually)
    again, _ = model.rpn.move_forward(said[1], pyramid=pyramid, chosen=chosen, **where)
    np.testing.assert_allclose(again, proposals, rtol=1e-6)
    assert all(len(set(row)) == len(row) for row in chosen.tolist())


def test_a_step_needs_its_random_numbers():
    images, targets = tiny_scene()
    with pytest.raises(ArgumentError, match="rng must be a numpy.random.Generator"):
        tiny_model(box_gradient="features").forward(images, targets=targets)


# ---------------------------------------------------------------- finite differences of the whole loss


def errors_along_directions(model, seed=0, count=3):
    """Relative errors of the weighted losses' derivative as all weights and pictures change at once, in float64.

    All decisions are those of one step, in which objects that stay and proposals that move are both positive.
    """
    images, targets = tiny_scene(keypoints=3)
    model = model.astype(np.float64)
    images = images.astype(np.float64)
    targets = dataclasses.replace(targets, boxes=targets.boxes.astype(np.float64))
    samples = tiny_samples(model, images, targets)
    moves, positive = samples.rois.row < samples.chosen.shape[1], samples.rois.labels > 0
    assert (moves & positive).any() and not moves.all()

    rng = np.random.default_rng(seed)
    losses, cache = model.forward(images, targets=None, samples=samples)
    weights = {name: rng.uniform(0.5, 2) for name in losses}
    model.zero_grad()
    dimages = model.backward(weights, cache)
    parameters = model.parameters()

    def total(step, directions):
        for p, direction in zip(parameters, directions):
            p.value = p.value + step * direction
        losses, _ = model.forward(images + step * directions[-1], targets=None, samples=samples)
        for p, direction in zip(parameters, directions):
            p.value = p.value - step * direction
        return sum(weights[name] * losses[name] for name in losses)

    for _ in range(count):
        directions = [rng.normal(size=p.value.shape) for p in parameters] + [rng.normal(size=images.shape)]
        gradients = [p.grad for p in parameters] + [dimages]
        analytic = sum((g * d).sum() for g, d in zip(gradients, directions))
        steps = (1e-5, 1e-6, 1e-7)  # one of them crosses no kink and no grid line
        numeric = [(total(step, directions) - total(-step, directions)) / (2 * step) for step in steps]
        yield min(abs(value - analytic) for value in numeric) / abs(analytic)


@pytest.mark.parametrize("box_gradient", EXACT)
@pytest.mark.parametrize("seed", [0, 1, 3])
def test_differences_of_the_whole_loss(box_gradient, seed):
    """In tests/registry.py each weight is asked by itself; here are other networks, with boxes at the border."""
    assert max(errors_along_directions(tiny_model(seed, **TINY, box_gradient=box_gradient))) <= 1e-6


@pytest.mark.parametrize("box_gradient", EXACT)
@pytest.mark.parametrize("fpn", ["p2", "c4", "c5"])
def test_differences_of_the_whole_loss_on_a_single_map(box_gradient, fpn):
    assert max(errors_along_directions(tiny_model(**TINY, fpn=fpn, box_gradient=box_gradient))) <= 1e-6


@pytest.mark.parametrize("box_gradient", EXACT)
@pytest.mark.parametrize("pooling", ["pool", "warp", "prroi"])
def test_differences_of_the_whole_loss_with_other_crops(box_gradient, pooling):
    assert max(errors_along_directions(tiny_model(**TINY, pooling=pooling, box_gradient=box_gradient))) <= 1e-6


@pytest.mark.parametrize("heads", [("box",), ("box", "keypoint"), ("box", "mask", "keypoint")])
def test_differences_of_the_whole_loss_with_other_heads(heads):
    model = tiny_model(3, **TINY, heads=heads, box_gradient="features+targets")
    assert max(errors_along_directions(model)) <= 1e-6


@pytest.mark.parametrize("mask_kind", ["agnostic", "softmax", "fc"])
def test_differences_of_the_whole_loss_with_other_masks(mask_kind):
    model = tiny_model(1, **TINY, mask_kind=mask_kind, box_gradient="features+targets")
    assert max(errors_along_directions(model)) <= 1e-6


@pytest.mark.parametrize("box_gradient", EXACT)
def test_differences_of_the_whole_loss_with_masks_that_are_scored(box_gradient):
    """The head's last bias is large, so that predicted masks have an IoU, and a loss, from the first step on."""
    model = tiny_model(1, **TINY, mask_iou_widths=(4, 4), box_gradient=box_gradient)
    model.roi_heads.heads["mask"].predictor.mask_fcn_logits.bias.value += 1
    assert max(errors_along_directions(model)) <= 1e-6


@pytest.mark.parametrize("part", ["mask_iou_backward", "moving_area_backward"])
def test_the_differences_see_that_a_mask_is_compared_with_the_whole_object(part, monkeypatch):
    real = getattr(moving_targets, part)

    def data(d, cache):
        found = real(d, cache)
        return tuple(0 * each for each in found) if isinstance(found, tuple) else 0 * found

    monkeypatch.setattr(moving_targets, part, data)
    model = tiny_model(1, **TINY, mask_iou_widths=(4, 4), box_gradient="features+targets")
    model.roi_heads.heads["mask"].predictor.mask_fcn_logits.bias.value += 1
    assert min(errors_along_directions(model)) > 1e-5


def test_rounded_crops_tell_boxes_nothing_and_all_others_do():
    """Through RoIPool no head reaches the proposals' deltas, unless their targets move with the boxes."""
    reached = {}
    for pooling in ("pool", "align", "warp", "prroi"):
        for box_gradient in EXACT:
            _, gradients = step(tiny_model(**TINY, pooling=pooling, box_gradient=box_gradient), seeds=RPN_SILENT)
            reached[pooling, box_gradient] = bool(gradients["rpn.head.bbox_pred.weight"].any())
    assert [case for case, any_gradient in reached.items() if not any_gradient] == [("pool", "features")]


FAULTS = {
    "a delta that counts in pixels": (box_gradients, "decode_backward", lambda real: lambda d, c: d),
    "what was clipped moves on": (box_gradients, "clip_backward", lambda real: lambda d, c: d),
    "the answer for a box is data": (
        box_gradients,
        "encode_backward",
        lambda real: lambda d, c: tuple(0 * part for part in real(d, c)),
    ),
    "the answer for a mask is data": (
        moving_targets,
        "moving_mask_backward",
        lambda real: lambda d, c: 0 * real(d, c),
    ),
    "neighbouring anchors are mixed up": (
        box_gradients,
        "move_anchors_backward",
        lambda real: lambda d, c: np.roll(real(d, c), 1, axis=1),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_differences_see_every_part_of_the_way(fault, monkeypatch):
    home, name, change = FAULTS[fault]
    monkeypatch.setattr(home, name, change(getattr(home, name)))
    model = tiny_model(1, **TINY, box_gradient="features+targets")
    assert min(errors_along_directions(model)) > 1e-4


# ---------------------------------------------------------------- a toy

OBJECT = np.array([[12.0, 12, 28, 28]])
ANCHORS = np.array([[18.0, 15, 33, 31], [36.0, 36, 46, 46]])


def toy_head(kind, bright):
    """A box head without a body: class 1 likes bright crops, and it never asks a box to move."""
    config = RoIConfig(box_size=4, delta_weights=(1.0, 1.0, 1.0, 1.0))
    head = kind(1, 2, config, rng=np.random.default_rng(0))
    head.pool = pooler(4, config, box_gradient=True, levels=1)
    head.body, head.predictor = Flatten(), BoxPredictor(16, 2, rng=np.random.default_rng(0))
    for p in head.predictor.parameters():
        p.value[...] = 0
    head.predictor.cls_score.weight.value[:, 1] = bright / 16
    return head.astype(np.float64)


def learn_the_deltas(kind, losses, *, rate, steps=60, bright=0.0):
    """Gradient descent by some losses of the head alone: the boxes (1, 2, 4) before every step, and at the end."""
    heads = exact_joint.ChainedHeads([toy_head(kind, bright)], RoIConfig(delta_weights=(1.0, 1.0, 1.0, 1.0)))
    ys, xs = np.mgrid[0:12, 0:12] * 4 + 2.0
    pyramid = [1 / (1 + np.exp((np.maximum(abs(xs - 20), abs(ys - 20)) - 8) / 3))[None, :, :, None]]
    chain = dict(anchors=ANCHORS, chosen=np.array([[1, 0]]), height=np.array([[48.0]]), width=np.array([[48.0]]))
    deltas, history = np.zeros((1, 2, 4)), []
    for _ in range(steps + 1):
        proposals, c_move = box_gradients.move_anchors_forward(deltas, **chain)
        history.append(proposals[0, ::-1].copy())  # in the order of the anchors
        samples = RoISamples(
            rois=proposals[0],
            image_index=np.array([0, 0]),
            labels=np.array([0, 1]),
            deltas=np.zeros((2, 4)),
            weight=np.ones(2),
            matched=np.array([0, 0]),
            row=np.array([0, 1]),
            mask_rows=np.array([1]),
            mask_weight=np.ones(1),
        )
        answers = {"box": OBJECT[[0, 0]] if kind is not BoxHead else None}
        found, cache = heads.forward(pyramid, proposals, samples=samples, answers=answers)
        _, dproposals = heads.backward({name: float(name in losses) for name in found}, cache)
        deltas = deltas - rate * box_gradients.move_anchors_backward(dproposals, c_move)
    return np.array(history)


def test_two_anchors_and_the_features_alone():
    """A head that wants to see the object moves the box onto it, through the crop; the other box sees no slope."""
    history = learn_the_deltas(BoxHead, ["box_class"], rate=0.05, bright=4.0)
    overlap = iou_matrix(history[:, 0], OBJECT)[:, 0]
    centres = (history[:, 0, :2] + history[:, 0, 2:]) / 2 - 20
    distance = np.abs(centres).max(axis=1)
    assert overlap[0] < 0.5 < overlap.max() and distance[-1] < 0.5 * distance[0]
    assert (np.diff(distance[:10]) < 0).all()


def test_two_anchors_and_the_targets():
    """A head that says "stay" is right only where the box is the object: the regression loss leads it there."""
    history = learn_the_deltas(moving(BoxHead), ["box_delta"], rate=0.3)
    overlap = iou_matrix(history[:, 0], OBJECT)[:, 0]
    assert overlap[0] < 0.5 and overlap[-1] > 0.95
    assert (np.diff(overlap[:5]) > 0).all()
    np.testing.assert_array_equal(history[-1, 1], ANCHORS[1])  # background is asked for no box


def test_two_anchors_without_the_targets_stay():
    """"features" holds the answers fixed: a head whose answer does not depend on the crop moves nothing."""
    history = learn_the_deltas(BoxHead, ["box_delta"], rate=0.3, steps=3)
    np.testing.assert_array_equal(history[-1], ANCHORS)
