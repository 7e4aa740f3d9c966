"""The matrix of columns as a picture: which pixel of a window goes where in its row."""

import numpy as np

from ..errors import ArgumentError
from . import style
from .arrays import draw_array
from .convolution import Sliding, draw_padded, mark_cells, plain_image, row_of_grids

TAP_COLORS = (*style.PALETTE[:5], *style.PALETTE[6:])  # without the darkest blue: numbers stand on them


def im2col_figure(x, *, kernel, stride=1, padding=0, dilation=1, highlight=0, title=None):
    """One window on the image, and its row in the matrix of columns; each tap keeps its number and its colour.

    x (H, W), highlight: which row of the HO*WO windows  ->  figure
    """
    x = plain_image("im2col_figure", x)
    sliding = Sliding("im2col_figure", x.shape, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    windows = list(np.ndindex(*sliding.windows))
    if highlight not in range(len(windows)):
        raise ArgumentError(f"im2col_figure: highlight must be a row, 0 .. {len(windows) - 1}; got {highlight!r}")
    shape = len(windows), len(sliding.cells(0, 0))
    names = ["image", "columns: a row per window"]
    figure, (left, right) = row_of_grids([sliding.pad(x).shape, shape], names, title=title, gap=0.75, foot=0.3)

    draw_padded(x, sliding, ax=left)
    cells = sliding.cells(*windows[highlight])
    mark_cells(left, cells, _colors(cells))
    for tap, (i, j) in enumerate(cells):
        left.text(j + 0.06, i + 0.04, str(tap), fontsize=5.5, va="top", zorder=6, color=style.ink())
    left.set_title(names[0], fontsize=style.TEXT)
    _draw_rows(x, sliding, highlight, right)
    return figure


def draw_im2col(x, *, kernel, stride=1, padding=0, dilation=1, highlight=0, ax=None):
    """The matrix of columns alone: a row for each window, a column for each tap, and one row in the taps' colours.

    x (H, W), highlight: which row of the HO*WO windows  ->  axes
    """
    if ax is None:
        options = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
        return im2col_figure(x, **options, highlight=highlight).axes[1]
    x = plain_image("draw_im2col", x)
    sliding = Sliding("draw_im2col", x.shape, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    return _draw_rows(x, sliding, highlight, ax)


def _draw_rows(x, sliding, highlight, ax):
    padded, windows = sliding.pad(x), list(np.ndindex(*sliding.windows))
    columns = np.array([[padded[cell] for cell in sliding.cells(*window)] for window in windows])
    draw_array(columns, ax=ax)
    taps = range(columns.shape[1])
    mark_cells(ax, [(highlight, tap) for tap in taps], _colors(taps))
    for tap in taps:
        ax.text(tap + 0.5, len(windows) + 0.12, str(tap), fontsize=style.SMALL, ha="center", va="top")
    for row, (p, q) in enumerate(windows):
        weight = "bold" if row == highlight else "normal"
        ax.text(-0.15, row + 0.5, f"({p}, {q})", fontsize=style.SMALL, ha="right", va="center", fontweight=weight)
    ax.set_title("columns: a row per window", fontsize=style.TEXT)
    return ax


def _colors(taps):
    return [TAP_COLORS[tap % len(TAP_COLORS)] for tap in range(len(taps))]
