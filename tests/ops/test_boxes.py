"""ops/boxes.py: against the definitions, as properties of drawn boxes, and on the pretended device."""

import math

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.errors import DtypeError, ShapeError
from tinymaskrcnn.ops import boxes, naive

FEW = examples(60)


@st.composite
def drawn_boxes(draw, smallest=0.25, most=6):
    """Corners on a grid of quarters: touching, equal and nested boxes are frequent, and sums are exact."""
    count = draw(st.integers(0, most))
    corner = st.integers(-20, 40).map(lambda i: i / 4)
    side = st.integers(int(4 * smallest), 60).map(lambda i: i / 4)
    rows = [
        [x, y, x + w, y + h]
        for x, y, w, h in draw(st.lists(st.tuples(corner, corner, side, side), min_size=count, max_size=count))
    ]
    return np.array(rows, np.float64).reshape(-1, 4)


def test_values_on_paper():
    a = np.array([[0.0, 0, 4, 2]])
    b = np.array([[0.0, 0, 4, 2], [2, 0, 6, 2], [4, 0, 8, 2], [1, 1, 2, 2]])
    assert boxes.area(b).tolist() == [8, 8, 8, 1]
    np.testing.assert_allclose(boxes.iou_matrix(a, b), [[1, 4 / 12, 0, 1 / 8]], rtol=1e-15)
    assert boxes.to_center(a).tolist() == [[2, 1, 4, 2]]
    np.testing.assert_allclose(boxes.encode(b[1:2], a), [[0.5, 0, 0, 0]])
    np.testing.assert_allclose(boxes.encode(b[3:4], a), [[-0.5 / 4, 0.5 / 2, math.log(1 / 4), math.log(1 / 2)]])


@FEW
@given(a=drawn_boxes(smallest=0), b=drawn_boxes(smallest=0))
def test_iou_is_symmetric_within_0_and_1_and_equals_the_definition(a, b):
    iou = boxes.iou_matrix(a, b)
    assert iou.shape == (len(a), len(b))
    np.testing.assert_array_equal(iou, boxes.iou_matrix(b, a).T)
    assert ((iou >= 0) & (iou <= 1)).all()  # also means: no NaN
    wanted = np.array([naive.iou(p, q) for p in a for q in b]).reshape(iou.shape)
    np.testing.assert_allclose(iou, wanted, rtol=1e-14)
    itself = np.diag(boxes.iou_matrix(a, a))
    np.testing.assert_array_equal(itself, (boxes.area(a) > 0).astype(float))


def test_empty_and_swapped_boxes_overlap_nothing():
    strange = np.array([[1.0, 1, 1, 1], [3, 3, 1, 1], [0, 0, 0, 5], [3, 0, 1, 2], [0, 3, 2, 1]], np.float32)
    good = np.array([[0.0, 0, 4, 4]], np.float32)
    assert not boxes.iou_matrix(strange, good).any()
    assert not boxes.iou_matrix(strange, strange).any()
    assert not boxes.area(strange).any()


@FEW
@given(
    a=drawn_boxes(),
    seed=st.integers(0, 99),
    weights=st.sampled_from([(1, 1, 1, 1), (10.0, 10.0, 5.0, 5.0), (2, 1, 4, 3)]),
)
def test_decode_undoes_encode(a, seed, weights):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-10, 20, (len(a), 2))
    anchors = np.concatenate([corner, corner + rng.uniform(1, 15, (len(a), 2))], axis=1)
    deltas = boxes.encode(a, anchors, weights=weights)
    np.testing.assert_allclose(boxes.decode(deltas, anchors, weights=weights), a, rtol=1e-12, atol=1e-12)
    wanted = [naive.encode(box, anchor) * weights for box, anchor in zip(a, anchors)]
    np.testing.assert_allclose(deltas, np.array(wanted).reshape(-1, 4), rtol=1e-12, atol=1e-12)
    unchanged = boxes.decode(np.zeros_like(a), anchors)
    np.testing.assert_allclose(unchanged, anchors, rtol=1e-13, atol=1e-13)


def test_decode_holds_the_growth():
    anchor = np.array([[0.0, 0, 16, 16]], np.float32)
    box = boxes.decode(np.array([[0, 0, 500, 500]], np.float32), anchor)
    np.testing.assert_allclose(boxes.to_center(box), [[8, 8, 1000, 1000]], rtol=1e-5)
    box = boxes.decode(np.array([[0, 0, 10, 0]], np.float32), anchor, weights=(1, 1, 5, 5), clamp=math.log(3))
    np.testing.assert_allclose(boxes.to_center(box), [[8, 8, 48, 16]], rtol=1e-5)


