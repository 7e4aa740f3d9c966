"""ops/box_gradients.py: the derivatives by hand, and that they undo one another as their functions do."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.ops import box_gradients as ops
from tinymaskrcnn.ops import boxes

ANCHOR = np.array([[10.0, 20, 14, 28]])  # 4 wide, 8 high
WEIGHTS = (10.0, 8.0, 5.0, 4.0)


def backward(pair, dy, *arrays, **data):
    """The gradients that a pair returns for dy."""
    forward, mirror = (getattr(ops, f"{pair}_{way}") for way in ("forward", "backward"))
    _, cache = forward(*arrays, **data)
    return mirror(np.array(dy, np.float64), cache)


def test_the_values_are_those_of_the_geometry():
    rng = np.random.default_rng(0)
    deltas, anchors = rng.normal(size=(5, 4)).astype(np.float32), 8 * rng.random((5, 4), np.float32)
    moved = boxes.decode(deltas, anchors, weights=WEIGHTS)
    np.testing.assert_array_equal(ops.decode_forward(deltas, anchors=anchors, weights=WEIGHTS)[0], moved)
    np.testing.assert_array_equal(ops.encode_forward(moved, anchors)[0], boxes.encode(moved, anchors))
    clipped = boxes.clip(moved, height=5, width=6)
    np.testing.assert_array_equal(ops.clip_forward(moved, height=5, width=6)[0], clipped)


def test_decode_by_hand():
    """A shift moves both edges by anchor widths; growth moves them apart, each by half of the box's own width."""
    deltas = np.array([[0.5, 0, np.log(3), 0]])  # 12 wide
    assert backward("decode", [[1, 0, 0, 0]], deltas, anchors=ANCHOR).tolist() == [[4, 0, pytest.approx(-6), 0]]
    assert backward("decode", [[0, 0, 1, 0]], deltas, anchors=ANCHOR).tolist() == [[4, 0, pytest.approx(6), 0]]
    assert backward("decode", [[0, 1, 0, 0]], deltas, anchors=ANCHOR).tolist() == [[0, 8, 0, -4]]
    weighted = backward("decode", [[1, 1, 0, 0]], 0 * deltas, anchors=ANCHOR, weights=WEIGHTS)
    np.testing.assert_allclose(weighted, [[4 / 10, 8 / 8, -2 / 5, -4 / 4]])


def test_what_is_held_does_not_follow():
    """A size at the clamp, a corner at the border, a side below the smallest."""
    deltas = np.array([[0.0, 0, 0.7, 0.3]])
    held = backward("decode", [[1, 1, 2, 2]], deltas, anchors=ANCHOR, clamp=0.5)
    assert held[0, 2] == 0 and held[0, 3] > 0 and held[0, :2].tolist() == [12, 24]
    box = [[-1.0, 2, 30, 9], [3, -2, 4, 50]]
    free = backward("clip", np.ones((2, 4)), np.array(box), height=9.5, width=20)
    assert free.tolist() == [[0, 1, 0, 1], [1, 0, 1, 0]]
    per_picture = dict(height=np.array([[20.0], [5.0]]), width=np.array([[20.0], [5.0]]))
    both = backward("clip", np.ones((2, 1, 4)), np.full((2, 1, 4), 7.0), **per_picture)
    assert both[:, 0, 0].tolist() == [1, 0]
    thin = np.array([[2.0, 1, 2, 5]])
    dboxes, danchors = backward("encode", [[0, 0, 1, 1]], thin, thin)
    assert dboxes[0, [0, 2]].tolist() == danchors[0, [0, 2]].tolist() == [0, 0] and dboxes[0, 3] == 0.25


def test_encode_by_hand():
    """The object stands still: where the anchor moves right by 1, the shift to go falls by 1 / width."""
    box = np.array([[12.0, 20, 20, 28]])  # 8 wide, its centre 4 to the right
    _, danchors = backward("encode", [[1, 0, 0, 0]], box, ANCHOR)
    dx, width = 1.0, 4
    np.testing.assert_allclose(danchors, [[-1 / (2 * width) + dx / width, 0, -1 / (2 * width) - dx / width, 0]])
    _, danchors = backward("encode", [[0, 0, 1, 0]], box, ANCHOR)
    np.testing.assert_allclose(danchors, [[1 / width, 0, -1 / width, 0]])  # log(8 / width)
    dboxes, _ = backward("encode", [[0, 0, 1, 0]], box, ANCHOR)
    np.testing.assert_allclose(dboxes, [[-1 / 8, 0, 1 / 8, 0]])


