"""Proposals: trimmed, clipped, suppressed, sorted, and padded where an image has fewer."""

import dataclasses
import itertools

import numpy as np
import pytest

from tinymaskrcnn.config import RPNConfig
from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.models.blocks import Difference
from tinymaskrcnn.models.rpn import RPN
from tinymaskrcnn.ops import boxes, losses
from tinymaskrcnn.ops.activation import sigmoid_forward, softmax_forward
from tinymaskrcnn.ops.anchors import pyramid_anchors
from tinymaskrcnn.targets.rpn import RPNTargets

CONFIG = RPNConfig(anchor_sizes=((8,), (16,)), pre_nms_top_n=(40, 40), post_nms_top_n=(12, 6))


def outputs(objectness="sigmoid", *, training=True, scale=0.3):
    rng = np.random.default_rng(0)
    rpn = RPN(4, dataclasses.replace(CONFIG, objectness=objectness), rng=rng).train(training)
    pyramid = [rng.standard_normal((2, s, s, 4)).astype(np.float32) for s in (8, 4)]
    (logits, deltas), _ = rpn.forward(pyramid)
    logits = logits + rng.standard_normal(logits.shape).astype(np.float32)
    deltas = deltas + scale * rng.standard_normal(deltas.shape).astype(np.float32)
    return rpn, logits, deltas, pyramid


def propose(rpn, pyramid, logits, deltas, sizes=((32, 32), (32, 32))):
    return rpn.propose(pyramid, logits, deltas, image_size=(32, 32), sizes=np.array(sizes))


