"""kernels/c/nms.py: keeps exactly the boxes that the text keeps, ties, groups and degenerate boxes included."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tinymaskrcnn.kernel_lookup import kernel_for
from tinymaskrcnn.kernels import nms as in_numpy
from tinymaskrcnn.kernels.c import nms as fast
from tinymaskrcnn.ops import nms


def crowd(seed, n):
    """Boxes on a grid, so that ties of overlap and of score are common, some empty or with swapped corners."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 60, (n, 2))
    sides = rng.uniform(-4, 40, (n, 2))
    boxes = np.round(np.concatenate([centres - sides / 2, centres + sides / 2], axis=1) * 2) / 3
    return boxes.astype(np.float32), np.round(rng.random(n), 2).astype(np.float32)


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 9999),
    n=st.integers(1, 300),
    groups=st.sampled_from([None, 1, 7]),
    masked=st.booleans(),
    threshold=st.sampled_from([0, 0.3, 0.5, 0.7, 1, np.float64(1 / 3)]),
)
def test_equals_the_text(variant, seed, n, groups, masked, threshold):
    rng = np.random.default_rng(seed)
    boxes, scores = crowd(seed, n)
    group = None if groups is None else rng.integers(-3, groups, n)
    valid = rng.random(n) < 0.7 if masked else None
    options = dict(iou_threshold=threshold, group=group, valid=valid)
    assert kernel_for(nms.nms.__wrapped__, (boxes, scores), options) is fast.nms
    assert np.array_equal(nms.nms(boxes, scores, **options), nms.nms.readable(boxes, scores, **options))


def test_sums_are_those_of_rounded_products(variant):
    """Of two boxes whose IoU is a rounding from the threshold: a sum fused with its product would say otherwise."""
    rng = np.random.default_rng(0)
    first = rng.uniform(0, 50, (3000, 1, 2)).astype(np.float32)
    pairs = np.concatenate([first + rng.uniform(0, 9, (3000, 2, 2)), first + rng.uniform(20, 40, (3000, 2, 2))], axis=2)
    for boxes in pairs.astype(np.float32):
        iou = np.float32(nms.iou_matrix(boxes[:1], boxes[1:])[0, 0])
        for threshold in (iou, np.nextafter(iou, np.float32(0))):
            keep = fast.nms(boxes, np.float32([1, 0.5]), iou_threshold=float(threshold))
            assert keep.tolist() == [True, bool(threshold == iou)]


@pytest.mark.parametrize(
    "boxes", [np.zeros((3, 4)), np.full((3, 4), 1e10, np.float32), np.full((3, 4), np.nan, np.float32)]
)
def test_what_it_leaves_to_others(boxes):
    kernel = kernel_for(nms.nms.__wrapped__, (boxes, np.ones(len(boxes), boxes.dtype)), {"iou_threshold": 0.5})
    assert kernel in (in_numpy.nms, None)


@pytest.mark.parametrize("most, swept", [(8, True), (49, True), (50, False), (99, False), (300, False)])
def test_large_groups_are_swept(monkeypatch, most, swept):
    boxes, scores = crowd(0, 200)
    group, seen = np.arange(200) // 50, []
    monkeypatch.setattr(fast, "MOST", most)
    monkeypatch.setattr(in_numpy, "nms", lambda *arrays, **data: seen.append(data) or nms.nms.readable(*arrays, **data))
    keep = nms.nms(boxes, scores, iou_threshold=0.5, group=group)
    assert np.array_equal(keep, nms.nms.readable(boxes, scores, iou_threshold=0.5, group=group)) and bool(seen) == swept


def test_no_box_and_none_that_is_valid():
    boxes, scores = crowd(0, 5)
    assert fast.nms(boxes, scores, iou_threshold=0.5, valid=np.zeros(5, bool)).tolist() == [False] * 5
    assert len(nms.nms(boxes[:0], scores[:0], iou_threshold=0.5)) == 0
