"""The box loss looks at the deltas of the true class only, background's never."""

import types

import numpy as np
import pytest

from tinymaskrcnn.config import RoIConfig
from tinymaskrcnn.models.found import Found
from tinymaskrcnn.models.heads.box import BoxHead, BoxPredictor, box_body
from tinymaskrcnn.models.postprocess import detections_from_boxes


def head(beta):
    return BoxHead(2, 3, RoIConfig(beta=beta, head_width=2), rng=np.random.default_rng(0))


HEAD = head(1.0)


def samples(labels, weight=None):
    labels = np.array(labels)
    return types.SimpleNamespace(
        labels=labels,
        deltas=np.full((len(labels), 4), 2.0, np.float32),
        weight=np.ones(len(labels), np.float32) if weight is None else np.array(weight, np.float32),
    )


def test_box_loss_by_hand():
    logits = np.zeros((4, 3), np.float32)
    deltas = np.zeros((4, 3, 4), np.float32)
    deltas[1, 2] = 2.0  # right where it counts
    losses, cache = HEAD.loss_forward((logits, deltas), seen=samples([0, 2, 1, 1]))
    np.testing.assert_allclose(losses["box_class"], np.log(3), rtol=1e-6)
    np.testing.assert_allclose(losses["box_delta"], 2 * 4 * 1.5 / 4, rtol=1e-6)  # two RoIs are off by 2 in 4 values
    _, ddeltas = HEAD.loss_backward({"box_class": 1.0, "box_delta": 1.0}, cache)
    assert [tuple(i) for i in np.argwhere(np.abs(ddeltas).sum(axis=2) > 0)] == [(2, 1), (3, 1)]


def test_padding_changes_nothing():
    rng = np.random.default_rng(0)
    logits, deltas = rng.standard_normal((5, 3)), rng.standard_normal((5, 3, 4))
    short, _ = HEAD.loss_forward((logits[:3], deltas[:3]), seen=samples([0, 2, 1]))
    padded, _ = HEAD.loss_forward((logits, deltas), seen=samples([0, 2, 1, 0, 0], [1, 1, 1, 0, 0]))
    assert all(np.isclose(short[name], padded[name], rtol=1e-12) for name in short)


def test_shapes():
    rng = np.random.default_rng(0)
    h, _ = box_body(4, 7, 16, rng=rng).forward(np.ones((3, 7, 7, 4), np.float32))
    (logits, deltas), _ = BoxPredictor(16, 11, rng=rng).forward(h)
    assert h.shape == (3, 16) and logits.shape == (3, 11) and deltas.shape == (3, 11, 4)


def test_both_predictions_send_their_gradients_back_and_add_them_to_what_is_there():
    rng = np.random.default_rng(0)
    predictor = BoxPredictor(5, 3, rng=rng).astype(np.float64)
    x, dlogits, ddeltas = (rng.standard_normal(shape) for shape in ((2, 5), (2, 3), (2, 3, 4)))
    (logits, deltas), cache = predictor.forward(x)
    score, box = predictor.cls_score, predictor.bbox_pred
    np.testing.assert_allclose(deltas.reshape(2, 12), x @ box.weight.value, rtol=1e-12)
    flat = ddeltas.reshape(2, 12)
    for times in (1, 2):
        dx = predictor.backward((dlogits, ddeltas), cache)
        np.testing.assert_allclose(dx, dlogits @ score.weight.value.T + flat @ box.weight.value.T, rtol=1e-12)
        np.testing.assert_allclose(score.weight.grad, times * x.T @ dlogits, rtol=1e-12)
        np.testing.assert_allclose(box.weight.grad, times * x.T @ flat, rtol=1e-12)
        np.testing.assert_allclose(box.bias.grad, times * flat.sum(axis=0), rtol=1e-12)


