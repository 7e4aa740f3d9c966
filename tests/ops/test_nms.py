"""ops/nms.py: against the definition, as properties of drawn boxes, ties, groups, blocks, on the pretended device."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.errors import ArgumentError, DtypeError, ShapeError
from tinymaskrcnn.ops import boxes, naive, nms


@st.composite
def drawn_case(draw):
    """Crowded boxes on whole pixels (IoU values such as 1/2 hit the threshold), few scores (ties), few groups."""
    count, seed = draw(st.integers(0, 30)), draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 8, (count, 2))
    found = np.concatenate([corner, corner + rng.integers(1, 7, (count, 2))], axis=1).astype(np.float64)
    scores = rng.integers(0, draw(st.sampled_from([3, 1000])), count) / 1000
    group = rng.integers(0, draw(st.integers(1, 3)), count)
    valid = rng.random(count) < draw(st.sampled_from([1.0, 0.7]))
    return found, scores, group, valid, draw(st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0]))


@examples(150)
@given(case=drawn_case(), block=st.sampled_from([1, 3, 7, 128]))
def test_nms_equals_the_definition_and_keeps_its_promises(case, block):
    found, scores, group, valid, threshold = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nms, "BLOCK", block)  # small blocks: also a few boxes cross from block to block
        keep = nms.nms.readable(found, scores, iou_threshold=threshold, group=group, valid=valid)
    wanted = np.zeros(len(found), bool)
    wanted[valid] = naive.nms(found[valid], scores[valid], iou_threshold=threshold, group=group[valid])
    np.testing.assert_array_equal(keep, wanted)
    np.testing.assert_array_equal(nms.nms(found, scores, iou_threshold=threshold, group=group, valid=valid), wanted)

    rivals = (boxes.iou_matrix(found, found) > threshold) & (group[:, None] == group)
    np.fill_diagonal(rivals, False)
    assert not keep[~valid].any()
    assert not (rivals & keep[:, None] & keep).any()  # kept boxes of a group leave each other alone
    better = scores[:, None] >= scores  # (by whom, whom)
    assert (
        (rivals & better & keep[:, None]).any(axis=0)[valid & ~keep].all()
    )  # who was dropped was dropped by a kept one


@examples(40)
@given(case=drawn_case(), seed=st.integers(0, 99))
def test_order_of_the_rows_does_not_matter(case, seed):
    found, _, group, valid, threshold = case
    rng = np.random.default_rng(seed)
    scores = rng.permutation(len(found)) / 100  # without ties
    order = rng.permutation(len(found))
    keep = nms.nms(found, scores, iou_threshold=threshold, group=group, valid=valid)
    again = nms.nms(found[order], scores[order], iou_threshold=threshold, group=group[order], valid=valid[order])
    np.testing.assert_array_equal(again, keep[order])


def test_threshold_itself_does_not_suppress():
    pair = np.array([[0, 0, 2, 1], [0, 0, 1, 1]], np.float32)  # IoU 1/2
    scores = np.array([0.9, 0.8], np.float32)
    assert nms.nms(pair, scores, iou_threshold=0.5).tolist() == [True, True]
    assert nms.nms(pair, scores, iou_threshold=0.49).tolist() == [True, False]


# shares of two boxes of whole pixels that are thresholds: float32 rounds the first five up, the others down or not
SHARES = {(1, 5): 0.2, (3, 10): 0.3, (2, 5): 0.4, (3, 5): 0.6, (1, 3): 1 / 3, (1, 10): 0.1, (7, 10): 0.7, (1, 2): 0.5}


@pytest.mark.parametrize("share, threshold", SHARES.items(), ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [float, np.float64])
def test_an_iou_equal_to_the_threshold_suppresses_in_no_type(share, threshold, dtype, kind):
    """Neither in the text nor in the kernel, also when many boxes make the sweep or the blocks take over."""
    inner, outer = share
    pair = np.array([[0, 0, outer, 4], [0, 0, inner, 4]], dtype)
    many = np.concatenate([pair + 100 * k for k in range(300)])
    scores = np.linspace(1, 0.5, len(many)).astype(dtype)
    below = float(np.nextafter(dtype(threshold), dtype(0)))
    for function in (nms.nms, nms.nms.readable):
        for found, score in ((pair, scores[:2]), (many, scores)):
            assert function(found, score, iou_threshold=kind(threshold)).all()
            kept = function(found, score, iou_threshold=below)
            assert kept.tolist() == [True, False] * (len(found) // 2)


@pytest.mark.parametrize("share, threshold", SHARES.items(), ids=str)
def test_torchvision_suppresses_where_float32_rounds_the_threshold_up(share, threshold):
    """The one known difference: it compares a float32 IoU with a float64 threshold."""
    torch = pytest.importorskip("torch", reason="needs torch", exc_type=Exception)
    ops = pytest.importorskip("torchvision.ops", reason="needs torchvision", exc_type=Exception)
    inner, outer = share
    for dtype in (np.float32, np.float64):
        pair = np.array([[0, 0, outer, 4], [0, 0, inner, 4]], dtype)
        kept = ops.nms(torch.from_numpy(pair), torch.tensor([0.9, 0.8]).to(torch.from_numpy(pair).dtype), threshold)
        assert (len(kept) == 1) == bool(float(dtype(inner) / dtype(outer)) > threshold)


def test_chain_ties_groups_and_validity():
    chain = np.array([[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]], np.float32)  # neighbours 0.54, ends 0.25
    falling = np.array([0.9, 0.8, 0.7], np.float32)
    assert nms.nms(chain, falling, iou_threshold=0.5).tolist() == [True, False, True]  # who is dropped drops nobody
    assert nms.nms(chain[:2], np.ones(2, np.float32), iou_threshold=0.5).tolist() == [True, False]  # ties: the first
    assert nms.nms(chain, falling, iou_threshold=0.5, group=np.array([0, 1, 0])).all()
    assert nms.nms(chain, falling, iou_threshold=0.5, valid=np.array([False, True, True])).tolist() == [
        False,
        True,
        False,
    ]


def test_many_equal_boxes_and_far_groups(rng):
    """A thousand copies leave one per group, even where a group number would not fit into float32."""
    same = np.tile(np.array([[1000.25, 1000.25, 1003, 1003]], np.float32), (1000, 1))
    group = 2**30 + rng.integers(0, 5, 1000)
    scores = rng.random(1000, dtype=np.float32)
    keep = nms.nms(same, scores, iou_threshold=0.5, group=group)
    assert keep.sum() == 5
    assert {(int(g), s) for g, s in zip(group[keep], scores[keep])} == {
        (int(g), scores[group == g].max()) for g in np.unique(group)
    }


def test_a_device_agrees_without_waiting(rng, device):
    from strict_device import counting

    corner = rng.integers(0, 20, (300, 2))
    found = np.concatenate([corner, corner + rng.integers(1, 9, (300, 2))], axis=1).astype(np.float32)
    arrays = found, rng.random(300, dtype=np.float32), rng.integers(0, 3, 300), rng.random(300) < 0.8
    here = nms.nms(*arrays[:2], iou_threshold=0.4, group=arrays[2], valid=arrays[3])
    there = [device.asarray(x) for x in arrays]
    with counting() as cost:
        keep = nms.nms(*there[:2], iou_threshold=0.4, group=there[2], valid=there[3])
    assert cost.synchronisations == 0
    np.testing.assert_array_equal(to_host(keep), here)


def test_no_boxes():
    none = np.zeros((0, 4), np.float32)
    keep = nms.nms(none, np.zeros(0, np.float32), iou_threshold=0.5, group=np.zeros(0, int), valid=np.zeros(0, bool))
    assert keep.shape == (0,) and keep.dtype == bool


def test_messages():
    found, scores = np.zeros((2, 4), np.float32), np.zeros(2, np.float32)
    with pytest.raises(ArgumentError, match="nms: iou_threshold must lie between 0 and 1; got 70"):
        nms.nms(found, scores, iou_threshold=70)
    with pytest.raises(ShapeError, match="nms: scores must be .* K = 2 to fit boxes"):
        nms.nms(found, np.zeros(3, np.float32), iou_threshold=0.5)
    with pytest.raises(DtypeError, match="nms: group must hold integers; got float32"):
        nms.nms(found, scores, iou_threshold=0.5, group=scores)
    with pytest.raises(DtypeError, match="nms: valid must hold booleans"):
        nms.nms(found, scores, iou_threshold=0.5, valid=np.ones(2, int))


def test_top_n_breaks_ties_by_position():
    assert nms.top_n(np.array([[1.0, 3.0, 3.0, 2.0, 3.0]]), 3).tolist() == [[1, 2, 4]]
    assert nms.top_n(np.zeros((2, 2)), 5).shape == (2, 2)
