"""What is drawn of a pooling operator is what the operator computes: bins, points, weights, maxima."""

import numpy as np
import pytest
from drawing_checks import THEMES, assert_legible, words
from drawn_examples import examples
from golden import MATRIX
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.patches import Circle, Rectangle

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.ops import roi_align, roi_pool, roi_samples
from tinymaskrcnn.visualize import draw_pooling_grid, style
from tinymaskrcnn.visualize.pooling import POINT_COLOR, neighbours, pooling_grid, rounded_roi

MAP = MATRIX[0, :, :, 0]


@pytest.fixture(params=["light", "dark"])
def theme(request):
    style.use_theme(request.param)
    yield request.param
    style.use_theme("light")


@st.composite
def drawn_roi(draw):
    """A RoI that may reach outside the 8x8 map (of the image size that belongs to the scale) or be tiny."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    scale = draw(st.sampled_from([1.0, 0.5, 0.125]))
    corner = rng.uniform(-2, 7, 2)
    roi = np.concatenate([corner, corner + rng.uniform(0.1, 7, 2)]) / scale
    return roi, dict(output_size=draw(st.tuples(st.integers(1, 3), st.integers(1, 3))), scale=scale)


def matrix_of(grid, shape):
    """The interpolation matrix that the drawn points and links stand for."""
    A = np.zeros((np.prod(grid.bins.shape[:2]), *shape))
    for i, j in np.ndindex(grid.bins.shape[:2]):
        for index, share in zip(grid.index[i, j], grid.share[i, j]):
            if share > 0:
                for (r, c), weight in zip(*neighbours(shape, index)):
                    A[i * grid.bins.shape[1] + j, r, c] += share * weight
    return A.reshape(len(A), -1)


@examples(60)
@given(case=drawn_roi(), samples=st.integers(0, 3), aligned=st.booleans(), kind=st.sampled_from(["align", "warp"]))
def test_points_and_their_neighbours_are_the_operators_matrix(case, samples, aligned, kind):
    roi, data = case
    grid = pooling_grid(MAP.shape, roi, kind=kind, samples=samples, aligned=aligned, **data)
    read = rounded_roi(roi, scale=data["scale"]) if kind == "warp" else roi
    A = roi_align.interpolation_matrix(
        read[None], image_index=np.array([0]), feature_shape=(1, 8, 8), samples=samples, aligned=aligned, **data
    )
    np.testing.assert_allclose(matrix_of(grid, MAP.shape), A.toarray(), atol=1e-12)


@examples(40)
@given(case=drawn_roi(), samples=st.integers(1, 3), aligned=st.booleans())
def test_points_lie_evenly_in_their_bins_and_the_bins_fill_the_roi(case, samples, aligned):
    """In continuous pixels: the mean of a bin's points is its middle. Without alignment half a cell further."""
    roi, data = case
    grid = pooling_grid(MAP.shape, roi, samples=samples, aligned=aligned, **data)
    middle = (grid.bins[..., :2] + grid.bins[..., 2:]) / 2
    np.testing.assert_allclose(grid.points.mean(axis=2), middle, atol=1e-9)
    shift = 0 if aligned else 0.5 / data["scale"]
    np.testing.assert_allclose(grid.bins[0, 0, :2], roi[:2] + shift, atol=1e-9)
    size = roi[2:] - roi[:2] if aligned else np.maximum(roi[2:] - roi[:2], 1 / data["scale"])
    np.testing.assert_allclose(grid.bins[-1, -1, 2:], roi[:2] + shift + size, atol=1e-9)


@examples(40)
@given(case=drawn_roi())
def test_bins_of_roi_pool_hold_its_maxima(case):
    roi, data = case
    grid = pooling_grid(MAP.shape, roi, kind="pool", **data)
    crops, _ = roi_pool.roi_pool_forward(MATRIX, roi[None], image_index=np.array([0]), **data)
    for i, j in np.ndindex(grid.bins.shape[:2]):
        x1, y1, x2, y2 = np.rint(grid.bins[i, j] * data["scale"]).astype(int)
        window = MAP[y1:y2, x1:x2]
        assert (window.max() if window.size else 0) == crops[0, i, j, 0]


def test_a_point_between_four_pixels():
    pixels, weights = neighbours((4, 4), np.array([1.25, 2.5]))
    assert pixels.tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]
    np.testing.assert_allclose(weights, [0.375, 0.375, 0.125, 0.125])
    pixels, weights = neighbours((4, 4), np.array([-0.5, 3.7]))  # outside: the border alone
    assert {tuple(p) for p, w in zip(pixels.tolist(), weights) if w} == {(0, 3)}


def test_roi_warp_rounds_to_cells_and_keeps_one():
    np.testing.assert_array_equal(rounded_roi([3.0, 9.9, 12.0, 10.1], scale=0.25), [4, 8, 12, 12])
    np.testing.assert_array_equal(rounded_roi([[0.4, 0.6, 2.5, 3.4]]), [[0, 1, 3, 3]])


def test_drawn_points_are_those_of_the_operator():
    """p of the operator counts pixels; pixel p has its middle at p + 1/2, so that is where the dot must be."""
    settings = dict(output_size=2, scale=0.5, samples=2, aligned=True)
    roi = (1.3, 5.1, 12.0, 14.2)
    ax = draw_pooling_grid(MAP, roi, **settings)
    (dots,) = [line for line in ax.lines if line.get_color() == POINT_COLOR]
    one = np.array([roi])
    x, _, _ = roi_samples.sample_points(one[:, 0], one[:, 2], 2, scale=0.5, samples=2, aligned=True)
    y, _, _ = roi_samples.sample_points(one[:, 1], one[:, 3], 2, scale=0.5, samples=2, aligned=True)
    wanted = {(round(a, 9), round(b, 9)) for a in (x.reshape(-1) + 0.5) / 0.5 for b in (y.reshape(-1) + 0.5) / 0.5}
    assert {(round(a, 9), round(b, 9)) for a, b in dots.get_xydata()} == wanted and len(wanted) == 16


