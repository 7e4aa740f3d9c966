"""Pooling step by step: every frame shows the window, the winner and the sum so far that the operators would give."""

import numpy as np
import pytest
from drawing_checks import assert_legible
from matplotlib.colors import to_rgb

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.ops import naive
from tinymaskrcnn.visualize import pool_gradient_steps, pool_steps, pool_windows, style

X = np.array([[1, 5, 2, 0], [3, 5, 9, 4], [7, 0, 8, 6], [2, 2, 1, 3]])


@pytest.fixture(params=["light", "dark"])
def theme(request):
    style.use_theme(request.param)
    yield request.param
    style.use_theme("light")


@pytest.fixture
def figures(monkeypatch):
    """The figures that are handed to Steps, in order."""
    kept = []

    def keep(frames, captions, *, title=None):
        kept.extend(frames)
        return captions

    monkeypatch.setattr(pool_windows, "Steps", keep)
    return kept


def numbers_in(ax):
    return {(int(t.get_position()[1]), int(t.get_position()[0])): float(t.get_text()) for t in ax.texts}


def outlines(ax):
    """{colour: [(row0, col0, row1, col1)]}"""
    found = {}
    for p in ax.patches:
        if not p.get_fill():
            x0, y0, x1, y1 = (int(v) for v in p.get_bbox().extents)
            found.setdefault(p.get_edgecolor()[:3], []).append((y0, x0, y1, x1))
    return found


@pytest.mark.parametrize("kind", ["max", "average"])
def test_windows_slide_and_results_gather(figures, theme, kind):
    pool_steps(X, kernel=3, stride=1, kind=kind)
    loops = naive.max_pool2d if kind == "max" else naive.avg_pool2d
    y = loops(X[None, :, :, None].astype(float), kernel=(3, 3), stride=(1, 1))[0, :, :, 0]
    for k, figure in enumerate(figures):
        assert_legible(figure)
        left, right = figure.axes
        p, q = divmod(k, 2)
        assert outlines(left)[to_rgb(style.RED)] == [(p, q, p + 3, q + 3)]
        shown = numbers_in(right)
        assert len(shown) == k + 1 and np.isclose(shown[p, q], y[p, q], rtol=0.05)
    assert len(figures) == 4 and len({tuple(f.get_size_inches()) for f in figures}) == 1


def test_the_first_of_equal_winners_is_marked(figures):
    captions = pool_steps(X, kernel=2)
    assert outlines(figures[0].axes[0])[to_rgb(style.GREEN)] == [(0, 1, 1, 2)]
    assert "2 pixels are equal: the first" in captions[0] and "equal" not in captions[1]


def test_gradients_add_up_where_windows_overlap(figures, theme):
    dy = np.array([[1.0, 2], [3, -4]])
    captions = pool_gradient_steps(X, dy, kernel=3, stride=1)
    want = naive.max_pool2d_backward(
        dy[None, :, :, None], X[None, :, :, None].astype(float), kernel=(3, 3), stride=(1, 1)
    )[0, :, :, 0]
    assert want[1, 2] == 2, "all four windows are won by one pixel"
    assert [numbers_in(figure.axes[0])[1, 2] for figure in figures] == [1, 3, 6, 2]
    assert numbers_in(figures[-1].axes[0]) == {place: value for place, value in np.ndenumerate(want)}
    assert "add up" not in captions[0] and all("add up" in caption for caption in captions[1:])
    for figure in figures:
        assert_legible(figure)


def test_a_mean_shares_its_gradient(figures):
    captions = pool_gradient_steps(X, np.array([[4.0, 8], [0, 0]]), kernel=2, kind="average")
    assert numbers_in(figures[1].axes[0])[1, 1] == 1 and numbers_in(figures[1].axes[0])[0, 2] == 2
    assert "receives 1/4 of it, 1." in captions[0]


def test_the_real_thing_is_steps():
    assert len(pool_steps(X, kernel=2, title="max pooling")) == 4


def test_refusals():
    with pytest.raises(ArgumentError, match=r"kind must be one of \['average', 'max'\]; got 'median'"):
        pool_steps(X, kernel=2, kind="median")
    with pytest.raises(ArgumentError, match=r"x must be one picture \(H, W\); got \(1, 4, 4\)"):
        pool_steps(X[None], kernel=2)
    with pytest.raises(ArgumentError, match=r"dy must have the shape \(2, 2\) of y; got \(4, 4\)"):
        pool_gradient_steps(X, X, kernel=2)
