"""The threshold at which NMS decides otherwise, against NMS itself at every threshold that there is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymaskrcnn.explain.thresholds import limit_of_nms, limit_of_sides, suppressors
from tinymaskrcnn.ops.boxes import iou_matrix
from tinymaskrcnn.ops.nms import nms


def crowd(seed, count):
    """Boxes that overlap much, some of them twice the same, some scores equal, some rows not valid."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 20, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(8, 30, (count, 2))], axis=1).astype(np.float32)
    boxes[count // 2] = boxes[0]
    return boxes, rng.integers(0, 8, count).astype(np.float32) / 8, rng.random(count) < 0.85


def kept_at(boxes, scores, valid, threshold):
    return nms(boxes, scores, iou_threshold=float(threshold), valid=valid)


@given(seed=st.integers(0, 10**6), count=st.integers(2, 14), now=st.floats(0, 1), upward=st.booleans())
@settings(max_examples=120, deadline=None, derandomize=True)
def test_the_nearest_limit_is_the_one_that_trying_all_thresholds_finds(seed, count, now, upward):
    boxes, scores, valid = crowd(seed, count)
    now = float(np.float32(now))
    me = seed % count
    until = lambda kept: kept[me] == upward  # noqa: E731
    if until(kept_at(boxes, scores, valid, now)):
        return
    limit = limit_of_nms(boxes, scores, now, until, valid=valid, upward=upward)
    every = np.unique(iou_matrix(boxes, boxes))
    every = every[(every > np.float32(now)) if upward else ((every <= np.float32(now)) & (every > 0))]
    for value in every if upward else every[::-1]:  # what is decided changes at these alone
        at = value if upward else np.nextafter(value, np.float32(-1))
        if until(kept_at(boxes, scores, valid, at)):
            assert limit == float(value)
            return
    assert limit is None


def test_both_sides_of_a_limit_decide_as_it_says():
    compared = 0
    for seed in range(60):
        boxes, scores, valid = crowd(seed, 12)
        for me in np.flatnonzero(kept_at(boxes, scores, valid, 0.7)):
            limit = limit_of_nms(boxes, scores, 0.7, lambda kept, me=me: not kept[me], valid=valid)
            if limit is not None:
                assert kept_at(boxes, scores, valid, limit)[me]
                assert not kept_at(boxes, scores, valid, np.nextafter(np.float32(limit), np.float32(-1)))[me]
                compared += 1
    assert compared > 100


def test_up_to_the_least_side_that_trying_all_finds():
    own, others = 0, 0
    for seed in range(120):
        boxes, scores, valid = crowd(seed, 14)
        sides = (boxes[:, 2:] - boxes[:, :2]).min(axis=1)
        for me in np.flatnonzero(kept_at(boxes, scores, valid, 0.3)):
            limit = limit_of_sides(boxes, scores, 0.3, me, valid=valid)
            every = np.unique(sides[sides <= sides[me]])
            stays = [kept_at(boxes, scores, valid & (sides > side), 0.3)[me] for side in every]
            assert limit == every[stays.index(False)]
            own, others = own + (limit == sides[me]), others + (limit < sides[me])
    assert own > 100 and others > 5, (own, others)


def test_without_boxes_nothing_can_change():
    none = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    assert limit_of_nms(*none, 0.5, lambda kept: True) is None
    assert suppressors(*none, np.zeros(0, bool), 0.5)[0].shape == (0,)


@pytest.mark.parametrize("seed", range(8))
def test_each_that_went_was_suppressed_by_the_best_that_stays(seed):
    boxes, scores, valid = crowd(seed, 14)
    kept = kept_at(boxes, scores, valid, 0.3)
    by, shared = suppressors(boxes, scores, kept, 0.3, valid=valid)
    order = np.argsort(-scores, kind="stable").tolist()
    for k in range(14):
        if kept[k] or not valid[k]:
            assert by[k] == -1
            continue
        better = [j for j in order[: order.index(k)] if kept[j] and iou_matrix(boxes[[j]], boxes[[k]])[0, 0] > 0.3]
        assert by[k] == better[0] and shared[k] == iou_matrix(boxes[[k]], boxes[[better[0]]])[0, 0]
