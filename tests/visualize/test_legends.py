"""Legends under pictures."""

import numpy as np
import pytest
from drawing_checks import assert_legible, words

from tinymaskrcnn.visualize import draw_image, style
from tinymaskrcnn.visualize.legends import legend_below, line_handle, picture_axes


@pytest.mark.parametrize("ncols", [1, 2, 3])
def test_the_legend_lies_under_the_picture_and_on_the_figure(ncols):
    ax = draw_image(np.zeros((8, 8)), ax=picture_axes())
    handles = [line_handle(f"kind {k}: 1000", color) for k, color in enumerate(style.PALETTE[:3])]
    legend_below(ax, handles, ncols=ncols)
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().y1 <= ax.get_window_extent().y0
    assert {"kind 0: 1000", "kind 2: 1000"} <= set(words(ax.figure))
    assert_legible(ax.figure)


def test_given_axes_are_used():
    ax = style.new_figure(3, 3).subplots()
    assert picture_axes(ax) is ax
    assert len(ax.figure.axes) == 1


def test_a_handle_is_a_piece_of_the_line():
    handle = line_handle("gone", style.RED, (0, (4, 2)), linewidth=3)
    assert handle.get_label() == "gone" and handle.get_color() == style.RED and handle.get_linewidth() == 3
    assert handle.is_dashed()
