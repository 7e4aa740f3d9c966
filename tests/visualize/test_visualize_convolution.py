"""Windows, kernels and one weighted sum: what is marked is what the operator reads."""

import numpy as np
import pytest
from drawing_checks import THEMES, assert_legible, words
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgba

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.ops import naive
from tinymaskrcnn.ops.conv import conv2d_backward, conv2d_forward
from tinymaskrcnn.visualize import (
    convolution_figure,
    draw_image,
    draw_kernel,
    draw_reads,
    draw_window,
    draw_windows,
    style,
)
from tinymaskrcnn.visualize.convolution import Sliding

LAYOUTS = [
    {"kernel": 3},
    {"kernel": (2, 3), "stride": (2, 1), "padding": (1, 0)},
    {"kernel": 2, "stride": 1, "padding": 1, "dilation": (2, 3)},
    {"kernel": 1, "stride": 3},
]


@pytest.fixture(params=["light", "dark"])
def theme(request):
    style.use_theme(request.param)
    yield request.param
    style.use_theme("light")


def marked(ax, color=style.ORANGE):
    """Cells (row, column) that are tinted in a colour."""
    tinted = [p for p in ax.patches if p.get_facecolor()[:3] == to_rgba(color)[:3] and p.get_alpha() == 0.4]
    return sorted((int(p.get_y()), int(p.get_x())) for p in tinted)


def read_by(size, position, *, kernel, stride=1, padding=0, dilation=1):
    """Cells of the padded image that one output depends on, by the gradient of the real operator."""
    pad = np.broadcast_to(padding, 2)
    x = np.zeros((1, size[0] + 2 * pad[0], size[1] + 2 * pad[1], 1))
    weight = np.ones((*np.broadcast_to(kernel, 2), 1, 1))
    y, cache = conv2d_forward(x, weight, None, stride=stride, dilation=dilation)
    dy = np.zeros_like(y)
    dy[0, position[0], position[1], 0] = 1
    dx = conv2d_backward(dy, cache)[0]
    return [tuple(cell) for cell in np.argwhere(dx[0, :, :, 0]).tolist()]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_window_marks_what_the_operator_reads(layout):
    sliding = Sliding("test", (5, 6), **layout)
    for row, column in np.ndindex(*sliding.windows):
        ax = draw_window(np.ones((5, 6, 1)).tolist(), row, column, **layout)
        assert marked(ax) == read_by((5, 6), (row, column), **layout)


