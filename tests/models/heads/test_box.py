"""The box loss looks at the deltas of the true class only, background's never."""

import types

import numpy as np

from tinymaskrcnn.models.heads.box import BoxHead, BoxPredictor, box_loss_backward, box_loss_forward, conv_box_head


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
    losses, cache = box_loss_forward(logits, deltas, samples=samples([0, 2, 1, 1]), beta=1.0)
    np.testing.assert_allclose(losses["box_class"], np.log(3), rtol=1e-6)
    np.testing.assert_allclose(losses["box_delta"], 2 * 4 * 1.5 / 4, rtol=1e-6)  # two RoIs are off by 2 in 4 values
    _, ddeltas = box_loss_backward({"box_class": 1.0, "box_delta": 1.0}, cache)
    assert [tuple(i) for i in np.argwhere(np.abs(ddeltas).sum(axis=2) > 0)] == [(2, 1), (3, 1)]


def test_padding_changes_nothing():
    rng = np.random.default_rng(0)
    logits, deltas = rng.standard_normal((5, 3)), rng.standard_normal((5, 3, 4))
    short, _ = box_loss_forward(logits[:3], deltas[:3], samples=samples([0, 2, 1]), beta=1.0)
    padded, _ = box_loss_forward(logits, deltas, samples=samples([0, 2, 1, 0, 0], [1, 1, 1, 0, 0]), beta=1.0)
    assert all(np.isclose(short[name], padded[name], rtol=1e-12) for name in short)


def test_shapes():
    rng = np.random.default_rng(0)
    h, _ = BoxHead(4, 7, 16, rng=rng).forward(np.ones((3, 7, 7, 4), np.float32))
    (logits, deltas), _ = BoxPredictor(16, 11, rng=rng).forward(h)
    assert h.shape == (3, 16) and logits.shape == (3, 11) and deltas.shape == (3, 11, 4)


def test_convolutions_before_one_fully_connected_layer():
    rng = np.random.default_rng(0)
    head = conv_box_head(4, 7, 16, convs=(6, 6, 5, 3), norm="batch", rng=rng)
    h, _ = head.forward(rng.standard_normal((3, 7, 7, 4)).astype(np.float32))
    assert h.shape == (3, 16) and h.min() == 0
    shapes = {name: value.shape for name, value in head.state_dict().items()}
    assert shapes["0.0.weight"] == (3, 3, 4, 6) and shapes["3.1.running_var"] == (3,) and "0.0.bias" not in shapes
    assert shapes["5.weight"] == (7 * 7 * 3, 16)  # the flattening is layer 4
