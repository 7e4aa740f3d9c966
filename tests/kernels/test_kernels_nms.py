"""kernels/nms.py: keeps exactly the boxes that the text keeps, ties, groups and degenerate boxes included."""

from unittest import mock

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.kernels import nms as fast
from tinymaskrcnn.kernels import threads
from tinymaskrcnn.ops import nms


def crowd(rng, n, size=128, dtype=np.float32):
    """Boxes in clusters, many on top of each other, on a grid so that ties of overlap and of score are common."""
    centres = rng.uniform(0, size, (max(1, n // 12), 2))[rng.integers(0, max(1, n // 12), n)] + rng.normal(0, 4, (n, 2))
    sides = rng.uniform(0, 40, (n, 2))
    boxes = np.round(np.concatenate([centres - sides / 2, centres + sides / 2], axis=1))
    return boxes.astype(dtype), np.round(rng.random(n), 2).astype(dtype)


@examples(60)
@given(
    seed=st.integers(0, 9999),
    n=st.integers(1, 400),
    groups=st.sampled_from([None, 1, 7]),
    masked=st.booleans(),
    threshold=st.sampled_from([0, 0.3, 0.5, 0.7, 1]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_nms_equals_the_text(seed, n, groups, masked, threshold, dtype):
    rng = np.random.default_rng(seed)
    boxes, scores = crowd(rng, n, dtype=dtype)
    group = None if groups is None else rng.integers(-3, groups, n)
    valid = rng.random(n) < 0.7 if masked else None
    options = dict(iou_threshold=threshold, group=group, valid=valid)
    wanted = nms.nms.readable(boxes, scores, **options)
    assert np.array_equal(fast.nms(boxes, scores, **options), wanted)
    with mock.patch.object(fast, "NEIGHBOURS", -1):  # a crowd: block by block
        assert np.array_equal(fast.nms(boxes, scores, **options), wanted)
    with mock.patch.object(fast, "PAIRS", 50):  # many cuts
        assert np.array_equal(fast.nms(boxes, scores, **options), wanted)


@pytest.mark.parametrize("counts", [(512, 512, 192, 48, 12), (1800,)])
def test_nms_of_training_on_any_threads(counts):
    rng = np.random.default_rng(0)
    group = rng.permutation(np.concatenate([np.full(count, i) for i, count in enumerate(counts)]))
    boxes, scores = crowd(rng, len(group), size=300)
    wanted = nms.nms.readable(boxes, scores, iou_threshold=0.5, group=group)
    for n in (1, 2, 4):
        threads.set_threads(n)
        assert np.array_equal(nms.nms(boxes, scores, iou_threshold=0.5, group=group), wanted)


def test_chains_are_solved_greedily():
    """Each box suppresses the next, so every second one stays: the slowest case of both ways."""
    x = np.arange(300, dtype=np.float32)[:, None] * 4
    boxes = np.concatenate([x, np.zeros_like(x), x + 10, np.ones_like(x)], axis=1)
    for neighbours in (fast.NEIGHBOURS, -1):
        with mock.patch.object(fast, "NEIGHBOURS", neighbours):
            keep = fast.nms(boxes, -np.arange(300, dtype=np.float32), iou_threshold=0.3)
        assert np.array_equal(keep, np.arange(300) % 2 == 0)


@examples(60)
@given(seed=st.integers(0, 9999), threshold=st.floats(0, 1), scale=st.sampled_from([1e-3, 1, 1e5]))
def test_no_pair_escapes_the_sweep(seed, threshold, scale):
    """Copies of a few boxes, moved by the width that just suffices: overlaps on both sides of the threshold."""
    rng = np.random.default_rng(seed)
    boxes = np.repeat(crowd(rng, 12)[0], 8, axis=0) * np.float32(scale)
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    boxes += sides * np.float32(1 - threshold) * rng.choice([0, 0.5, 0.999999, 1, 1.000001], (96, 1)).astype(np.float32)
    scores = rng.random(96, dtype=np.float32)
    options = dict(iou_threshold=threshold)
    assert np.array_equal(fast.nms(boxes, scores, **options), nms.nms.readable(boxes, scores, **options))


def test_what_the_kernel_leaves_to_the_text():
    boxes, scores = np.zeros((2, 4), np.float32), np.zeros(2, np.float32)
    assert fast._takes(boxes, scores, iou_threshold=0.5)
    assert not fast._takes(boxes[:0], scores[:0], iou_threshold=0.5)
    assert not fast._takes(boxes + np.float32(np.inf), scores, iou_threshold=0.5)
    assert not fast._takes(boxes + np.float32(np.nan), scores, iou_threshold=0.5)
    assert not fast._takes(boxes, scores + np.float32(np.nan), iou_threshold=0.5)
    for threshold, taken in ((-0.01, False), (0, True), (1, True), (1.01, False), (np.nan, False)):
        assert fast._takes(boxes, scores, iou_threshold=threshold) is taken
    for value, taken in ((1e8, True), (-1e8, True), (1e9, False), (-1e9, False)):
        one = boxes + np.array([[0, 0, 0, value], [0, 0, 0, 0]], np.float32)
        assert fast._takes(one, scores, iou_threshold=0.5) is taken
    assert not fast._takes(boxes, np.array([0, np.nan], np.float32), iou_threshold=0.5)
    assert fast.nms(boxes, scores, iou_threshold=0.5, valid=np.zeros(2, bool)).tolist() == [False, False]
