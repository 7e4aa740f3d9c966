"""The matrix of columns in the picture is the operator's own, and each tap keeps its colour."""

import numpy as np
import pytest
from drawing_checks import assert_legible
from matplotlib.colors import to_rgba

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.ops import conv
from tinymaskrcnn.visualize import draw_im2col, im2col_figure, style

LAYOUTS = [
    {"kernel": (3, 3), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)},
    {"kernel": (2, 3), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 1)},
    {"kernel": (2, 2), "stride": (1, 2), "padding": (0, 1), "dilation": (2, 1)},
]


def tinted(ax):
    """{colour: cells (row, column)} of the marks on axes."""
    found = {}
    for patch in ax.patches:
        if patch.get_alpha() == 0.4:
            found.setdefault(patch.get_facecolor()[:3], []).append((int(patch.get_y()), int(patch.get_x())))
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_columns_are_the_operators(layout, rng):
    x = rng.integers(0, 10, (4, 5)).astype(float)
    y, _ = conv.conv2d_forward(
        x[None, :, :, None],
        np.ones((*layout["kernel"], 1, 1)),
        None,
        **{name: value for name, value in layout.items() if name != "kernel"},
    )
    columns = conv._image_to_columns(x[None, :, :, None], **layout, windows=y.shape[1:3])
    columns = columns.reshape(y.size, -1)
    figure = im2col_figure(x[:, :, None].tolist(), **layout, highlight=1)
    image, matrix = figure.axes
    numbers = [int(text.get_text()) for text in matrix.texts if text.get_zorder() == 3 and "(" not in text.get_text()]
    assert numbers[: columns.size] == columns.ravel().astype(int).tolist()

    padded = np.pad(x, [(p, p) for p in layout["padding"]])
    on_image, on_matrix = tinted(image), tinted(matrix)
    assert list(on_image) == list(on_matrix) and len(on_image) == columns.shape[1]
    for tap, color in enumerate(on_matrix):
        [(row, column)], [cell] = on_matrix[color], on_image[color]
        assert (row, column) == (1, tap) and padded[cell] == columns[1, tap]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_legible(theme, rng):
    style.use_theme(theme)
    try:
        for size, layout in (((4, 4), {"kernel": 3}), ((5, 5), {"kernel": 3}), ((5, 5), {"kernel": 2, "padding": 1})):
            figure = im2col_figure(rng.integers(0, 10, size), **layout, stride=2, highlight=0, title="A row per window")
            assert_legible(figure)
            assert figure.get_size_inches()[0] <= 9.6
        ink = to_rgba(style.ink())
        assert all(to_rgba(text.get_color()) == ink for text in figure.axes[0].texts if text.get_zorder() == 6)
    finally:
        style.use_theme("light")


def test_more_taps_than_colours(rng):
    image, _ = im2col_figure(rng.standard_normal((4, 4)), kernel=4).axes
    assert sum(len(cells) for cells in tinted(image).values()) == 16


@pytest.mark.parametrize("highlight", [-1, 4, "a"])
def test_refusals(highlight):
    with pytest.raises(ArgumentError, match="im2col_figure: highlight must be a row, 0 .. 3; got"):
        im2col_figure(np.ones((3, 3)), kernel=2, highlight=highlight)


def test_the_matrix_alone_goes_on_axes_of_ones_own(rng):
    x = rng.integers(0, 10, (4, 5)).astype(float)
    whole = im2col_figure(x, kernel=2, stride=2, highlight=1).axes[1]
    own = style.new_figure(5, 4).add_axes((0.2, 0.1, 0.7, 0.8))
    ax = draw_im2col(x[:, :, None].tolist(), kernel=2, stride=2, highlight=1, ax=own)
    assert ax is own and tinted(ax) == tinted(whole)
    assert [t.get_text() for t in ax.texts] == [t.get_text() for t in whole.texts]
    assert tinted(draw_im2col(x, kernel=2, stride=2, highlight=1)) == tinted(whole)
    assert_legible(own.figure)
