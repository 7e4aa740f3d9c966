"""Pair overlaps against a plain count of pixels, and greedy matching against COCO's rule written as loops."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.data import rle
from tinymaskrcnn.errors import ShapeError
from tinymaskrcnn.evaluation import matching

THRESHOLDS = np.array([0.5, 0.75, 1.0])


def match_with_loops(iou, ignored, crowd, threshold):
    """COCO's rule for one class in one image, iou (D, G): object taken by each detection, or -1."""
    owner, taken = np.full(len(iou), -1), np.zeros(len(crowd), bool)
    for d in range(len(iou)):
        best = None
        for g in range(len(crowd)):
            if (taken[g] and not crowd[g]) or iou[d, g] < min(threshold, 1 - 1e-10):
                continue
            key = (not ignored[g], iou[d, g], g)  # real objects first, then the overlap, then the later one
            if best is None or key > best:
                best = key
        if best is not None:
            owner[d] = best[2]
            taken[best[2]] = True
    return owner


@examples(80)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(0, 6), st.integers(0, 5))
def test_greedy_match_follows_the_rule(seed, groups, D, G):
    rng = np.random.default_rng(seed)
    iou = rng.choice([0.2, 0.5, 0.6, 0.75, 0.9, 1.0], (groups, D, G))
    crowd = rng.random((groups, G)) < 0.2
    ignored = crowd | (rng.random((groups, G)) < 0.3)
    group, d, g = np.nonzero(iou >= 0.5)
    shuffle = rng.permutation(len(group))  # the order in which pairs come must not matter
    group, d, g = group[shuffle], d[shuffle], g[shuffle]

    matched, on_ignored = matching.greedy_match(
        group * D + d,
        group * G + g,
        iou[group, d, g],
        group=group,
        ignored=ignored.ravel(),
        crowd=crowd.ravel(),
        thresholds=THRESHOLDS,
        num_detections=groups * D,
    )
    for i in range(groups):
        for t, threshold in enumerate(THRESHOLDS):
            owner = match_with_loops(iou[i], ignored[i], crowd[i], threshold)
            mine = slice(i * D, (i + 1) * D)
            assert (matched[mine, t] == (owner >= 0)).all()
            assert (on_ignored[mine, t] == [o >= 0 and ignored[i, o] for o in owner]).all()


def test_a_crowd_takes_many_and_an_object_one():
    for crowd, expected in ((False, [True, False]), (True, [True, True])):
        matched, on_ignored = matching.greedy_match(
            np.array([0, 1]),
            np.array([0, 0]),
            np.array([0.9, 0.95]),
            group=np.zeros(2, int),
            ignored=np.array([crowd]),
            crowd=np.array([crowd]),
            thresholds=np.array([0.5]),
            num_detections=2,
        )
        assert matched[:, 0].tolist() == expected
        assert on_ignored[:, 0].tolist() == [crowd, crowd]


@examples(40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 3), st.integers(1, 9), st.integers(1, 17))
def test_mask_intersections_count_pixels(seed, D, G, H, W):
    rng = np.random.default_rng(seed)
    a, b = (rng.random((n, H, W)) < 0.5 for n in (D, G))
    row, column = rng.integers(0, D, 4), rng.integers(0, G, 4)
    expected = [(a[d] & b[g]).sum() for d, g in zip(row, column)]
    for x, y in ((a, b), (a.astype(np.uint8), b), (rle.encode_many(a), b), (rle.encode_many(a), rle.encode_many(b))):
        assert matching.mask_intersections(x, y, row, column).tolist() == expected
        assert matching.mask_areas(x).tolist() == a.sum(axis=(1, 2)).tolist()


def test_box_overlap_of_hand_computed_pairs():
    a = np.array([[0, 0, 4, 4], [0, 0, 4, 4], [0, 0, 4, 4], [1, 1, 1, 1]], np.float32)
    b = np.array([[2, 2, 6, 6], [4, 0, 8, 4], [0, 0, 4, 2], [1, 1, 1, 1]], np.float32)
    shared = matching.box_intersections(a, b)
    assert shared.tolist() == [4, 0, 8, 0]
    areas = matching.box_areas(a), matching.box_areas(b)
    no_crowd = np.zeros(4, bool)
    assert matching.intersection_over_union(shared, *areas, no_crowd).tolist() == [4 / 28, 0, 0.5, 0]
    assert matching.intersection_over_union(shared, *areas, ~no_crowd).tolist() == [0.25, 0, 0.5, 0]


def test_zero_rows_pass():
    none = np.zeros(0, int)
    assert matching.box_areas(np.zeros((0, 4))).shape == (0,)
    assert matching.mask_intersections(np.zeros((0, 3, 3), bool), np.zeros((2, 3, 3), bool), none, none).shape == (0,)
    matched, _ = matching.greedy_match(
        none,
        none,
        np.zeros(0),
        group=none,
        ignored=np.zeros(0, bool),
        crowd=np.zeros(0, bool),
        thresholds=THRESHOLDS,
        num_detections=2,
    )
    assert matched.tolist() == [[False] * 3] * 2


def test_masks_of_two_sizes_are_refused():
    with pytest.raises(ShapeError, match="must be of one size"):
        matching.mask_intersections(
            np.zeros((1, 3, 3), bool), np.zeros((1, 3, 4), bool), np.zeros(1, int), np.zeros(1, int)
        )


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.float16, np.float32, np.float64])
def test_areas_of_boxes_are_counted_in_float64(dtype):
    """One side 100, the other 101: the product fits into no type of 8 bits, and 10100 not into a float16."""
    boxes = np.array([[3, 2, 103, 103], [0, 1, 101, 101]], dtype)
    assert matching.box_areas(boxes).tolist() == [100 * 101, 101 * 100]
    shared = matching.box_intersections(boxes, boxes[::-1])
    assert shared.dtype == matching.box_areas(boxes).dtype == np.float64 and shared.tolist() == [98 * 99] * 2


@pytest.mark.parametrize("move", [(9, 0), (0, 9), (-9, 0), (0, -9), (9, 9)])
def test_boxes_that_miss_each_other_on_one_side_or_both_share_nothing(move):
    box = np.array([[10.0, 10, 14, 14]])
    assert matching.box_intersections(box, box + [*move, *move]).tolist() == [0]
    assert matching.box_intersections(box + [*move, *move], box).tolist() == [0]


def test_areas_of_masks_are_floats_whatever_the_masks_are():
    dense = np.array([[[0, 200, 3]], [[1, 0, 0]]], np.uint8)
    for masks in (dense, dense != 0, rle.encode_many(dense), dense[:0], []):
        areas = matching.mask_areas(masks)
        assert areas.dtype == np.float64 and areas.tolist() == [2, 1][: len(masks)]


def test_a_pack_of_masks():
    masks = np.zeros((2, 13, 10), np.uint8)  # 130 pixels: two words and two bits
    masks[0, -1, -1], masks[1] = 7, 1
    words = matching.pack(masks)
    assert words.shape == (2, 3) and words.dtype == np.uint64
    assert np.bitwise_count(words).tolist() == [[0, 0, 1], [64, 64, 2]]
    assert matching.pack(masks[:, :8, :8]).shape == (2, 1)