def test_drawn_maxima_and_bins_of_the_published_matrix():
    ax = draw_pooling_grid(MAP, (0, 3, 6, 7), output_size=2, kind="pool")
    rings = [patch for patch in ax.patches if isinstance(patch, Circle)]
    middles = [tuple(ring.get_center()) for ring in rings]
    assert [MAP[int(y), int(x)] for x, y in middles] == [0.85, 0.96, 0.97, 0.96]
    assert all(x % 1 == 0.5 and y % 1 == 0.5 for x, y in middles)
    hatched = {p.get_xy() for p in ax.patches if isinstance(p, Rectangle) and p.get_hatch()}
    assert hatched == {(x, 5) for x in range(7)} | {(3, y) for y in range(3, 8)}


@pytest.mark.parametrize(("kind", "height"), [("pool", 0.5), ("align", 0.26), ("warp", 0.26)])
def test_numbers_stand_above_the_points_and_in_the_middle_where_there_are_none(kind, height):
    ax = draw_pooling_grid(MAP, (0.4, 2.7, 6.9, 7.5), output_size=2, kind=kind, scale=0.5)
    places = [text.get_position() for text in ax.texts if text.get_text() == ".88"]
    assert (1.0, 2 * height) in places  # the first cell is two pixels wide and high


@pytest.mark.parametrize("own", [False, True])
def test_cells_are_square(own):
    ax = style.new_figure(8, 3).add_axes((0.1, 0.1, 0.8, 0.8)) if own else None
    ax = draw_pooling_grid(MAP, (0.4, 2.7, 6.9, 7.5), output_size=2, ax=ax)
    ax.figure.canvas.draw()
    corner, across = ax.transData.transform([(0, 0), (1, 1)])
    assert across[0] - corner[0] == pytest.approx(corner[1] - across[1], rel=1e-3)


def test_lines_of_bins_are_dashed_and_stand_out_from_what_lies_below():
    for kind, lines in (("align", "collections"), ("pool", "patches")):
        ax = draw_pooling_grid(MAP, (0.4, 2.7, 6.9, 7.5), output_size=2, kind=kind)
        drawn = [line for line in getattr(ax, lines) if line.get_path_effects()]
        assert drawn
        for line in drawn:
            width = float(np.ravel(line.get_linewidth())[0])
            halo, _ = line.get_path_effects()
            assert 1 < halo._gc["linewidth"] - width < 2, "a hair on either side"
        if kind == "align":
            dashes = [pattern for line in drawn for _, pattern in line.get_linestyle()]
            assert {(len(p), p[0] / p[1]) for p in dashes} == {(2, 2.0)}


def test_an_image_lies_under_the_cells_of_a_level(theme):
    rng = np.random.default_rng(0)
    ax = draw_pooling_grid(
        rng.random((8, 8, 3)), (20, 31, 61, 70), output_size=3, scale=0.125, image=rng.random((64, 64, 1)), around=1
    )
    assert ax.images[0].get_extent() == [0, 64, 64, 0]
    assert ax.get_xlim() == (8, 64) and ax.get_ylim() == (64, 16)  # one cell around, cut off at the border
    assert_legible(ax.figure)


def test_a_window_of_the_image():
    image = np.zeros((64, 64))
    ax = draw_pooling_grid(
        MAP, (20, 31, 61, 63), output_size=7, samples=1, scale=0.125, image=image, window=(0, 16, 64, 64)
    )
    assert ax.get_xlim() == (0, 64) and ax.get_ylim() == (64, 16)
    assert [t for t in words(ax.figure) if t.isdigit()] == [str(v) for v in [*range(0, 65, 8), *range(16, 65, 8)]]
    assert_legible(ax.figure)


def test_numbers_are_short():
    ax = draw_pooling_grid(np.array([[0.0, 0.5, -0.25], [1, 12.345, 1234.6]]), (0, 0, 2, 2), output_size=1)
    assert {".50", "-.25", "12.3", "1235"} <= set(words(ax.figure)) and ".00" not in words(ax.figure)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "look",
    [
        dict(kind="pool"),
        dict(kind="warp", title="RoIWarp"),
        dict(highlight=(0, 1)),
        dict(highlight=(1, 1, 2), aligned=False),
        dict(samples=0, legend=False),
        dict(points=False, bins=False),
    ],
)
@pytest.mark.parametrize("theme", THEMES, indirect=True)
def test_legible(look, theme):
    ax = draw_pooling_grid(MAP, (0.4, 2.7, 6.9, 7.5), output_size=2, **look)
    assert_legible(ax.figure)
    assert ".88" in words(ax.figure) and ".70" in words(ax.figure)


def test_refusals():
    with pytest.raises(ArgumentError, match="pooling_grid: output_size must be .* each at least 1; got 0"):
        draw_pooling_grid(MAP, (0, 0, 1, 1), output_size=0)
    with pytest.raises(ArgumentError, match="kind must be one of .* got 'crop'"):
        draw_pooling_grid(MAP, (0, 0, 1, 1), output_size=2, kind="crop")
    with pytest.raises(ShapeError, match=r"roi must be \(4,\) .* got shape \(1, 4\)"):
        draw_pooling_grid(MAP, [(0, 0, 1, 1)], output_size=2)
    with pytest.raises(ShapeError, match=r"features must be .* got shape \(1, 8, 8, 1\)"):
        draw_pooling_grid(MATRIX, (0, 0, 1, 1), output_size=2)
