"""Crops, detections, masks and keypoints in onnxruntime beside models/: every part alone, also without any RoI."""

import numpy as np
import pytest
from onnx_run import channels_first, drawn_boxes, pyramid_of, run_nodes

from tinymaskrcnn.config import RoIConfig
from tinymaskrcnn.interop import onnx_heads
from tinymaskrcnn.models import postprocess, roi_heads
from tinymaskrcnn.models.heads import keypoint
from tinymaskrcnn.models.transform import resize_keypoints


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("samples", [2, 0])
@pytest.mark.parametrize("count", [40, 1, 0])
def test_crops_come_from_their_level_and_in_order(aligned, samples, count):
    config = RoIConfig(canonical_size=16.0, aligned=aligned, sampling_ratio=samples)
    pool = roi_heads.PyramidRoIAlign(5, config)
    pyramid = pyramid_of((128, 128))
    rois = drawn_boxes(count, side=60)
    here, _ = pool.forward(pyramid, rois=rois, image_index=np.zeros(count, int))
    there = run_nodes(
        lambda g, rois, **levels: onnx_heads.pyramid_roi_align(g, pool, list(levels.values()), rois),
        rois=rois,
        **channels_first(pyramid),
    )
    np.testing.assert_allclose(there.transpose(0, 2, 3, 1), here, rtol=1e-4, atol=1e-5)


def test_levels_at_their_borders():
    sides = np.float32([1, 55.999, 56, 56.001, 111.99, 112, 113, 223.9, 224, 447, 448, 449, 5000])
    rois = np.stack([0 * sides, 0 * sides, sides, sides], axis=1)
    there = run_nodes(
        lambda g, rois: onnx_heads.assign_levels(g, rois, RoIConfig(canonical_size=224.0, canonical_level=4), 4),
        rois=rois,
    )
    here = roi_heads.assign_levels(rois, canonical_size=224, canonical_level=4, lowest=2, highest=5)
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
            onnx_heads.detections_from_boxes(g, logits, deltas, proposals, config, np.float32([130, 110, 130, 110]))
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
@pytest.mark.parametrize("paste", ["continuous", "integer"])
def test_pasted_masks(count, paste):
    config = RoIConfig(mask_size=4, mask_threshold=0.4, paste=paste)
    masks = np.random.default_rng(2).random((count, 8, 8)).astype(np.float32)
    found = drawn_boxes(count, side=40)
    there = run_nodes(
        lambda g, masks, found, size: onnx_heads.paste_masks(g, masks, found, size, config),
        masks=masks,
        found=found,
        size=np.array([50, 70]),
    )
    here = postprocess.paste_masks(masks, found, height=50, width=70, threshold=0.4, mode=paste)
    assert there.dtype == bool and there.shape == (count, 50, 70)
    assert (there != here).mean() <= 1e-4 if count else True


# ---------------------------------------------------------------- keypoints


@pytest.mark.parametrize("count", [9, 0])
def test_keypoints_from_heatmaps(count):
    heatmaps = np.random.default_rng(6).normal(0, 1, (count, 8, 8, 5)).astype(np.float32)
    found = drawn_boxes(count, side=30)
    found[:1, 2:] = found[:1, :2] + 0.25  # smaller than a pixel
    there, resized = run_nodes(
        lambda g, heatmaps, found, old, new: [
            places := onnx_heads.decode_keypoints(g, heatmaps, found, 5, 8),
            onnx_heads.resize_keypoints(g, places, old, new),
        ],
        heatmaps=np.ascontiguousarray(heatmaps.transpose(0, 3, 1, 2)),
        found=found,
        old=np.array([50, 60]),
        new=np.array([25, 240]),
    )
    here = keypoint.decode_keypoints(heatmaps, found)
    assert there.shape == (count, 5, 3)
    np.testing.assert_allclose(there, here, atol=1e-4)
    np.testing.assert_allclose(resized, resize_keypoints(here, old=(50, 60), new=(25, 240)), atol=1e-3)
