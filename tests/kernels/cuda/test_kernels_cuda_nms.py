"""kernels/cuda/nms.py: one launch keeps exactly the boxes that the text keeps."""

import numpy as np
import pytest
import strict_device
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from strict_device import xp

from tinymaskrcnn.ops import nms


def crowd(rng, n, size=128):
    """Clustered boxes on a grid of whole and half pixels, some without extent, some turned over; equal scores."""
    centres = rng.uniform(0, size, (max(1, n // 12), 2))[rng.integers(0, max(1, n // 12), n)] + rng.normal(0, 4, (n, 2))
    sides = rng.uniform(-4, 40, (n, 2))
    boxes = np.round(np.concatenate([centres - sides / 2, centres + sides / 2], axis=1) * 2) / 2
    return boxes.astype(np.float32), np.round(rng.random(n), 2).astype(np.float32)


def both(boxes, scores, *, seed=1, faults=None, **options):
    """keep of the kernel on the device, and of the text on the host."""
    wanted = nms.nms.readable(boxes, scores, **options)
    moved = {k: xp.asarray(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    boxes, scores = xp.asarray(boxes), xp.asarray(scores)
    with strict_device.kernels(seed=seed, faults=faults) as launched, strict_device.counting() as cost:
        keep = nms.nms(boxes, scores, **moved)
    assert launched == ["nms_groups"] and cost.synchronisations == 0 and cost.operations <= 8
    return keep.get(), wanted


@examples(60)
@given(
    seed=st.integers(0, 9999),
    n=st.integers(1, 400),
    groups=st.sampled_from([None, 1, 7, 90]),
    kind=st.sampled_from([np.int32, np.int64]),
    masked=st.booleans(),
    threshold=st.sampled_from([0, 0.3, 0.5, 0.7, 1]),
)
def test_nms_equals_the_text(seed, n, groups, kind, masked, threshold):
    rng = np.random.default_rng(seed)
    boxes, scores = crowd(rng, n)
    group = None if groups is None else rng.integers(-3, groups, n).astype(kind)
    valid = rng.random(n) < 0.7 if masked else None
    keep, wanted = both(boxes, scores, seed=seed, iou_threshold=threshold, group=group, valid=valid)
    assert np.array_equal(keep, wanted)


@pytest.mark.parametrize("counts", [(512, 512, 192, 48, 12), (2000,), (64, 64, 1, 63, 65, 128)])
def test_nms_of_training(counts):
    rng = np.random.default_rng(0)
    group = rng.permutation(np.concatenate([np.full(count, i) for i, count in enumerate(counts)]))
    boxes, scores = crowd(rng, len(group), size=300)
    keep, wanted = both(boxes, scores, iou_threshold=0.5, group=group)
    assert np.array_equal(keep, wanted) and 0 < keep.sum() < len(keep)


def test_chains_are_solved_greedily():
    x = np.arange(300, dtype=np.float32)[:, None] * 4
    boxes = np.concatenate([x, np.zeros_like(x), x + 10, np.ones_like(x)], axis=1)
    keep, _ = both(boxes, -np.arange(300, dtype=np.float32), iou_threshold=0.3)
    assert np.array_equal(keep, np.arange(300) % 2 == 0)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e30])
def test_numbers_that_are_none(odd):
    """NaN and infinite corners, one at a time, decide as in the text: they overlap nothing, and are kept."""
    rng = np.random.default_rng(1)
    boxes, scores = crowd(rng, 60, size=20)
    boxes[rng.integers(0, 60, 20), rng.integers(0, 4, 20)] = odd
    with np.errstate(all="ignore"):
        keep, wanted = both(boxes, scores, iou_threshold=0.3)
    assert np.array_equal(keep, wanted)


def test_nobody_is_valid():
    boxes, scores = crowd(np.random.default_rng(0), 70)
    keep, _ = both(boxes, scores, iou_threshold=0.5, valid=np.zeros(70, bool))
    assert not keep.any()


@pytest.mark.parametrize(
    ("boxes", "threshold"),
    [(np.zeros((0, 4), np.float32), 0.5), (np.zeros((3, 4)), 0.5), (np.zeros((3, 4), np.float32), np.float64(0.5))],
)
def test_what_is_left_to_the_text(boxes, threshold):
    scores = xp.asarray(np.zeros(len(boxes), boxes.dtype))
    with strict_device.kernels() as launched:
        assert nms.nms(xp.asarray(boxes), scores, iou_threshold=threshold).shape == (len(boxes),)
    assert "nms_groups" not in launched


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("other = me + 1;", "other = me + 2;"),  # the next box is never compared
        ("> threshold) word", ">= threshold) word"),
        ("~(clashes[row] | 1ull << row)", "~(1ull << row)"),  # a box suppresses none of its tile
        ("living[me] = keep[order[first + me]]", "living[me] = true"),  # a suppressed box suppresses
        ("valid ? valid[order[place]] : true", "true"),
        ("keep[row] = false;", "{}"),  # nothing beyond the tile is suppressed
        ("start > 0 && (!group || group[order[start - 1]] == group[order[start]])", "start > 0"),
        ("a > b || a != a ? a : b; }", "a > b ? a : b; }"),  # NaN is dropped
        ("            __syncthreads();\n\n            if (me == 0)", "            if (me == 0)"),  # decided too early
        ("            __syncthreads();  // before", "// before"),
        ("(blockIdx.x + 1) * TILE", "blockIdx.x * TILE + 1"),  # groups that start inside a block's places
    ],
)
def test_planted_faults_are_seen(old, new):
    rng = np.random.default_rng(2)
    boxes, scores = crowd(rng, 600, size=60)
    group = rng.integers(0, 3, 600)
    valid = rng.random(600) < 0.8
    boxes[::7] = boxes[3]  # the same box many times: IoU exactly 1
    boxes[1::11, 0] = np.nan
    data = dict(group=group, valid=valid, faults={"boxes": ((old, new),)})
    answers = [both(boxes, scores, iou_threshold=threshold, **data) for threshold in (0, 0.5, 1)]
    assert any(not np.array_equal(keep, wanted) for keep, wanted in answers)
