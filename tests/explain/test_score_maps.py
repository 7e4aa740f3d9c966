"""Which pixels a score heeds: held against differences of the network as it is at inference, in float64."""

import numpy as np
import pytest
from explain.explained import KINDS, fast_network, network, picture, some_boxes

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.explain.score_maps import score_maps
from tinymaskrcnn.explain.trace import trace_detection
from tinymaskrcnn.models.backbones.frozen import freeze_stages
from tinymaskrcnn.ops import boxes, softmax

STEP = 1e-6


def traced(kind):
    """A trace that finds something, of statistics and weights that are all drawn, and in float64 from there on."""
    given = {"proposals": some_boxes(1)} if kind == "fast" else {}
    for seed in range(3, 20):
        model = fast_network(seed) if kind == "fast" else network(kind, seed)
        rng = np.random.default_rng(seed)
        for _, buffer in model.named_buffers():
            buffer.value[...] = rng.uniform(0.5, 1.5, buffer.value.shape)
        trace = trace_detection(model, picture(3), **given)
        model.astype(np.float64)
        if len(trace.detections) and score_maps(trace, inside(trace)).held.any():  # else every ReLU of it is shut
            return trace
    raise AssertionError(kind)


def inside(trace):
    """A detection whose proposal has as many edges within the picture as any, which can move."""
    boxes = trace.proposals.boxes[trace.origins]
    return int(np.argmax((boxes > 0).sum(axis=1) + (boxes < [64, 50, 64, 50]).sum(axis=1)))


def scores_of(model, image, maps, *, proposal=None):
    """The probability of the class, as `detect` comes to it: image (H, W, C) in float64, proposal (4,) held or None."""
    sizes = np.array([image.shape[:2]])
    padded = np.zeros((1, 64, 64, 1))
    padded[0, :50, :64] = image
    pyramid, _ = model.backbone.forward(model.normalize.forward(padded, sizes=sizes)[0])
    if proposal is None:
        (_, deltas), _ = model.rpn.forward(pyramid)
        anchors = np.concatenate(model.rpn.anchors(pyramid, (64, 64)))
        moved = boxes.decode(deltas[0, maps.anchor], anchors[maps.anchor])
        proposal = boxes.clip(moved, height=50, width=64)
    head = model.roi_heads.heads["box"]
    (logits, _), _ = head.forward(pyramid, rois=proposal[None], image_index=np.zeros(1, int))
    return (logits if maps.of == "logit" else softmax.softmax_forward(logits)[0])[0, maps.label]


def slope(score, image, way):
    return (score(image + STEP * way) - score(image - STEP * way)) / (2 * STEP)


def check(maps, model, *, ways=3):
    image = maps.trace.image.astype(np.float64)
    rng = np.random.default_rng(0)
    for _ in range(ways):
        way = rng.standard_normal(image.shape)
        held = slope(lambda x: scores_of(model, x, maps, proposal=maps.proposal), image, way)
        assert held != 0 and (maps.held * way).sum() == pytest.approx(held, rel=1e-6, abs=1e-8)
        if maps.anchor is not None:
            free = slope(lambda x: scores_of(model, x, maps), image, way)
            assert (maps.free * way).sum() == pytest.approx(free, rel=1e-6, abs=1e-8)
            assert maps.held.dtype == np.float64 and maps.held.shape == image.shape


@pytest.mark.parametrize("kind", [*KINDS, "fast"])
def test_each_is_the_slope_of_the_score_at_the_pixels(kind):
    trace = traced(kind)
    maps = score_maps(trace, inside(trace))
    check(maps, trace.said.model)
    assert maps.moves.any() == (kind not in ("RoIPool", "fast"))  # whose bins are whole pixels; whose boxes are given


def test_of_the_logit_and_of_every_edge():
    trace = traced("mask")
    k = inside(trace)
    maps, model = score_maps(trace, k, of="logit"), trace.said.model
    check(maps, model)
    assert maps.of == "logit" and maps.label == trace.detections.labels[k]
    image = trace.image.astype(np.float64)
    for edge in range(4):
        way = STEP * np.eye(4)[edge]
        ends = [scores_of(model, image, maps, proposal=maps.proposal + sign * way) for sign in (1, -1)]
        assert maps.edges[edge] == pytest.approx((ends[0] - ends[1]) / (2 * STEP), rel=1e-6, abs=1e-8)
    assert (maps.edges != 0).any()


def test_it_is_of_the_detection_that_was_asked_for():
    trace = trace_detection(network("mask", 3), picture(3))
    for k in range(len(trace.detections)):
        maps = score_maps(trace, k)
        assert maps.score == pytest.approx(trace.detections.scores[k], rel=1e-5)
        np.testing.assert_allclose(maps.proposal, trace.proposals.boxes[trace.origins[k]], atol=1e-4)


def test_first_layers_that_are_frozen_hand_on_what_they_got():
    free, frozen = network("mask", 3), network("mask", 3)
    freeze_stages(frozen.backbone.body, 2)
    one, other = (score_maps(trace_detection(model, picture(3)), 0) for model in (free, frozen))
    np.testing.assert_array_equal(one.held, other.held)
    assert other.held.any()


def test_the_network_is_left_as_it_was():
    model = network("mask", 3)
    before = model.state_dict()
    score_maps(trace_detection(model, picture(3)), 0)
    assert all((before[name] == value).all() for name, value in model.state_dict().items()) and not model.training
    assert not any(parameter.grad.any() for parameter in model.parameters())


def test_what_cannot_be_asked():
    trace = trace_detection(network("mask", 3), picture(3))
    with pytest.raises(ArgumentError, match="there is no detection 99"):
        score_maps(trace, 99)
    with pytest.raises(ArgumentError, match="of must be 'score' or 'logit'"):
        score_maps(trace, 0, of="box")