@examples(30)
@given(st.integers(0, 10_000))
def test_the_gradients_undo_one_another(seed):
    """encode undoes decode, so going back through both changes nothing; and a common shift changes no delta."""
    rng = np.random.default_rng(seed)
    deltas, start = rng.normal(0, 0.5, (4, 4)), rng.uniform(0, 50, (4, 2))
    anchors, dy = np.concatenate([start, start + rng.uniform(1, 30, (4, 2))], axis=1), rng.normal(size=(4, 4))
    moved, c_decode = ops.decode_forward(deltas, anchors=anchors, weights=WEIGHTS)
    _, c_encode = ops.encode_forward(moved, anchors, weights=WEIGHTS)
    dmoved, danchors = ops.encode_backward(dy, c_encode)
    np.testing.assert_allclose(ops.decode_backward(dmoved, c_decode), dy, rtol=1e-9, atol=1e-12)
    total = (dmoved + danchors).reshape(4, 2, 2).sum(axis=1)
    np.testing.assert_allclose(total, 0, atol=1e-12 * np.abs(dmoved).max())


def test_each_proposal_goes_back_to_its_own_anchor():
    deltas, anchors = np.zeros((2, 3, 4)), np.repeat(ANCHOR, 3, axis=0)
    limits = dict(height=np.full((2, 1), 99.0), width=np.array([[99.0], [12.0]]))
    chosen = np.array([[2, 0], [1, 2]])
    dproposals = np.array([[[1.0, 0, 1, 0], [2, 0, 2, 0]], [[3, 0, 3, 0], [5, 0, 5, 0]]])
    ddeltas = backward("move_anchors", dproposals, deltas, anchors=anchors, chosen=chosen, **limits)
    assert ddeltas[0, :, 0].tolist() == [4 * 4, 0, 2 * 4]
    assert ddeltas[1, :, 0].tolist() == [0, 3 * 4, 5 * 4]  # the right edge was clipped: one of two is left
    assert not ddeltas[1, 0].any() and ddeltas[1, 1, 2] < 0


def test_drawn_rois_and_objects_behind_the_proposals():
    proposals = np.arange(16.0).reshape(2, 2, 4)
    data = dict(image_index=np.array([0, 0, 1]), row=np.array([1, 3, 0]), rois=-np.ones((3, 4)))
    rois, _ = ops.drawn_rois_forward(proposals, **data)
    assert rois.tolist() == [[4, 5, 6, 7], [-1] * 4, [8, 9, 10, 11]]
    dproposals = backward("drawn_rois", np.arange(12.0).reshape(3, 4), proposals, **data)
    assert dproposals.tolist() == [[[0] * 4, [0, 1, 2, 3]], [[8, 9, 10, 11], [0] * 4]]
    none = backward("drawn_rois", np.ones((3, 4)), proposals[:, :0], **data)
    assert none.shape == (2, 0, 4)


def test_a_device_never_waits(device):
    from strict_device import counting

    deltas, chosen = device.asarray(np.zeros((2, 3, 4))), device.asarray(np.array([[2, 0], [1, 2]]))
    anchors = device.asarray(ANCHOR[[0, 0, 0]])
    limits = {name: device.asarray(np.full((2, 1), 99.0)) for name in ("height", "width")}
    where = {name: device.asarray(np.array([0, 1])) for name in ("image_index", "row")}
    with counting() as cost:
        moved, c_move = ops.move_anchors_forward(deltas, anchors=anchors, chosen=chosen, **limits)
        rois, c_drawn = ops.drawn_rois_forward(moved, rois=moved[:, 0], **where)
        ddeltas = ops.move_anchors_backward(ops.drawn_rois_backward(rois, c_drawn), c_move)
    assert cost.synchronisations == 0 and to_host(ddeltas)[0, 2].any()
