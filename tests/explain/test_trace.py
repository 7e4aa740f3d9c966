import copy
import dataclasses
import functools

import hypothesis
import numpy as np
import pytest
from drawn_examples import ALL
from explain.explained import KINDS, detected, fast_network, network, picture, some_boxes, with_settings
from hypothesis import given
from hypothesis import strategies as st
from tiny_model import change_heads, tiny_config, tiny_model

from tinymaskrcnn.config import SceneConfig
from tinymaskrcnn.data import SceneStream
from tinymaskrcnn.errors import ArgumentError, ConfigError
from tinymaskrcnn.explain.trace import trace_detection, what_if, without_anchor
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.ops import boxes, nms
from tinymaskrcnn.structures import collate


@pytest.fixture(scope="module", params=["sigmoid", "softmax"])
def traced(request):
    """A model whose random weights find something, a picture that needs padding, and its trace."""
    model = tiny_model(seed=3, objectness=request.param).eval()
    image = np.random.default_rng(1).random((50, 64, 1)).astype(np.float32)
    return model, image, trace_detection(model, image)


def test_the_last_stage_is_what_detect_returns(traced):
    model, image, trace = traced
    batch = collate([image])
    [found] = model.detect(batch.images, sizes=batch.sizes)
    assert len(found) > 1
    for name in ("boxes", "labels", "scores", "masks"):
        np.testing.assert_array_equal(getattr(trace.detections, name), getattr(found, name))


def test_every_detection_comes_from_a_kept_pair_of_proposal_and_class(traced):
    _, _, trace = traced
    found, proposals = trace.detections, trace.proposals
    pairs = trace.origins, found.labels - 1
    assert proposals.kept[pairs].all()
    np.testing.assert_array_equal(proposals.probabilities[trace.origins, found.labels], found.scores)
    np.testing.assert_array_equal(proposals.refined[pairs], found.boxes)


