"""Small arrays as cells: the right number in the right cell, readable on every colour and both pages."""

import numpy as np
import pytest
from drawing_checks import THEMES, assert_legible, words
from matplotlib.colors import to_rgb
from matplotlib.textpath import TextPath

from tinymaskrcnn.errors import ShapeError
from tinymaskrcnn.visualize import arrays_figure, draw_array, draw_gradient, style


@pytest.fixture(params=["light", "dark"])
def theme(request):
    style.use_theme(request.param)
    yield request.param
    style.use_theme("light")


def numbers_in(ax):
    """{(row, column): text} of the numbers, by the cell whose area they stand in."""
    return {(int(t.get_position()[1]), int(t.get_position()[0])): t.get_text() for t in ax.texts}


def cells(ax):
    """{(row, column): patch} of the filled cells."""
    return {(int(p.get_y()), int(p.get_x())): p for p in ax.patches if p.get_fill()}


def test_each_number_stands_in_its_cell_row_0_on_top():
    ax = draw_array([[1, 2.5, np.nan], [-4, 0.001, 123]])
    assert numbers_in(ax) == {(0, 0): "1", (0, 1): "2.5", (1, 0): "-4", (1, 1): "0.001", (1, 2): "123"}
    assert ax.get_xlim() == (0, 3) and ax.get_ylim() == (2, 0)
    for (i, j), patch in cells(ax).items():
        assert patch.get_bbox().extents.tolist() == [j, i, j + 1, i + 1]


def test_how_numbers_are_written():
    assert numbers_in(draw_array([True, False])) == {(0, 0): "1", (0, 1): "0"}
    assert numbers_in(draw_array([-0.001, 1.234], fmt="{:.2f}")) == {(0, 0): "0.00", (0, 1): "1.23"}
    assert numbers_in(draw_array([3.0], fmt="{:.1f}")) == {(0, 0): "3.0"}
    assert numbers_in(draw_array(np.arange(4), fmt="")) == {}


@pytest.mark.in_turn
@pytest.mark.parametrize("shape", [(1, 1), (1, 16), (5, 3), (12, 12)])
@pytest.mark.parametrize("look", [{}, {"cmap": "viridis"}, {"center": 0}])
@pytest.mark.parametrize("theme", THEMES, indirect=True)
def test_every_look_is_legible(theme, shape, look):
    values = -np.random.default_rng(0).random(shape) * 1.3e-5
    assert_legible(draw_array(values, title="the gradient of x", **look).figure)


def test_a_large_array_is_legible():
    test_every_look_is_legible(None, (30, 30), {})


def test_numbers_fit_their_cells(theme):
    ax = draw_array([[-0.00012, 1e-9], [123456, 4]], cmap="viridis")
    ax.figure.canvas.draw()
    for text in ax.texts:
        (x0, y0), (x1, y1) = ax.transData.inverted().transform(text.get_window_extent())
        assert int(x0) == int(x1) and int(y0) == int(y1), text.get_text()


@pytest.mark.parametrize("value", [-0.00012, 123456])
def test_the_longest_number_takes_as_much_of_its_cell_as_leaves_a_little_air(value):
    ax = draw_array([[value, 1]])
    longest, short = ax.texts
    assert longest.get_fontsize() == short.get_fontsize()
    wide = TextPath((0, 0), longest.get_text(), size=longest.get_fontsize()).get_extents().width / 72
    assert wide / (ax.get_window_extent().width / ax.figure.dpi / 2) == pytest.approx(0.86, rel=0.005)


def test_numbers_are_left_out_where_nobody_could_read_them():
    figure = style.new_figure(2, 2)
    assert len(draw_array(np.ones((60, 60)), ax=figure.add_axes((0, 0, 1, 1))).texts) == 0


def test_ink_stands_out_from_every_cell(theme):
    ax = draw_array(np.linspace(-1, 1, 21).reshape(3, 7), center=0)
    faces = cells(ax)
    for text in ax.texts:
        cell = faces[int(text.get_position()[1]), int(text.get_position()[0])]
        light, dark = (np.dot(to_rgb(c), (0.299, 0.587, 0.114)) for c in (cell.get_facecolor(), text.get_color()))
        assert abs(light - dark) > 0.35


