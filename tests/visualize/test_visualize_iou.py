"""Two boxes and what they share."""

import numpy as np
import pytest
from drawing_checks import THEMES, assert_legible, words
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.ops import boxes
from tinymaskrcnn.visualize import draw_iou, iou_steps, style
from tinymaskrcnn.visualize.iou import _around, _frame, _moved_into, _union_outline

A = np.array([0.0, 0.0, 20.0, 30.0])
PAIRS = {
    "overlapping": [10, 10, 40, 30],
    "apart": [50, 50, 60, 60],
    "touching": [20, 0, 40, 30],
    "inside": [5, 5, 10, 10],
    "equal": [0, 0, 20, 30],
    "a cross": [-10, 10, 30, 20],
    "without area": [5, 5, 5, 9],
}


@pytest.fixture(params=["light", "dark"])
def theme(request):
    style.use_theme(request.param)
    yield request.param
    style.use_theme("light")


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("theme", THEMES, indirect=True)
def test_every_pair_is_legible_and_says_its_numbers(name, theme):
    b = np.array(PAIRS[name], np.float64)
    ax = draw_iou(A, b)
    iou = boxes.iou_matrix(A[None], b[None])[0, 0]
    assert ax.get_title().endswith(f"= {iou:.2f}")
    assert f"area of B: {boxes.area(b):.4g}" in words(ax.figure)
    assert_legible(ax.figure)


def test_numbers_of_one_pair():
    ax = draw_iou(A, [10, 10, 40, 30])
    assert ax.get_title() == "IoU = 200 / 1000 = 0.20"
    assert {"area of A: 600", "area of B: 600", "intersection: 200", "union: 1000"} <= set(words(ax.figure))


def test_the_hatched_box_is_the_intersection():
    hatched = [p for p in draw_iou(A, [10, 10, 40, 30]).patches if p.get_hatch()]
    assert [(p.get_xy(), p.get_width(), p.get_height()) for p in hatched] == [((10, 10), 10, 20)]
    assert not [p for p in draw_iou(A, PAIRS["touching"]).patches if p.get_hatch()]


whole = st.integers(0, 12)


@st.composite
def box(draw):
    x, y = draw(whole), draw(whole)
    return np.array([x, y, x + draw(st.integers(1, 9)), y + draw(st.integers(1, 9))], np.float64)


@examples(200)
@given(a=box(), b=box())
def test_the_outline_is_the_border_of_the_union(a, b):
    """On whole pixels: the unit pieces that are drawn are those between a covered and an uncovered pixel."""
    covered = np.zeros((24, 24), bool)
    for x1, y1, x2, y2 in (a.astype(int), b.astype(int)):
        covered[y1:y2, x1:x2] = True
    padded = np.pad(covered, 1)
    border = np.stack([(padded[1:] != padded[:-1])[:, 1:], (padded[:, 1:] != padded[:, :-1])[1:]], axis=-1)
    drawn = np.zeros((25, 25, 2), bool)  # horizontal and vertical pieces of the grid lines
    for x, y in _union_outline(a, b):
        if y[0] == y[1]:
            drawn[int(y[0]), int(x[0]) : int(x[1]), 0] = True
        else:
            drawn[int(y[0]) : int(y[1]), int(x[0]), 1] = True
    assert drawn[border].all()
    assert (drawn & ~border).sum() <= _shared_edges(a, b)  # only a seam where the boxes touch may lie inside


def _shared_edges(a, b):
    """Length of the edges of one box that run along an edge of the other."""
    across = max(0, min(a[2], b[2]) - max(a[0], b[0])) * len({a[1], a[3]} & {b[1], b[3]})
    along = max(0, min(a[3], b[3]) - max(a[1], b[1])) * len({a[0], a[2]} & {b[0], b[2]})
    return across + along


def test_on_an_image_the_view_is_the_image():
    ax = draw_iou([2, 2, 9, 9], [4, 4, 12, 12], image=np.zeros((16, 20, 1), np.float32))
    assert ax.get_xlim() == (0, 20) and ax.get_ylim() == (16, 0)
    assert_legible(ax.figure)


def test_steps_drag_a_box_along_the_curve():
    path = np.stack([A + [shift, 0, shift, 0] for shift in range(-30, 31, 5)])
    steps = iou_steps(A, path, values=path[:, 0], label="shift in pixels", frames=5)
    assert len(steps) == 5
    assert steps.captions[0] == "shift in pixels -30: IoU 0.00"
    assert steps.captions[2] == "shift in pixels 0: IoU 1.00"


def test_steps_at_chosen_places():
    path = np.stack([A + [shift, 0, shift, 0] for shift in range(-30, 31, 5)])
    steps = iou_steps(A, path, values=path[:, 0] / 3, label="shift", frames=[7, 2])
    assert steps.captions == ["shift 1.67: IoU 0.60", "shift -6.67: IoU 0.00"]


@pytest.mark.parametrize("theme", THEMES, indirect=True)
def test_frames_are_legible(theme):
    path = np.stack([A + [shift, 0, shift, 0] for shift in range(-30, 31, 5)])
    curve = boxes.iou_matrix(A[None], path)[0]
    for image in (None, np.zeros((40, 50, 1), np.float32)):
        frame = _frame(A, path[7], path[:, 0], curve, 7, "shift in pixels", image, _around(A, *path))
        assert_legible(frame)


def test_on_an_image_the_frames_show_nothing_but_it():
    assert _moved_into(np.array([-5.0, 30, 15, 50]), (40, 60)).tolist() == [0, 20, 20, 40]
    assert _moved_into(np.array([10.0, 0, 70, 60]), (40, 60)).tolist() == [10, 0, 50, 40]


def test_messages():
    with pytest.raises(ShapeError, match=r"draw_iou: b must be one box \(4,\).*got shape \(1, 4\)"):
        draw_iou(A, A[None])
    with pytest.raises(ArgumentError, match="draw_iou: a needs finite x1 <= x2"):
        draw_iou(A[::-1], A)
    with pytest.raises(ShapeError, match=r"iou_steps: path must be \(K, 4\) with at least 2 boxes"):
        iou_steps(A, A[None])
    with pytest.raises(ShapeError, match="iou_steps: values must have one entry for each of 2 boxes"):
        iou_steps(A, np.stack([A, A]), values=[1, 2, 3])
    for frames in ([0, 2], [-1], [], [0.5]):
        with pytest.raises(ArgumentError, match="iou_steps: frames must be a number or rows 0 to 1 of the path"):
            iou_steps(A, np.stack([A, A]), frames=frames)