@examples(30)
@given(
    st.tuples(st.integers(4, 8), st.integers(4, 8)), st.integers(1, 3), st.integers(1, 4), st.integers(0, 2), st.data()
)
def test_counts_are_the_gradient_of_a_kernel_of_ones(size, kernel, stride, padding, data):
    dilation = data.draw(st.integers(1, 3 if kernel == 2 else 1))
    sliding = Sliding("test", size, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    x = np.zeros((1, *sliding.padded, 1))
    y, cache = conv2d_forward(x, np.ones((kernel, kernel, 1, 1)), None, stride=stride, dilation=dilation)
    dx = conv2d_backward(np.ones_like(y), cache)[0]
    assert sliding.windows == y.shape[1:3]
    np.testing.assert_array_equal(sliding.counts(), dx[0, :, :, 0])


def test_unread_cells_are_crossed_and_bear_no_number():
    ax = draw_reads((6, 6), kernel=3, stride=2)
    crossed = sorted((int(line.get_ydata()[0]), int(line.get_xdata()[0])) for line in ax.lines)
    assert crossed == sorted({(5, j) for j in range(6)} | {(i, 5) for i in range(6)})
    assert sorted(words(ax.figure)) == sorted(["1"] * 16 + ["2"] * 8 + ["4"])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_figure_shows_the_operator_s_numbers(layout, rng):
    x = rng.integers(-4, 5, (5, 6)).astype(float)
    weight = rng.integers(-3, 4, np.broadcast_to(layout["kernel"], 2)).astype(float)
    options = {name: (value, value) if isinstance(value, int) else value for name, value in layout.items()}
    del options["kernel"]
    y = naive.conv2d(x[None, :, :, None], weight[:, :, None, None], np.zeros(1), **options)[0, :, :, 0]
    row, column = y.shape[0] - 1, 0
    figure = convolution_figure(x[:, :, None].tolist(), weight.tolist(), position=(row, column), **options)
    shown, kernel, products, output = figure.axes
    filled = [y[p, q] for p, q in np.ndindex(y.shape) if (p, q) <= (row, column)]
    assert [float(text.get_text()) for text in output.texts] == filled
    assert [float(text.get_text()) for text in kernel.texts] == list(weight.flat)
    assert sum(float(text.get_text()) for text in products.texts) == pytest.approx(y[row, column])
    assert marked(shown) == read_by((5, 6), (row, column), **layout)
    assert any(f"output[{row}, {column}]" in word for word in words(figure))


def test_without_a_position_everything_is_filled(rng):
    output = convolution_figure(rng.integers(0, 9, (4, 4)), np.ones((3, 3))).axes[3]
    assert len(output.texts) == 4


@pytest.mark.parametrize("theme", THEMES, indirect=True)
def test_legible(theme, rng):
    x = rng.integers(0, 10, (5, 5))
    for layout in ({"padding": 1}, {"stride": 2}, {}):
        assert_legible(convolution_figure(x, rng.standard_normal((3, 3)), title="An edge", **layout))
    assert_legible(draw_window(x, 0, 0, kernel=3, padding=2, title="full").figure)
    assert_legible(draw_reads((7, 7), kernel=3, stride=2, padding=1, title="read").figure)
    for length, layout in ((8, {"stride": 2, "padding": 1}), (20, {"stride": 3}), (9, {"dilation": 2}), (3, {})):
        assert_legible(draw_windows(length, kernel=3, **layout, title="a row of windows").figure)
    for shape in ((3, 3), (3, 3, 1, 1), (3, 3, 1, 16), (5, 5, 1, 3), (3, 3, 4, 6), (1, 1, 3, 8), (3, 3, 16, 32)):
        assert_legible(draw_kernel(rng.standard_normal(shape), title="filters").figure)


def test_a_row_of_windows_has_a_dot_per_tap():
    ax = draw_windows(8, kernel=3, stride=2, padding=1, dilation=2)
    dots = [line.get_xdata() - 0.5 for line in ax.lines if line.get_marker() == "o"]
    assert np.array_equal(dots, [[0, 2, 4], [2, 4, 6], [4, 6, 8]])
    crossed = [int(line.get_xdata()[0]) for line in ax.lines if line.get_marker() != "o" and len(line.get_xdata()) == 5]
    assert crossed == [1, 3, 5, 7, 9]


def test_a_bank_has_a_tile_per_filter_and_one_scale(rng):
    weight = rng.standard_normal((3, 2, 4, 5))
    ax = draw_kernel(weight)
    assert len(ax.images) == 20
    assert {image.get_clim() for image in ax.images} == {(-np.abs(weight).max(), np.abs(weight).max())}
    for image, (c, o) in zip(ax.images, np.ndindex(4, 5)):  # a row per input channel, a column per filter
        np.testing.assert_array_equal(image.get_array(), weight[:, :, c, o])
        assert image.get_extent() == [3 * o, 3 * o + 2, 4 * c + 3, 4 * c]
    wrapped = draw_kernel(weight[:, :, :1], columns=2)
    assert [image.get_extent()[0] for image in wrapped.images] == [0, 3, 0, 3, 0]
    assert len(draw_kernel(np.zeros((3, 3, 1, 2))).images) == 2  # no division by the largest


def test_takes_axes():
    ax = style.new_axes()
    assert draw_window(np.ones((3, 3)), 0, 0, kernel=2, ax=ax) is ax
    assert draw_reads((3, 3), kernel=2, ax=style.new_axes()) is not ax
    assert draw_image(np.ones((3, 3))) is not ax


def test_refusals():
    with pytest.raises(ArgumentError, match=r"draw_window: position must be one of the 2 x 2 windows; got \(2, 0\)"):
        draw_window(np.ones((3, 3)), 2, 0, kernel=2)
    with pytest.raises(ArgumentError, match="convolution_figure: position must be"):
        convolution_figure(np.ones((3, 3)), np.ones((2, 2)), position=(0, 5))
    with pytest.raises(ArgumentError, match="draw_window: position must be .* each at least 0"):
        draw_window(np.ones((3, 3)), -1, 0, kernel=2)
    for name, value, least in (("kernel", 0, 1), ("stride", 0, 1), ("padding", -1, 0), ("dilation", 0, 1)):
        with pytest.raises(ArgumentError, match=f"draw_reads: {name} must be .* each at least {least}; got {value}"):
            draw_reads(5, **({"kernel": 2} | {name: value}))
    with pytest.raises(ArgumentError, match="draw_reads: size must be .* each at least 1; got 0"):
        draw_reads(0, kernel=2)
    with pytest.raises(ArgumentError, match="draw_reads: kernel must have a window"):
        draw_reads((2, 2), kernel=3)
    with pytest.raises(ArgumentError, match="draw_windows: stride"):
        draw_windows(5, kernel=3, stride=0)
    with pytest.raises(ShapeError, match=r"convolution_figure: the image must be \(H, W\)"):
        convolution_figure(np.ones((3, 3, 3)), np.ones((2, 2)))
    with pytest.raises(ShapeError, match=r"draw_kernel: weight must be .* got shape \(3,\)"):
        draw_kernel(np.ones(3))
