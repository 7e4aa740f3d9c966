"""The heatmap cell of every keypoint: counted by hand, and found again by decoding."""

import numpy as np
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.models.heads.keypoint import decode_keypoints
from tinymaskrcnn.targets.keypoint import keypoint_targets

ROI = np.array([[10, 20, 18, 36]], np.float32)  # 8 x 16 pixels; with 4 cells a side they are 2 x 4 pixels


def cell_of(x, y, visibility=2, rois=ROI, **options):
    points = np.array([[[[x, y, visibility]]]], np.float32)
    targets = keypoint_targets(points, rois, np.zeros(len(rois), int), size=4, **options)
    return targets.position[0, 0], targets.weight[0, 0]


def test_cells_by_hand():
    assert cell_of(10, 20) == (0, 1)
    assert cell_of(11.9, 23.9) == (0, 1)
    assert cell_of(12, 24) == (1 * 4 + 1, 1)
    assert cell_of(17, 21, visibility=1) == (3, 1)  # hidden, but annotated


def test_the_far_edges_belong_to_the_last_cell():
    assert cell_of(18, 36) == (15, 1)
    assert cell_of(18, 20) == (3, 1) and cell_of(10, 36) == (12, 1)


def test_absent_and_outside_keypoints_do_not_count():
    for x, y, visibility in [(11, 21, 0), (9.9, 21, 2), (11, 19.9, 2), (18.1, 21, 2), (11, 36.1, 2), (-1e9, 1e9, 2)]:
        assert cell_of(x, y, visibility) == (0, 0)
    assert cell_of(12, 24, weight=np.zeros(1, np.float32)) == (0, 0)  # a RoI that is padding


def test_the_weight_of_a_roi_is_that_of_its_keypoints():
    rois = np.repeat(ROI, 3, axis=0)
    points = np.array([[[[12, 24, 2]]]], np.float32)
    targets = keypoint_targets(points, rois, np.zeros(3, int), size=4, weight=np.array([1, 0, 1], np.float32))
    assert targets.weight.tolist() == [[1], [0], [1]] and targets.position.tolist() == [[5], [0], [5]]


def test_float64_stays_float64():
    """A keypoint that only float64 tells from the edge between two cells."""
    assert cell_of(12, 24)[0] == 5
    points, rois = np.array([[[[12 - 1e-9, 24 - 1e-9, 2]]]]), ROI.astype(np.float64)
    targets = keypoint_targets(points, rois, np.zeros(1, int), size=4)
    assert targets.position.tolist() == [[0]] and targets.weight.dtype == np.float64


def test_every_roi_sees_its_own_object():
    points = np.zeros((2, 2, 3, 3), np.float32)
    points[1, 0] = [[10, 20, 2], [12, 24, 2], [17, 35, 0]]
    targets = keypoint_targets(points, np.repeat(ROI, 3, axis=0), np.array([2, 0, 2]), size=4)
    assert targets.position.tolist() == [[0, 5, 0], [0, 0, 0], [0, 5, 0]]
    assert targets.weight.tolist() == [[1, 1, 0], [0, 0, 0], [1, 1, 0]]
    assert targets.position.dtype == np.int64 and targets.weight.dtype == np.float32


def test_no_rois():
    targets = keypoint_targets(np.zeros((1, 1, 5, 3), np.float32), ROI[:0], np.zeros(0, int), size=4)
    assert targets.position.shape == targets.weight.shape == (0, 5)


@examples(30)
@given(st.integers(0, 10_000))
def test_decoding_the_answer_finds_the_keypoint_again(seed):
    """The maximum lies in the answer's cell, so it is less than a cell off; decoding looks at whole pixels."""
    rng = np.random.default_rng(seed)
    corner, sides = rng.uniform(0, 50, (4, 2)), rng.uniform(20, 60, (4, 2))
    rois = np.concatenate([corner, corner + sides], axis=1)
    points = np.full((1, 4, 2, 3), 2.0)
    points[0, ..., :2] = corner[:, None] + rng.random((4, 2, 2)) * sides[:, None]
    targets = keypoint_targets(points, rois, np.arange(4), size=16)
    assert (targets.weight == 1).all()
    heatmaps = (targets.position[:, None] == np.arange(256)[:, None]).astype(float).reshape(4, 16, 16, 2)
    found = decode_keypoints(heatmaps, rois)
    off = np.abs(found[..., :2] - points[0, ..., :2]) / sides[:, None]
    assert off.max() <= 1 / 16 + 0.51 / sides.min()