def test_each_class_has_its_own_nms_and_a_threshold_is_not_above_itself():
    config = dataclasses.replace(tiny_config(), num_classes=7, class_names=("background", *"abcdef"))
    model = build_model(config, rng=np.random.default_rng(1)).eval()
    image = np.random.default_rng(0).random((64, 64, 1)).astype(np.float32)
    scores = np.sort(trace_detection(model, image).proposals.probabilities[:, 1:].ravel())
    change_heads(model, score_threshold=float(scores[len(scores) // 2]), nms_iou=0.3)
    trace = trace_detection(model, image)
    proposals, settings = trace.proposals, model.roi_heads.config
    np.testing.assert_array_equal(proposals.likely, proposals.probabilities[:, 1:] > settings.score_threshold)
    assert (proposals.probabilities == settings.score_threshold).any()
    for c in range(6):
        scores = proposals.probabilities[:, c + 1][None]
        kept = nms.nms(proposals.refined[:, c], scores[0], iou_threshold=0.3, valid=proposals.likely[:, c])
        np.testing.assert_array_equal(proposals.kept[:, c], kept)
    assert 6 < proposals.kept.sum() < proposals.likely.sum()


def test_no_better_kept_pair_was_left_out(traced):
    model, _, trace = traced
    count = min(model.config.roi.detections_per_image, trace.proposals.kept.sum())
    assert len(trace.detections) == count
    assert trace.proposals.kept.sum() <= trace.proposals.likely.sum()


def test_proposals_are_the_best_kept_candidates(traced):
    model, _, trace = traced
    candidates, proposals = trace.candidates, trace.proposals
    kept = np.flatnonzero(candidates.kept)
    best = kept[np.argsort(-candidates.scores[kept], kind="stable")][: model.config.rpn.post_nms_top_n[1]]
    assert 1 < len(best) < len(candidates.boxes)
    np.testing.assert_array_equal(proposals.boxes, candidates.boxes[best])
    np.testing.assert_array_equal(proposals.scores, candidates.scores[best])


def test_candidates_are_the_best_anchors_of_their_level(traced):
    model, _, trace = traced
    anchors, candidates = trace.anchors, trace.candidates
    np.testing.assert_array_equal(candidates.boxes, anchors.moved[candidates.anchor])
    np.testing.assert_array_equal(candidates.scores, anchors.objectness[candidates.anchor])
    np.testing.assert_array_equal(candidates.level, anchors.level[candidates.anchor])
    chosen = anchors.rank < model.config.rpn.pre_nms_top_n[1]
    assert sorted(candidates.anchor) == np.flatnonzero(chosen).tolist()
    for level in range(2, 7):
        of_level = anchors.level == level
        by_rank = anchors.objectness[of_level][np.argsort(anchors.rank[of_level])]
        assert (np.diff(by_rank) <= 0).all()


def test_boxes_are_in_the_pixels_of_the_unpadded_image(traced):
    _, image, trace = traced
    for found in (trace.anchors.moved, trace.proposals.boxes, trace.proposals.refined.reshape(-1, 4)):
        np.testing.assert_array_equal(found, boxes.clip(found, height=50, width=64))
    assert trace.detections.masks.shape[1:] == image.shape[:2]
    assert trace.mask_probabilities.shape == (len(trace.detections), 8, 8)
    assert [level.shape[:2] for level in trace.pyramid] == [(16, 16), (8, 8), (4, 4), (2, 2), (1, 1)]


def test_without_a_mask_head_there_are_no_masks():
    trace = trace_detection(tiny_model(seed=3, heads=("box",)).eval(), np.zeros((32, 32, 1), np.float32))
    assert trace.mask_probabilities is None
    assert trace.detections.masks is None


def test_a_model_in_training_is_refused():
    with pytest.raises(ArgumentError, match=r"model\.eval\(\)"):
        trace_detection(tiny_model(), np.zeros((32, 32, 1), np.float32))


@pytest.mark.parametrize("kind", ["fast R-CNN", *KINDS])
def test_the_trace_of_every_kind_ends_in_the_bits_of_detect(kind):
    """Of 200 scenes for each kind, or of one where the usual tests run: ten scenes for each drawn network."""
    stream = SceneStream(SceneConfig(image_size=64, digits_per_image=(0, 3)), split="test", seed=0, batch_size=1)
    rng, count = np.random.default_rng(), 0
    for _ in range(20 if ALL else 1):
        seed = int(rng.integers(10**6))
        model = fast_network(seed) if kind == "fast R-CNN" else network(kind, seed)
        for scene in rng.integers(0, 10**6, 10 if ALL else 1).tolist():
            image, _ = stream.scene(scene)
            boxes = some_boxes(scene, size=image.shape[:2]) if kind == "fast R-CNN" else None
            trace = trace_detection(model, image, proposals=boxes)
            found = detected(model, image, **({} if boxes is None else {"proposals": boxes[None]}))
            for part in PARTS:
                told = f"{part} of {kind}, weights {seed}, scene {scene}"
                np.testing.assert_array_equal(getattr(trace.detections, part), getattr(found, part), told, strict=True)
            count += len(found)
    assert count or not ALL


# ---------------------------------------------------------------- the same with other settings

PARTS = ("boxes", "labels", "scores", "masks", "keypoints", "mask_scores")
OTHERS = {
    "rpn.pre_nms_top_n": st.integers(1, 60),
    "rpn.min_size": st.floats(0, 12),
    "rpn.nms_iou": st.floats(0, 1),
    "rpn.post_nms_top_n": st.integers(1, 60),
    "roi.score_threshold": st.floats(-1, 0.9),
    "roi.min_size": st.floats(0, 12),
    "roi.nms_iou": st.floats(0, 1),
    "roi.detections_per_image": st.integers(1, 60),
    "roi.mask_threshold": st.floats(0.05, 0.95),
}


@functools.cache
def traced_once(kind, seed):
    model, image = network(kind, seed), picture(seed)
    return model, image, trace_detection(model, image)


@given(
    kind=st.sampled_from(["faster", "mask scoring", "keypoint", "RoIPool", "C4", "finest map"]),
    seed=st.integers(0, 3),
    settings=st.fixed_dictionaries({}, optional=OTHERS),
)
@hypothesis.settings(max_examples=40, deadline=None, derandomize=True)
def test_other_settings_give_what_a_model_with_these_settings_finds(kind, seed, settings):
    model, image, trace = traced_once(kind, seed)
    twin = with_settings(model, settings)
    wanted, decided = trace_detection(twin, image), what_if(trace, settings)
    found = detected(twin, image)
    assert decided.config == twin.config
    for part in ("anchor", "kept"):
        np.testing.assert_array_equal(getattr(decided.candidates, part), getattr(wanted.candidates, part))
        np.testing.assert_array_equal(getattr(decided.proposals, part), getattr(wanted.proposals, part))
    np.testing.assert_array_equal(decided.detections.labels, found.labels)
    for part in PARTS:  # a head that looks at more or fewer boxes at a time may round otherwise
        ours, its = getattr(decided.detections, part), getattr(found, part)
        assert (ours is None) == (its is None)
        if part == "masks" and ours is not None:
            assert (ours != its).mean() < 1e-3 if its.size else ours.shape == its.shape
        elif ours is not None:
            np.testing.assert_allclose(ours, its, rtol=1e-4, atol=1e-4)


def test_the_settings_that_it_has_give_the_same_bits():
    model, image, trace = traced_once("mask scoring", 1)
    roi, rpn = model.config.roi, model.config.rpn
    same = {"rpn.nms_iou": rpn.nms_iou, "rpn.post_nms_top_n": rpn.post_nms_top_n[1], "roi.nms_iou": roi.nms_iou}
    for settings in ({}, same):
        for part in PARTS:
            again = what_if(trace, settings).detections
            np.testing.assert_array_equal(getattr(again, part), getattr(trace.detections, part))


def test_proposals_from_outside_are_decided_anew_too():
    model, image, boxes = fast_network(1), picture(1), some_boxes(1)
    trace = trace_detection(model, image, proposals=boxes)
    for settings in ({"roi.nms_iou": 0.1}, {"roi.score_threshold": 0.4}, {"roi.detections_per_image": 2}):
        found = detected(with_settings(model, settings), image, proposals=boxes[None])
        np.testing.assert_array_equal(what_if(trace, settings).detections.boxes, found.boxes)


def test_an_anchor_that_is_no_candidate_leaves_no_trace():
    """As if the network had said so: its own RPN is made to."""
    model, image, trace = traced_once("mask", 3)
    for row in range(3):
        anchor = trace.proposals.anchor[trace.origins[row]]
        twin, forward = copy.copy(model), model.rpn.forward

        def said(pyramid, forward=forward, anchor=anchor):
            (logits, deltas), cache = forward(pyramid)
            logits[0, anchor] = -np.inf
            return (logits, deltas), cache

        twin.rpn = copy.copy(model.rpn)
        twin.rpn.forward = said
        found, decided = detected(twin, image), without_anchor(trace, anchor).detections
        np.testing.assert_allclose(decided.boxes, found.boxes, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(decided.labels, found.labels)
        assert len(found.boxes) != len(trace.detections) or (found.boxes != trace.detections.boxes).any()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"roi.box_size": 3}, r"settings must be some of rpn.pre_nms_top_n, .*; got \['roi.box_size'\]"),
        ({"nms_iou": 0.3}, "settings must be some of"),
        ({"roi.nms_iou": 1.5}, "nms_iou"),
        ({"rpn.pre_nms_top_n": 0}, "pre_nms_top_n"),
    ],
)
def test_settings_that_decide_nothing_are_refused(settings, said):
    _, _, trace = traced_once("mask", 3)
    with pytest.raises((ArgumentError, ConfigError), match=said):
        what_if(trace, settings)


def test_a_trace_that_does_not_know_its_network_is_refused():
    _, _, trace = traced_once("mask", 3)
    with pytest.raises(ArgumentError, match="needs a trace of trace_detection"):
        what_if(dataclasses.replace(trace, said=None), {})
