"""The parts of the detector in onnxruntime beside those of models/: every one alone, with borders and empty sets."""

import dataclasses

import numpy as np
import pytest
from onnx_run import run_nodes
from tiny_model import tiny_model

from tinymaskrcnn.config import RoIConfig
from tinymaskrcnn.interop import onnx_detector as detector
from tinymaskrcnn.models import postprocess, roi_pooling
from tinymaskrcnn.ops import boxes, nms


def drawn_boxes(count, seed=0, side=100.0):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-5, side, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(0.5, side, (count, 2))], axis=1).astype(np.float32)


def test_decode_and_clip():
    anchors = drawn_boxes(50)
    deltas = np.random.default_rng(1).normal(0, 2, (50, 4)).astype(np.float32)
    deltas[0] = 0, 0, 90, 90  # grows no further than the clamp lets it
    limits = np.float32([120, 80, 120, 80])
    there, clipped = run_nodes(
        lambda g, d, a, limits: [
            decoded := detector.decode(g, d, a, (10, 10, 5, 5)),
            detector.clip(g, decoded, limits),
        ],
        d=deltas,
        a=anchors,
        limits=limits,
    )
    here = boxes.decode(deltas, anchors, weights=(10, 10, 5, 5))
    np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(clipped, boxes.clip(here, height=80, width=120), rtol=1e-5, atol=1e-4)
    assert clipped[:, 2].max() == 120


def test_large_enough_is_not_strict():
    found = np.float32([[0, 0, 2, 2], [0, 0, 2, 1.9], [0, 0, 1.9, 2], [5, 5, 5, 5]])
    there = run_nodes(lambda g, found: detector.large_enough(g, found, 2), found=found)
    assert there.tolist() == [True, False, False, False]


# ---------------------------------------------------------------- NMS


@pytest.mark.parametrize("threshold, kept", [(0.5, [0, 1]), (0.49, [1])])
def test_nms_keeps_what_overlaps_by_exactly_the_threshold(threshold, kept):
    found = np.float32([[0, 0, 1, 1], [0, 0, 2, 1]])  # an IoU of exactly one half
    scores = np.float32([0.3, 0.6])
    there = run_nodes(lambda g, b, s: detector.nms(g, b, s, threshold), b=found[None], s=scores[None])
    assert sorted(there[:, 1].tolist()) == kept
    assert np.flatnonzero(nms.nms(found, scores, iou_threshold=threshold)).tolist() == kept


@pytest.mark.parametrize("seed", range(5))
def test_nms_in_sets_equals_ours_in_groups(seed):
    rng = np.random.default_rng(seed)
    sets, count = 3, 150
    found = np.round(drawn_boxes(sets * count, seed), seed).reshape(sets, count, 4)  # rounded: overlaps and scores tie
    scores = np.round(rng.random((sets, count)), 2).astype(np.float32)
    valid = rng.random((sets, count)) < 0.8
    there = run_nodes(
        lambda g, b, s: detector.nms(g, b, s, 0.6), b=found, s=np.where(valid, scores, np.float32(detector.LEFT_OUT))
    )
    group = np.repeat(np.arange(sets), count)
    here = nms.nms(
        found.reshape(-1, 4), scores.reshape(-1), iou_threshold=0.6, group=group, valid=valid.reshape(-1)
    ).reshape(sets, count)
    assert sorted(map(tuple, there.tolist())) == sorted(zip(*(i.tolist() for i in np.nonzero(here))))
    assert 0 < len(there) < valid.sum()


def test_nms_of_nothing():
    there = run_nodes(
        lambda g, b, s: detector.nms(g, b, s, 0.6), b=np.zeros((2, 0, 4), np.float32), s=np.zeros((2, 0), np.float32)
    )
    assert there.shape == (0, 2)


# ---------------------------------------------------------------- anchors and proposals