def test_encode_is_finite_for_rows_that_only_fill_up():
    filler = np.zeros((1, 4), np.float32)
    anchor = np.array([[0, 0, 8, 8]], np.float32)
    for box, base in ((filler, anchor), (anchor, filler), (filler, filler), (anchor[:, [2, 3, 0, 1]], anchor)):
        assert np.isfinite(boxes.encode(box, base)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_side_without_extent_counts_as_a_millionth(dtype):
    empty, anchor = np.array([[3, 5, 3, 5]], dtype), np.array([[0, 0, 8, 2]], dtype)
    deltas = boxes.encode(empty, anchor)
    np.testing.assert_allclose(deltas, [[-1 / 8, 2, math.log(1e-6 / 8), math.log(1e-6 / 2)]], rtol=1e-6)
    deltas = boxes.encode(anchor, empty, weights=(1, 2, 3, 4))
    np.testing.assert_allclose(deltas, [[1e6, -8e6, 3 * math.log(8e6), 4 * math.log(2e6)]], rtol=1e-6)
    assert deltas.dtype == dtype


@FEW
@given(a=drawn_boxes(), height=st.integers(1, 20), width=st.integers(1, 20))
def test_clip_is_idempotent_and_keeps_what_lies_inside(a, height, width):
    clipped = boxes.clip(a, height=height, width=width)
    np.testing.assert_array_equal(boxes.clip(clipped, height=height, width=width), clipped)
    assert (clipped >= 0).all() and (clipped <= [width, height, width, height]).all()
    inside = (a >= 0).all(axis=1) & (a <= [width, height, width, height]).all(axis=1)
    np.testing.assert_array_equal(clipped[inside], a[inside])


@FEW
@given(a=drawn_boxes())
def test_conversions_undo_each_other(a):
    np.testing.assert_allclose(boxes.from_center(boxes.to_center(a)), a, atol=1e-13)


def test_sizes_per_picture_and_free_leading_axes(rng):
    a = rng.uniform(-5, 20, (2, 3, 4)).astype(np.float32)
    height, width = np.array([[4], [8]]), np.array([[6], [10]])  # (N, 1) integers
    clipped = boxes.clip(a, height=height, width=width)
    assert clipped.dtype == np.float32
    for i in range(2):
        one = boxes.clip(a[i], height=int(height[i, 0]), width=int(width[i, 0]))
        np.testing.assert_array_equal(clipped[i], one)
        np.testing.assert_array_equal(boxes.iou_matrix(a, a[:, :2])[i], boxes.iou_matrix(a[i], a[i, :2]))
    np.testing.assert_array_equal(boxes.iou_matrix(a[0], a)[1], boxes.iou_matrix(a[0], a[1]))


def everything(a, b, height, width):
    yield boxes.area(a)
    yield boxes.iou_matrix(a, b)
    deltas = boxes.encode(a, b)
    yield deltas
    yield boxes.decode(deltas, b)
    yield boxes.clip(a, height=height, width=width)
    yield boxes.from_center(boxes.to_center(a))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [0, 5])
def test_dtype_stays_and_a_device_agrees_without_waiting(dtype, count, rng, device):
    from strict_device import counting

    a = rng.uniform(0, 9, (count, 4)).astype(dtype)
    b = np.concatenate([a[:, :2], a[:, :2] + rng.uniform(1, 5, (count, 2)).astype(dtype)], axis=1)
    height, width = np.array([7]), np.array([8])
    with counting() as cost:
        there = list(everything(*(device.asarray(x) for x in (a, b, height, width))))
    assert cost.synchronisations == 0
    for here, copy in zip(everything(a, b, height, width), there):
        assert here.dtype == copy.dtype == dtype
        np.testing.assert_array_equal(here, to_host(copy))


def test_messages():
    good = np.zeros((2, 4), np.float32)
    with pytest.raises(ShapeError, match=r"area: boxes must be \(4,\); got \(2, 5\)"):
        boxes.area(np.zeros((2, 5), np.float32))
    with pytest.raises(ShapeError, match="iou_matrix: b must have 2 axes"):
        boxes.iou_matrix(good, good[0])
    with pytest.raises(DtypeError, match="encode: anchors must be float32 like boxes; got float64"):
        boxes.encode(good, good.astype(np.float64))
    with pytest.raises(DtypeError, match="clip: boxes must hold float32 or float64; got int64"):
        boxes.clip(good.astype(np.int64), height=3, width=3)