def test_anchors_are_made_once_for_a_size_and_never_mixed_up():
    rpn, _, _, _ = outputs()
    pyramids = {side: [np.zeros((1, side // s, side // s, 4)) for s in (4, 8)] for side in (32, 64)}
    cases = itertools.product(pyramids, (np.float32, np.float64), (CONFIG.anchor_ratios, (0.5, 4.0, 9.0)))
    for side, dtype, ratios in 2 * list(cases):
        pyramid = [level.astype(dtype) for level in pyramids[side]]
        rpn.config = dataclasses.replace(CONFIG, anchor_ratios=ratios)
        got = rpn.anchors(pyramid, (side, side))
        grid_sizes = [level.shape[1:3] for level in pyramid]
        want = pyramid_anchors(CONFIG.anchor_sizes, ratios, grid_sizes=grid_sizes, image_size=(side, side))
        for one, other in zip(got, want, strict=True):
            assert one.dtype == dtype
            np.testing.assert_array_equal(one, other.astype(dtype))
    assert rpn.anchors(pyramid, (side, side))[0] is got[0]
    with pytest.raises(ValueError, match="read-only"):
        got[0][0] = 1


@pytest.mark.parametrize("objectness", ["sigmoid", "softmax"])
def test_proposals_are_what_the_papers_list_says(objectness):
    rpn, logits, deltas, pyramid = outputs(objectness)
    sizes = [[32, 32], [20, 32]]
    proposals, valid = propose(rpn, pyramid, logits, deltas, sizes)
    assert proposals.shape == (2, 12, 4) and proposals.dtype == np.float32
    for n, (height, width) in enumerate(sizes):
        found = proposals[n][valid[n]]
        assert (found >= 0).all() and (found[:, 2] <= width).all() and (found[:, 3] <= height).all()
        assert (found[:, 2:] - found[:, :2] >= CONFIG.min_size).all()


def test_proposals_of_one_level_do_not_overlap_more_than_allowed():
    rpn, logits, deltas, pyramid = outputs()
    first = len(rpn.anchors(pyramid, (32, 32))[0])
    logits[:, first:] = -20  # the second level comes last
    proposals, valid = propose(rpn, pyramid, logits, deltas)
    overlap = boxes.iou_matrix(proposals, proposals)
    assert (logits[:, :first].max(axis=1) > 0).all()
    for n in range(2):
        first_level = overlap[n][:8, :8] - np.eye(8)
        assert first_level.max() <= CONFIG.nms_iou


def test_the_best_survives_and_comes_first():
    rpn, logits, deltas, pyramid = outputs(scale=0.0)
    logits[1, 77] = 9.0
    proposals, _ = propose(rpn, pyramid, logits, np.zeros_like(deltas))
    best = boxes.clip(np.concatenate(rpn.anchors(pyramid, (32, 32)))[77], height=32, width=32)
    np.testing.assert_allclose(proposals[1, 0], best)


def test_rows_without_a_proposal_are_marked():
    rpn, logits, deltas, pyramid = outputs()
    deltas = np.full_like(deltas, 0.0)
    deltas[..., 0] = 500.0  # all boxes far outside: clipped to nothing
    _, valid = propose(rpn, pyramid, logits, deltas)
    assert not valid.any()


def test_the_images_of_a_batch_do_not_suppress_each_other():
    rpn, logits, deltas, pyramid = outputs()
    logits, deltas = logits[[0, 0, 1]], deltas[[0, 0, 1]]  # the same image twice
    sizes = [[32, 32]] * 3
    together, valid = propose(rpn, pyramid, logits, deltas, sizes)
    for n in range(3):
        alone, alone_valid = propose(rpn, pyramid, logits[n : n + 1], deltas[n : n + 1], sizes[:1])
        np.testing.assert_array_equal(together[n], alone[0])
        np.testing.assert_array_equal(valid[n], alone_valid[0])


def test_inference_uses_its_own_limits():
    rpn, logits, deltas, pyramid = outputs(training=False)
    proposals, _ = propose(rpn, pyramid, logits, deltas)
    assert proposals.shape == (2, 6, 4)


def test_a_softmax_over_two_scores_is_a_sigmoid_of_their_difference():
    """Probability, loss and gradient, in float64."""
    rng = np.random.default_rng(0)
    scores, layer = 3 * rng.standard_normal((2, 3, 4, 6)), Difference()  # three anchors per cell
    pairs = scores.reshape(-1, 2)  # background, object
    logits, cache = layer.forward(scores)
    labels, weight = rng.integers(0, 2, len(pairs)), rng.integers(0, 2, len(pairs)).astype(float)
    np.testing.assert_allclose(sigmoid_forward(logits.reshape(-1))[0], softmax_forward(pairs)[0][:, 1], rtol=1e-12)

    want, c_want = losses.softmax_cross_entropy_forward(pairs, labels=labels, weight=weight, normalizer=7.0)
    answers = dict(targets=labels.astype(float), weight=weight, normalizer=7.0)
    got, c_got = losses.sigmoid_cross_entropy_forward(logits.reshape(-1), **answers)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    dscores = layer.backward(losses.sigmoid_cross_entropy_backward(1.0, c_got).reshape(logits.shape), cache)
    np.testing.assert_allclose(dscores.reshape(-1, 2), losses.softmax_cross_entropy_backward(1.0, c_want), atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_by_hand(dtype):
    """Per sampled anchor, also where fewer are positive; each gradient is that of its own loss."""
    rpn, logits, deltas, _ = outputs()
    logits, deltas = logits.astype(dtype), deltas.astype(dtype)
    rng = np.random.default_rng(5)
    positive = (rng.random(deltas.shape[:2]) < 0.3).astype(dtype)
    weight = (rng.random(deltas.shape[:2]) < 0.5).astype(dtype)
    targets = RPNTargets(positive, weight, rng.standard_normal(deltas.shape).astype(dtype))
    found, cache = rpn.loss_forward(logits, deltas, targets=targets)
    each = np.log1p(np.exp(np.where(positive > 0, -logits, logits).astype(float)))
    np.testing.assert_allclose(found["rpn_objectness"], (each * weight).sum() / weight.sum(), rtol=1e-5)
    off = np.abs(deltas - targets.deltas).astype(float)
    smooth = np.where(off < CONFIG.beta, off**2 / 2 / CONFIG.beta, off - CONFIG.beta / 2).sum(axis=-1)
    np.testing.assert_allclose(found["rpn_box"], (smooth * weight * positive).sum() / weight.sum(), rtol=1e-5)

    dlogits, ddeltas = rpn.loss_backward({"rpn_objectness": 3.0, "rpn_box": -2.0}, cache)
    wanted = 3 * (1 / (1 + np.exp(-logits.astype(float))) - positive) * weight / weight.sum()
    np.testing.assert_allclose(dlogits, wanted, rtol=1e-4, atol=1e-7)
    inside = np.clip((deltas - targets.deltas) / CONFIG.beta, -1, 1) * (weight * positive)[..., None]
    np.testing.assert_allclose(ddeltas, -2 * inside / weight.sum(), rtol=1e-4, atol=1e-7)
    assert {x.dtype for x in (*found.values(), dlogits, ddeltas)} == {np.dtype(dtype)}
    none = dataclasses.replace(targets, weight=0 * weight)
    nothing, cache = rpn.loss_forward(logits, deltas, targets=none)
    assert nothing == {"rpn_objectness": 0, "rpn_box": 0}
    assert not any(d.any() for d in rpn.loss_backward({"rpn_objectness": 1.0, "rpn_box": 1.0}, cache))
    assert rpn.eval().loss_forward(logits, deltas, targets=targets)[1] is None


@pytest.mark.parametrize("objectness", ["sigmoid", "softmax"])
def test_every_level_goes_through_the_one_head_and_back(objectness):
    rpn = RPN(4, dataclasses.replace(CONFIG, objectness=objectness), rng=np.random.default_rng(0)).astype(np.float64)
    rng = np.random.default_rng(1)
    pyramid = [rng.standard_normal((2, h, w, 4)) for h, w in ((4, 6), (2, 3), (1, 2))]
    (logits, deltas), cache = rpn.forward(pyramid)
    dlogits, ddeltas = rng.standard_normal(logits.shape), rng.standard_normal(deltas.shape)
    found = rpn.backward((dlogits, ddeltas), cache)
    total = {name: p.grad.copy() for name, p in rpn.named_parameters()}
    rpn.zero_grad()
    start = 0
    for level, dlevel in zip(pyramid, found, strict=True):
        end = start + level.shape[1] * level.shape[2] * rpn.per_cell
        (level_logits, level_deltas), c_head = rpn.head.forward(level)
        np.testing.assert_allclose(logits[:, start:end], level_logits.reshape(2, end - start), rtol=1e-10)
        np.testing.assert_allclose(deltas[:, start:end], level_deltas.reshape(2, end - start, 4), rtol=1e-10)
        dy = dlogits[:, start:end].reshape(level_logits.shape), ddeltas[:, start:end].reshape(level_deltas.shape)
        np.testing.assert_allclose(dlevel, rpn.head.backward(dy, c_head), rtol=1e-10)
        start = end
    assert start == logits.shape[1]
    for name, p in rpn.named_parameters():
        np.testing.assert_allclose(total[name], p.grad, rtol=1e-9, err_msg=name)
    h, c_conv = rpn.head.conv.forward(pyramid[0])
    (_, _), c_head = rpn.head.forward(pyramid[0])
    dy = rng.standard_normal((2, 4, 6, rpn.per_cell)), rng.standard_normal((2, 4, 6, rpn.per_cell * 4))
    dscores = dy[0] if objectness == "sigmoid" else np.stack([-dy[0], dy[0]], axis=-1).reshape(2, 4, 6, -1)
    dh = dscores @ rpn.head.cls_logits.weight.value[0, 0].T + dy[1] @ rpn.head.bbox_pred.weight.value[0, 0].T
    np.testing.assert_allclose(rpn.head.backward(dy, c_head), rpn.head.conv.backward(dh, c_conv), rtol=1e-9)


def test_config_errors():
    with pytest.raises(ConfigError, match="objectness must be 'sigmoid' or 'softmax'; got 'tanh'"):
        RPN(4, dataclasses.replace(CONFIG, objectness="tanh"), rng=np.random.default_rng(0))
    with pytest.raises(ConfigError, match="for each level a list of equally many anchor sizes"):
        RPN(4, dataclasses.replace(CONFIG, anchor_sizes=((8,), (16, 20))), rng=np.random.default_rng(0))


def test_a_deeper_head():
    rpn = RPN(4, dataclasses.replace(CONFIG, conv_depth=2), rng=np.random.default_rng(0))
    assert {"head.conv.0.0.weight", "head.conv.1.0.weight", "head.cls_logits.bias"} <= set(rpn.state_dict())
    with pytest.raises(ConfigError, match="conv_depth must be a whole number in 1..100; got 0"):
        RPN(4, dataclasses.replace(CONFIG, conv_depth=0), rng=np.random.default_rng(0))


@pytest.mark.parametrize("objectness", ["sigmoid", "softmax"])
def test_the_best_of_a_level_are_told_apart_where_all_probabilities_are_one(objectness):
    rpn, logits, deltas, pyramid = outputs(objectness, training=False)
    rpn.config = dataclasses.replace(CONFIG, pre_nms_top_n=(1, 1))
    certain = logits + np.float32(100)
    assert (sigmoid_forward(certain)[0] == 1).all()
    usual, certainly = (propose(rpn, pyramid, x, deltas)[0] for x in (logits, certain))
    np.testing.assert_array_equal(np.sort(usual, axis=1), np.sort(certainly, axis=1))