def test_a_loss_says_how_much_it_counts():
    """Each gradient is that of its own loss, and half a weight is half a row; the answers' type is the predictions'."""
    rng = np.random.default_rng(1)
    logits, deltas = rng.standard_normal((3, 4)), 1.5 + rng.standard_normal((3, 4, 4)) / 10
    half = samples([3, 0, 1], [1, 1, 0.5])
    steep = head(0.5)
    both, cache = steep.loss_forward((logits, deltas), seen=half)
    log_probability = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    wanted = -(log_probability[0, 3] + log_probability[1, 0] + 0.5 * log_probability[2, 1]) / 2.5
    np.testing.assert_allclose(both["box_class"], wanted, rtol=1e-12)
    off = np.abs(deltas - 2)
    loss = np.where(off < 0.5, off**2, off - 0.25)
    np.testing.assert_allclose(both["box_delta"], (loss[0, 3].sum() + 0.5 * loss[2, 1].sum()) / 2.5, rtol=1e-12)
    dlogits, ddeltas = HEAD.loss_backward({"box_class": 1.0, "box_delta": 1.0}, cache)
    other_dlogits, other_ddeltas = HEAD.loss_backward({"box_class": 3.0, "box_delta": -2.0}, cache)
    np.testing.assert_allclose(other_dlogits, 3 * dlogits, rtol=1e-12)
    np.testing.assert_allclose(other_ddeltas, -2 * ddeltas, rtol=1e-12)
    for dtype in (np.float32, np.float64):
        losses, cache = steep.loss_forward((logits.astype(dtype), deltas.astype(dtype)), seen=half)
        gradients = HEAD.loss_backward(losses, cache)
        assert {x.dtype for x in (*losses.values(), *gradients)} == {np.dtype(dtype)}


@pytest.mark.parametrize("rows", [1, 2])
def test_a_few_samples_share_their_loss_among_themselves(rows):
    """The type stays the predictions', whatever type the weights have."""
    logits, deltas = np.zeros((3, 3), np.float32), np.zeros((3, 3, 4), np.float32)
    weight = np.arange(3) < rows
    for dtype in (np.float32, np.float64):
        few = samples([1, 2, 1])
        few.weight = weight.astype(dtype)
        losses, cache = HEAD.loss_forward((logits, deltas), seen=few)
        np.testing.assert_allclose([losses["box_class"], losses["box_delta"]], [np.log(3), 6], rtol=1e-6)
        _, ddeltas = HEAD.loss_backward({"box_class": np.float32(1), "box_delta": np.float32(1)}, cache)
        assert ddeltas.dtype == losses["box_delta"].dtype == np.float32


def test_nothing_sampled_costs_nothing():
    losses, cache = HEAD.loss_forward((np.ones((2, 3)), np.ones((2, 3, 4))), seen=samples([1, 2], [0, 0]))
    assert losses == {"box_class": 0, "box_delta": 0}
    assert not any(gradient.any() for gradient in HEAD.loss_backward({"box_class": 1.0, "box_delta": 1.0}, cache))


def test_convolutions_before_one_fully_connected_layer():
    rng = np.random.default_rng(0)
    head = box_body(4, 7, 16, convs=(6, 6, 5, 3), norm="batch", rng=rng)
    h, _ = head.forward(rng.standard_normal((3, 7, 7, 4)).astype(np.float32))
    assert h.shape == (3, 16) and h.min() == 0
    shapes = {name: value.shape for name, value in head.state_dict().items()}
    assert shapes["0.0.weight"] == (3, 3, 4, 6) and shapes["3.1.running_var"] == (3,) and "0.0.bias" not in shapes
    assert shapes["5.weight"] == (7 * 7 * 3, 16)  # the flattening is layer 4


def test_what_is_found_is_made_of_the_proposals_and_what_is_said_about_them():
    rng = np.random.default_rng(0)
    pyramid = [rng.standard_normal((2, 16 >> k, 16 >> k, 2)).astype(np.float32) for k in range(4)]
    corner = rng.uniform(0, 40, (2, 5, 2))
    proposals = np.concatenate([corner, corner + rng.uniform(8, 24, (2, 5, 2))], axis=2).astype(np.float32)
    valid = np.array([[True] * 5, [True, True, False, False, True]])
    config, sizes = RoIConfig(head_width=4, score_threshold=0.0), np.array([[64, 64], [50, 64]])
    head = BoxHead(2, 3, config, rng=rng)
    found = head.detect(pyramid, Found(proposals, None, None, valid), sizes=sizes)
    said, _ = head.forward(pyramid, rois=proposals.reshape(-1, 4), image_index=np.repeat([0, 1], 5))
    wanted = detections_from_boxes(*said, proposals, valid, config, sizes=sizes)
    for got, want in zip((found.boxes, found.labels, found.scores, found.valid), wanted, strict=True):
        np.testing.assert_array_equal(got, want)
    assert found.valid.sum() > 5 and found.said == {} and (found.boxes[1, :, 3] <= 50).all()