def pyramid_of(size, channels=4, seed=0):
    rng = np.random.default_rng(seed)
    strides = (4, 8, 16, 32, 64)
    return [rng.normal(0, 1, (1, -(-size[0] // s), -(-size[1] // s), channels)).astype(np.float32) for s in strides]


def channels_first(pyramid):
    return {f"p{i}": np.ascontiguousarray(level.transpose(0, 3, 1, 2)) for i, level in enumerate(pyramid)}


@pytest.mark.parametrize("size", [(64, 96), (96, 160), (32, 32)])
def test_anchors_also_where_a_level_has_no_whole_stride(size):
    model = tiny_model()
    pyramid = pyramid_of(size)
    here = model.rpn.anchors(pyramid, size)
    there = run_nodes(
        lambda g, size, **levels: [
            detector.level_anchors(g, level, size, model.rpn.config, i) for i, level in enumerate(levels.values())
        ],
        size=np.array(size),
        **channels_first(pyramid),
    )
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
@pytest.mark.parametrize("min_size", [1e-3, 8, 1e5])
def test_proposals(kind, min_size):
    model = tiny_model(objectness=kind).eval()
    rpn = model.rpn
    rpn.config = dataclasses.replace(rpn.config, min_size=float(min_size))
    for layer in (rpn.head.cls_logits, rpn.head.bbox_pred):
        layer.weight.value *= 5  # spread the scores and move the boxes
    size, true_size = (96, 128), (90, 100)
    pyramid = pyramid_of(size)
    (logits, deltas), _ = rpn.forward(pyramid)
    here, valid = rpn.propose(logits, deltas, rpn.anchors(pyramid, size), sizes=np.array([true_size]))
    there = run_nodes(
        lambda g, size, limits, **levels: detector.propose(g, rpn, list(levels.values()), size, limits),
        size=np.array(size),
        limits=np.float32([100, 90, 100, 90]),
        **channels_first(pyramid),
    )
    np.testing.assert_allclose(there, here[0][valid[0]], rtol=1e-4, atol=1e-3)
    assert len(there) == (0 if min_size == 1e5 else 8)


# ---------------------------------------------------------------- crops


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("samples", [2, 0])
@pytest.mark.parametrize("count", [40, 1, 0])
def test_crops_come_from_their_level_and_in_order(aligned, samples, count):
    config = RoIConfig(canonical_size=16.0, aligned=aligned, sampling_ratio=samples)
    pool = roi_pooling.PyramidRoIAlign(5, config)
    pyramid = pyramid_of((128, 128))
    rois = drawn_boxes(count, side=60)
    here, _ = pool.forward(pyramid, rois=rois, image_index=np.zeros(count, int))
    there = run_nodes(
        lambda g, rois, **levels: detector.pyramid_roi_align(g, pool, list(levels.values()), rois),
        rois=rois,
        **channels_first(pyramid),
    )
    np.testing.assert_allclose(there.transpose(0, 2, 3, 1), here, rtol=1e-4, atol=1e-5)


def test_levels_at_their_borders():
    sides = np.float32([1, 55.999, 56, 56.001, 111.99, 112, 113, 223.9, 224, 447, 448, 449, 5000])
    rois = np.stack([0 * sides, 0 * sides, sides, sides], axis=1)
    there = run_nodes(
        lambda g, rois: detector.assign_levels(g, rois, RoIConfig(canonical_size=224.0, canonical_level=4), 4),
        rois=rois,
    )
    here = roi_pooling.assign_levels(rois, canonical_size=224, canonical_level=4, lowest=2, highest=5)
    assert there.tolist() == here.tolist() and set(here.tolist()) == {2, 3, 4, 5}


# ---------------------------------------------------------------- detections and masks


@pytest.mark.parametrize("limit", [1000, 7])
@pytest.mark.parametrize("threshold", [0.2, 1.0])
def test_detections_per_class(limit, threshold):
    rng = np.random.default_rng(4)
    config = RoIConfig(score_threshold=threshold, detections_per_image=limit, min_size=20.0)
    proposals = drawn_boxes(60)
    logits = rng.normal(0, 2, (60, 4)).astype(np.float32)
    logits[5:20] = logits[4]  # equal scores: the order of the proposals counts
    deltas = rng.normal(0, 1, (60, 4, 4)).astype(np.float32)
    sizes = np.array([[110, 130]])
    *here, keep = _ours(
        postprocess.detections_from_boxes(logits, deltas, proposals[None], np.ones((1, 60), bool), config, sizes=sizes)
    )
    there = run_nodes(
        lambda g, logits, deltas, proposals: list(
            detector.detections_from_boxes(g, logits, deltas, proposals, config, np.float32([130, 110, 130, 110]))
        ),
        logits=logits,
        deltas=deltas,
        proposals=proposals,
    )
    assert len(there[0]) == keep.sum() and (len(there[0]) > 0) == (threshold < 1)
    np.testing.assert_array_equal(there[1], here[1][keep])
    np.testing.assert_allclose(there[0], here[0][keep], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(there[2], here[2][keep], rtol=1e-5)


def _ours(found):
    """boxes, labels, scores, keep of the only picture"""
    return [array[0] for array in found]


@pytest.mark.parametrize("count", [12, 0])
def test_pasted_masks(count):
    config = RoIConfig(mask_size=4, mask_threshold=0.4)
    masks = np.random.default_rng(2).random((count, 8, 8)).astype(np.float32)
    found = drawn_boxes(count, side=40)
    there = run_nodes(
        lambda g, masks, found, size: detector.paste_masks(g, masks, found, size, config),
        masks=masks,
        found=found,
        size=np.array([50, 70]),
    )
    here = postprocess.paste_masks(masks, found, height=50, width=70, threshold=0.4)
    assert there.dtype == bool and there.shape == (count, 50, 70)
    assert (there != here).mean() <= 1e-4 if count else True
