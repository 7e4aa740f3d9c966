import dataclasses

import numpy as np
import pytest
from tiny_model import change_heads, tiny_config, tiny_model

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.explain.trace import trace_detection
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
