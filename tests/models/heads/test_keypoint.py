"""Heatmaps: their size, their loss by hand, and the places read from them."""

import numpy as np
import pytest

from tinymaskrcnn.models.heads.keypoint import (
    KeypointPredictor,
    _bicubic_weights,
    decode_keypoints,
    keypoint_head,
    keypoint_loss_backward,
    keypoint_loss_forward,
)
from tinymaskrcnn.targets.keypoint import KeypointTargets


def test_heatmaps_are_four_times_as_fine_as_the_crop():
    rng = np.random.default_rng(0)
    head = keypoint_head(4, (6, 5), rng=rng)
    assert [name for name, _ in head.named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    h, _ = head.forward(rng.standard_normal((3, 14, 14, 4)).astype(np.float32))
    heatmaps, _ = KeypointPredictor(5, 17, rng=rng).forward(h)
    assert heatmaps.shape == (3, 56, 56, 17) and heatmaps.dtype == np.float32


# ---------------------------------------------------------------- loss


def answers(position, weight):
    return KeypointTargets(np.array(position), np.array(weight, np.float32))


def test_loss_is_the_mean_over_keypoints_that_count():
    heatmaps = np.zeros((1, 2, 2, 3), np.float32)
    heatmaps[0, 1, 0, 1] = np.log(5)  # cell 2 of keypoint 1: probability 5/8
    heatmaps[0, 0, 0, 2] = 1e9  # absent: whatever it says
    losses, cache = keypoint_loss_forward(heatmaps, targets=answers([[3, 2, 1]], [[1, 1, 0]]))
    np.testing.assert_allclose(losses["keypoint"], (np.log(4) + np.log(8 / 5)) / 2, rtol=1e-6)
    dheatmaps = keypoint_loss_backward({"keypoint": 1.0}, cache)
    assert dheatmaps.shape == heatmaps.shape and dheatmaps.dtype == np.float32
    np.testing.assert_allclose(dheatmaps[0, :, :, 0], np.array([[1, 1], [1, -3]]) / 8, rtol=1e-6)
    np.testing.assert_allclose(dheatmaps[0, 1, 0, 1], (5 / 8 - 1) / 2, rtol=1e-6)
    assert (dheatmaps[..., 2] == 0).all()


@pytest.mark.parametrize("rois", [0, 2])
def test_no_keypoint_that_counts_costs_nothing(rois):
    targets = answers(np.zeros((rois, 3), int), np.zeros((rois, 3)))
    losses, cache = keypoint_loss_forward(np.ones((rois, 4, 4, 3), np.float32), targets=targets)
    assert losses["keypoint"] == 0
    assert (keypoint_loss_backward({"keypoint": 1.0}, cache) == 0).all()


# ---------------------------------------------------------------- decoding


def peak(row, column, side=8, joints=2):
    heatmaps = np.zeros((1, side, side, joints), np.float32)
    heatmaps[0, row, column, 1] = 3.0
    return heatmaps


def test_a_roi_of_the_heatmaps_size_reads_its_cells():
    found = decode_keypoints(peak(2, 5), np.array([[10, 20, 18, 28]], np.float32))
    assert found.shape == (1, 2, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found[0, 1], [10 + 5.5, 20 + 2.5, 3.0], rtol=1e-6)


def test_a_roi_three_times_as_large_and_not_square():
    found = decode_keypoints(peak(2, 5), np.array([[0, 0, 24, 8]], np.float32))
    np.testing.assert_allclose(found[0, 1], [5.5 * 3, 2.5, 3.0], rtol=1e-6)  # the middle of the cell is a pixel


def test_a_fraction_of_a_pixel_stretches_the_grid():
    found = decode_keypoints(peak(2, 5), np.array([[0, 0, 7.6, 8]], np.float32))
    np.testing.assert_allclose(found[0, 1, :2], [5.5 * 7.6 / 8, 2.5], rtol=1e-6)


def test_a_roi_smaller_than_a_pixel_counts_as_one_pixel():
    found = decode_keypoints(peak(2, 5), np.array([[4, 6, 4.1, 6.0]], np.float32))
    np.testing.assert_allclose(found[0, 1, :2], [4.5, 6.5], rtol=1e-6)


def test_between_two_equal_cells_lies_the_maximum():
    heatmaps = peak(2, 5)
    heatmaps[0, 2, 4, 1] = 3.0
    found = decode_keypoints(heatmaps, np.array([[0, 0, 56, 56]], np.float32))
    np.testing.assert_allclose(found[0, 1, :2], [5 * 7, 2.5 * 7], atol=0.51)
    assert found[0, 1, 2] > 3.0  # the cubic overshoots


def test_no_detections():
    assert decode_keypoints(peak(0, 0)[:0], np.zeros((0, 4), np.float32)).shape == (0, 2, 3)


@pytest.mark.parametrize("outputs", [3, 8, 11, 40])
def test_bicubic_weights_keep_constants_and_slopes(outputs):
    weights = _bicubic_weights(np, outputs, 8, np.dtype(np.float64))
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    place = (np.arange(outputs) + 0.5) * 8 / outputs - 0.5
    inside = (place >= 1) & (place <= 6)
    np.testing.assert_allclose((weights @ np.arange(8))[inside], place[inside], atol=0.08)  # a = -0.75 bends a little
    np.testing.assert_allclose(_bicubic_weights(np, 8, 8, np.dtype(np.float64)), np.eye(8), atol=1e-12)


def test_bicubic_weights_halfway():
    """Keys' cubic at distances 3/2 and 1/2 with a = -0.75; the border pixel stands in for those beyond it."""
    weights = _bicubic_weights(np, 2, 4, np.dtype(np.float64))  # outputs at 0.5 and 2.5
    np.testing.assert_allclose(weights, [[0.5, 0.59375, -0.09375, 0], [0, -0.09375, 0.59375, 0.5]], rtol=1e-12)
