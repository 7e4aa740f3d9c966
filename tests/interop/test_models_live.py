"""Our models against torchvision itself: random widths, depths and heads, each stage and a step of training."""

import numpy as np
import pytest
from interop import drawn, record, small, stages

from tinymaskrcnn.interop.torchvision import from_state_dict, to_state_dict

pytest.importorskip("torch", reason="needs torch", exc_type=Exception)
pytest.importorskip("torchvision", reason="needs torchvision", exc_type=Exception)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("kind", small.KINDS)
def test_equals_torchvision(kind, number):
    errors = record.measure(drawn.make(kind, drawn.seeds(kind, 3)[number]))
    assert not record.excess(errors)


@pytest.mark.parametrize("kind", small.KINDS)
def test_the_stored_answers_are_those_of_today(kind):
    stored, today = record.load(kind), record.make(kind)
    assert stored.config == today.config and set(stored.weights) == set(today.weights)
    assert all(np.array_equal(stored.weights[name], today.weights[name]) for name in stored.weights)
    assert not record.excess(record.measure(stored))
    for name, gradient in today.gradients.items():
        np.testing.assert_allclose(stored.gradients[name], gradient, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("kind", small.KINDS)
def test_our_weights_load_into_torchvision_and_come_back(kind):
    """The way out: torch takes what to_state_dict gives, counters or not, and computes the same."""
    import torch
    from interop import peer

    config = small.settings(kind, 3)
    ours = from_state_dict(kind, small.weights(config, 3), config=config)
    theirs = peer.load(config, to_state_dict(ours))
    state = {name: value.numpy() for name, value in theirs.state_dict().items()}
    again = from_state_dict(kind, state, config=config)
    images = small.floats(small.pictures(3))
    found = stages.stages(again, images)
    for name, want in peer.stages(theirs, images).items():
        assert record.error(found[name], want) <= record.TOLERANCE, name
    assert any("num_batches" in name for name in state) == kind.endswith("_v2")
    assert isinstance(theirs, torch.nn.Module)


@pytest.mark.parametrize("kind", small.KINDS)
def test_pictures_of_other_sizes_are_resized_alike(kind):
    """float32, as both are used: larger and smaller pictures than the model works at."""
    from interop import peer

    config = small.settings(kind, 5)
    weights = small.weights(config, 5, np.float32)
    images = small.floats(small.pictures(5, sizes=((61, 100), (150, 120))))
    ours, theirs = from_state_dict(kind, weights, config=config), peer.load(config, weights)
    for got, want in zip(stages.detections(ours, images), peer.detections(theirs, images), strict=True):
        assert len(want["boxes"]) and set(got) == set(want)
        np.testing.assert_array_equal(got["labels"], want["labels"])
        np.testing.assert_allclose(got["boxes"], want["boxes"], atol=1e-2)
        np.testing.assert_allclose(got["scores"], want["scores"], atol=1e-4)
        if "masks" in want:
            assert (got["masks"] != want["masks"]).mean() <= 1e-3
        if "keypoints" in want:
            near = np.abs(got["keypoints"] - want["keypoints"])[..., :2].max(axis=2) < 0.05
            assert near.mean() > 0.98  # two maxima of nearly one height may change places


def test_anchors_that_are_all_certain_keep_their_order():
    """Where every probability has been rounded to 1, proposals still follow the logits, as in torchvision."""
    from interop import peer

    kind = small.KINDS[0]
    config = small.settings(kind)
    weights = small.weights(config)
    weights["rpn.head.cls_logits.bias"] = weights["rpn.head.cls_logits.bias"] + 100
    images = small.floats(small.pictures())
    found = stages.stages(from_state_dict(kind, weights, config=config), images)
    want = peer.stages(peer.load(config, weights), images)
    assert want["objectness"].min() > 40  # the sigmoid of which is 1 even in float64
    assert record.error(found["proposals"], want["proposals"]) <= record.TOLERANCE