def test_plain_and_blank_cells_have_the_colour_of_the_page(theme):
    paper = to_rgb(style.paper())
    assert all(c.get_facecolor()[:3] == paper for c in cells(draw_array([1.0, 2])).values())
    assert cells(draw_array([1.0, np.nan], cmap="gray"))[0, 1].get_facecolor()[:3] == paper


def test_gradients_are_white_at_zero_red_below_blue_above():
    faces = cells(draw_gradient([-1.0, 0.0, 4.0]))
    red, white, blue = (faces[0, j].get_facecolor()[:3] for j in range(3))
    assert red[0] > red[2] + 0.05 and blue[2] > blue[0] + 0.05 and min(white) > 0.96
    strong = cells(draw_gradient([-1.0, 0.0, 4.0], vmax=1))[0, 0].get_facecolor()
    assert strong[1] < red[1], "with vmax = 1 the -1 reaches the end of the map"


def test_colours_run_from_vmin_to_vmax():
    faces = cells(draw_array([0.0, 5.0, 99.0], cmap="gray", vmin=0, vmax=10))
    assert [round(faces[0, j].get_facecolor()[0], 1) for j in range(3)] == [0, 0.5, 1]


@pytest.mark.parametrize("value", [0.0, 3.0, np.nan])
def test_arrays_of_one_value_can_be_coloured(value):
    for look in ({"cmap": "viridis"}, {"center": 0}):
        assert_legible(draw_array(np.full((2, 2), value), **look).figure)


def test_highlight_outlines_half_open_rectangles():
    ax = draw_array(np.zeros((4, 4)), highlight=[(1, 0, 3, 2, style.RED)])
    (outline,) = [p for p in ax.patches if not p.get_fill()]
    assert outline.get_bbox().extents.tolist() == [0, 1, 2, 3] and outline.get_edgecolor()[:3] == to_rgb(style.RED)


def test_given_axes_are_used():
    ax = style.new_axes()
    assert draw_array([[1]], ax=ax, title="x") is ax and ax.get_title() == "x"


@pytest.mark.parametrize("values", [np.zeros((2, 2, 2)), np.zeros((0, 3)), [["a"]]])
def test_refusals(values):
    with pytest.raises(ShapeError, match="draw_array: values must be numbers"):
        draw_array(values)


def test_arrays_in_a_row_read_like_an_equation(theme):
    arrays = {"x (5, 3)": np.ones((5, 3)), "weight (3, 4)": np.ones((3, 4)), "bias": np.ones(4), "y": np.ones((5, 4))}
    figure = arrays_figure(arrays, signs=["@", "+", "="], looks={"bias": {"fmt": "{:.1f}"}}, title="linear")
    assert_legible(figure)
    figure.canvas.draw()
    assert {"@", "+", "=", "linear", *arrays} <= set(words(figure))
    boxes = [ax.get_window_extent() for ax in figure.axes]
    sides = [box.width / array.shape[-1] for box, array in zip(boxes, arrays.values())]
    np.testing.assert_allclose(sides, sides[0], rtol=0.02)
    assert all(a.x1 < b.x0 for a, b in zip(boxes, boxes[1:]))
    assert [t.get_text() for t in figure.axes[2].texts] == ["1.0"] * 4


def test_many_arrays_shrink_to_the_page(theme):
    figure = arrays_figure({f"array {k}": np.ones((4, 8)) for k in range(5)})
    assert figure.get_figwidth() < 9.6
    assert_legible(figure)


def test_arrays_figure_refuses():
    with pytest.raises(ShapeError, match="one fewer than arrays; got 2 and 2"):
        arrays_figure({"a": [1], "b": [1]}, signs=["+", "="])
    with pytest.raises(ShapeError, match="one fewer"):
        arrays_figure({})
