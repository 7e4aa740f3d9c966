"""Heatmaps: their size, their loss by hand, and the places read from them."""

import itertools
import types

import numpy as np
import pytest

from tinymaskrcnn.config import RoIConfig
from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.models.heads.keypoint import (
    KeypointHead,
    KeypointPredictor,
    _bicubic_weights,
    decode_keypoints,
    keypoint_body,
)
from tinymaskrcnn.ops import naive
from tinymaskrcnn.targets.keypoint import KeypointTargets

HEAD = KeypointHead(2, 2, RoIConfig(keypoint_widths=(2,)), rng=np.random.default_rng(0))


def test_heatmaps_are_four_times_as_fine_as_the_crop():
    rng = np.random.default_rng(0)
    head = keypoint_body(4, (6, 5), rng=rng)
    assert [name for name, _ in head.named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    h, _ = head.forward(rng.standard_normal((3, 14, 14, 4)).astype(np.float32))
    heatmaps, _ = KeypointPredictor(5, 17, rng=rng).forward(h)
    assert heatmaps.shape == (3, 56, 56, 17) and heatmaps.dtype == np.float32


def test_the_predictor_equals_the_definitions_also_on_crops_that_are_not_square():
    rng = np.random.default_rng(0)
    predictor = KeypointPredictor(3, 2, rng=rng).astype(np.float64)
    deconv, x = predictor.kps_score_lowres, rng.standard_normal((2, 3, 2, 3))
    deconv.bias.value = rng.standard_normal(2)
    low = naive.conv_transpose2d(x, deconv.weight.value, deconv.bias.value, stride=(2, 2), padding=(1, 1))
    heatmaps, cache = predictor.forward(x)
    np.testing.assert_allclose(heatmaps, naive.resize_bilinear(low, size=(12, 8)), atol=1e-12)
    dheatmaps = rng.standard_normal(heatmaps.shape)
    dx = predictor.backward(dheatmaps, cache)
    without_bias = heatmaps - deconv.bias.value  # a linear map: whatever weighs its outputs weighs its inputs
    np.testing.assert_allclose((dx * x).sum(), (dheatmaps * without_bias).sum(), rtol=1e-10)
    np.testing.assert_allclose((deconv.weight.grad * deconv.weight.value).sum(), (dx * x).sum(), rtol=1e-10)


# ---------------------------------------------------------------- loss


@pytest.mark.parametrize("scale", [1.0, -3.0])
def test_loss_of_several_objects_on_maps_that_are_not_square(scale, rng):
    """Place by place: the logarithm of a softmax over all places of one map, the mean by weight; small steps back."""
    heatmaps, weight = rng.standard_normal((3, 2, 4, 2)), np.array([[1, 0.5], [0, 1], [1, 1]])
    position = rng.integers(0, 8, (3, 2))
    targets = KeypointTargets(position, weight)

    def by_definition(heatmaps):
        total = 0.0
        for q, j in np.ndindex(3, 2):
            scores = np.exp(heatmaps[q, :, :, j])
            row, column = divmod(int(position[q, j]), 4)
            total -= weight[q, j] * np.log(scores[row, column] / scores.sum())
        return total / weight.sum()

    losses, cache = HEAD.loss_forward(heatmaps, answers=targets)
    np.testing.assert_allclose(losses["keypoint"], by_definition(heatmaps), rtol=1e-12)
    dheatmaps = HEAD.loss_backward({"keypoint": scale}, cache)
    for place in np.ndindex(heatmaps.shape):
        step = np.zeros(heatmaps.shape)
        step[place] = 1e-5
        slope = (by_definition(heatmaps + step) - by_definition(heatmaps - step)) / 2e-5
        np.testing.assert_allclose(dheatmaps[place], scale * slope, atol=1e-8)


def answers(position, weight):
    return KeypointTargets(np.array(position), np.array(weight, np.float32))


def test_loss_is_the_mean_over_keypoints_that_count():
    heatmaps = np.zeros((1, 2, 2, 3), np.float32)
    heatmaps[0, 1, 0, 1] = np.log(5)  # cell 2 of keypoint 1: probability 5/8
    heatmaps[0, 0, 0, 2] = 1e9  # absent: whatever it says
    losses, cache = HEAD.loss_forward(heatmaps, answers=answers([[3, 2, 1]], [[1, 1, 0]]))
    np.testing.assert_allclose(losses["keypoint"], (np.log(4) + np.log(8 / 5)) / 2, rtol=1e-6)
    dheatmaps = HEAD.loss_backward({"keypoint": 1.0}, cache)
    assert dheatmaps.shape == heatmaps.shape and dheatmaps.dtype == np.float32
    np.testing.assert_allclose(dheatmaps[0, :, :, 0], np.array([[1, 1], [1, -3]]) / 8, rtol=1e-6)
    np.testing.assert_allclose(dheatmaps[0, 1, 0, 1], (5 / 8 - 1) / 2, rtol=1e-6)
    assert (dheatmaps[..., 2] == 0).all()


@pytest.mark.parametrize("rois", [0, 2])
def test_no_keypoint_that_counts_costs_nothing(rois):
    targets = answers(np.zeros((rois, 3), int), np.zeros((rois, 3)))
    losses, cache = HEAD.loss_forward(np.ones((rois, 4, 4, 3), np.float32), answers=targets)
    assert losses["keypoint"] == 0
    assert (HEAD.loss_backward({"keypoint": 1.0}, cache) == 0).all()


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


def enlarged(heatmap, width, height):
    """Keys' cubic with a = -0.75 as on paper, one place after the other: heatmap (S, S)  ->  (height, width)."""

    def cubic(d):
        near = 1.25 * abs(d) ** 3 - 2.25 * d * d + 1
        return near if abs(d) <= 1 else -0.75 * abs(d) ** 3 + 3.75 * d * d - 6 * abs(d) + 3 if abs(d) < 2 else 0.0

    def taps(place, outputs, inputs):
        at = (place + 0.5) * inputs / outputs - 0.5
        low = int(np.floor(at))
        return [(min(max(i, 0), inputs - 1), cubic(at - i)) for i in range(low - 1, low + 3)]

    large = np.zeros((height, width))
    for row, column in np.ndindex(height, width):
        for (i, by_row), (j, by_column) in itertools.product(
            taps(row, height, heatmap.shape[0]), taps(column, width, heatmap.shape[1])
        ):
            large[row, column] += by_row * by_column * heatmap[i, j]
    return large


@pytest.mark.parametrize(("dtype", "bound"), ((np.float32, 1e-5), (np.float64, 1e-12)))
def test_places_and_scores_are_those_of_the_enlarged_map(dtype, bound, rng):
    heatmaps = rng.standard_normal((3, 5, 5, 2)).astype(dtype)
    rois = np.array([[1, 2, 12.5, 9.25], [3, 1, 4.5, 8], [0.5, 0.5, 5.5, 5.5]], dtype)
    found = decode_keypoints(heatmaps, rois)
    assert found.dtype == dtype
    for k, j in np.ndindex(3, 2):
        left, top, right, bottom = rois[k].tolist()
        width, height = int(np.ceil(right - left)), int(np.ceil(bottom - top))
        large = enlarged(heatmaps[k, :, :, j].astype(float), width, height)
        row, column = np.unravel_index(large.argmax(), large.shape)
        place = left + (column + 0.5) * (right - left) / width, top + (row + 0.5) * (bottom - top) / height
        np.testing.assert_allclose(found[k, j], [*place, large.max()], rtol=bound)


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


@pytest.mark.parametrize("count", [2, 3, 4, 17])
def test_as_many_keypoints_as_the_head_has(count):
    """3 is also how many numbers each of them has."""
    rois, rng = np.array([[0.0, 0, 8, 8]], np.float32), np.random.default_rng(0)
    seen = types.SimpleNamespace(rois=rois, matched=np.array([0]), weight=np.ones(1, np.float32))
    for given in (2, 3, 4, 17):
        head = KeypointHead(2, 2, RoIConfig(keypoint_widths=(2,), num_keypoints=count), rng=rng)
        targets = types.SimpleNamespace(keypoints=np.full((1, 1, given, 3), 4.0, np.float32))
        if given == count:
            assert head.answers(seen, targets, sizes=None).position.shape == (1, count)
            continue
        with pytest.raises(ArgumentError, match=f"must have {count} keypoints each, roi.num_keypoints; got {given}"):
            head.answers(seen, targets, sizes=None)
