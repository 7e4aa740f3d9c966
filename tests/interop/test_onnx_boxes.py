"""Boxes and NMS in onnxruntime beside ops/boxes.py and ops/nms.py, with borders, ties and empty sets."""

import numpy as np
import pytest
from onnx_run import drawn_boxes, run_nodes

from tinymaskrcnn.interop import onnx_boxes
from tinymaskrcnn.models.transform import resize_boxes
from tinymaskrcnn.ops import boxes, nms


def test_decode_and_clip():
    anchors = drawn_boxes(50)
    deltas = np.random.default_rng(1).normal(0, 2, (50, 4)).astype(np.float32)
    deltas[0] = 0, 0, 90, 90  # grows no further than the clamp lets it
    limits = np.float32([120, 80, 120, 80])
    there, clipped = run_nodes(
        lambda g, d, a, limits: [
            decoded := onnx_boxes.decode(g, d, a, (10, 10, 5, 5)),
            onnx_boxes.clip(g, decoded, limits),
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
    for corner in ((0, 0), (1, 7), (7, 1), (-9, 3)):  # wherever they lie
        there = run_nodes(lambda g, found: onnx_boxes.large_enough(g, found, 2), found=found + np.float32(2 * corner))
        assert there.tolist() == [True, False, False, False]


@pytest.mark.parametrize("threshold, kept", [(0.5, [0, 1]), (0.49, [1])])
def test_nms_keeps_what_overlaps_by_exactly_the_threshold(threshold, kept):
    found = np.float32([[0, 0, 1, 1], [0, 0, 2, 1]])  # an IoU of exactly one half
    scores = np.float32([0.3, 0.6])
    there = run_nodes(lambda g, b, s: onnx_boxes.nms(g, b, s, threshold), b=found[None], s=scores[None])
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
        lambda g, b, s: onnx_boxes.nms(g, b, s, 0.6),
        b=found,
        s=np.where(valid, scores, np.float32(onnx_boxes.LEFT_OUT)),
    )
    group = np.repeat(np.arange(sets), count)
    here = nms.nms(
        found.reshape(-1, 4), scores.reshape(-1), iou_threshold=0.6, group=group, valid=valid.reshape(-1)
    ).reshape(sets, count)
    assert sorted(map(tuple, there.tolist())) == sorted(zip(*(i.tolist() for i in np.nonzero(here))))
    assert 0 < len(there) < valid.sum()


def test_nms_of_nothing():
    there = run_nodes(
        lambda g, b, s: onnx_boxes.nms(g, b, s, 0.6), b=np.zeros((2, 0, 4), np.float32), s=np.zeros((2, 0), np.float32)
    )
    assert there.shape == (0, 2)


def test_boxes_in_a_picture_of_another_size():
    found = drawn_boxes(9)
    there = run_nodes(
        lambda g, b, old, new: onnx_boxes.resize_boxes(g, b, old, new),
        b=found,
        old=np.array([97, 131]),
        new=np.array([200, 70]),
    )
    np.testing.assert_allclose(there, resize_boxes(found, old=(97, 131), new=(200, 70)), rtol=1e-6)
