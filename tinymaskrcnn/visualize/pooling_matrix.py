"""RoIAlign as what it is: a sparse matrix, one row for each bin of the crop, one column for each pixel of the map."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize, to_hex
from matplotlib.patches import Rectangle

from ..backend import to_host
from ..errors import ArgumentError, ShapeError
from . import style
from .pooling import MOST_NUMBERS, _one_channel, _short

ROOM = 0.2  # inches that a number of three characters takes in a cell
WEIGHTS = "viridis"
ROW_COLOR = style.RED


def draw_interpolation_matrix(A, shape, *, row=None, ax=None, title=None):
    """All weights of an interpolation matrix as coloured cells, the page where they are 0; one row outlined.

    A (K*S*S, H*W) sparse or not, shape (H, W) of the map  ->  axes
    Lines part the rows of the map, which lie one after another.
    """
    dense = _dense("draw_interpolation_matrix", A, shape, row)
    H, W = shape
    count, columns = dense.shape
    if ax is None:
        ax = style.new_figure(9.4, 1.0 + min(4.0, 0.3 * count)).add_axes((0.07, 0.36, 0.91, 0.5))
    ax.imshow(
        np.ma.masked_equal(dense, 0),
        cmap=WEIGHTS,
        norm=Normalize(0, dense.max() or 1),
        extent=(0, columns, count, 0),
        aspect="auto",
        interpolation="nearest",
    )
    ax.vlines(np.arange(0, columns + 1, W), 0, count, color=style.GREY, linewidth=0.9)
    if count <= 32:
        ax.hlines(np.arange(count + 1), 0, columns, color=style.faint(), linewidth=0.6, zorder=0.5)
    if row is not None:
        ax.add_patch(Rectangle((0, row), columns, 1, fill=False, edgecolor=ROW_COLOR, linewidth=2.2, clip_on=False))
    step = -(-H // 12)
    ax.set_xticks((np.arange(0, H, step) + 0.5) * W, [f"row {i}" for i in range(0, H, step)], fontsize=style.SMALL)
    few = np.arange(0, count, -(-count // 8))
    ax.set_yticks(few + 0.5, [str(k) for k in few], fontsize=style.SMALL)
    ax.tick_params(length=0)
    ax.set_ylabel("bin", fontsize=style.SMALL)
    if title:
        ax.set_title(title, fontsize=style.TEXT, loc="left")
    return ax


def draw_matrix_row(A, shape, *, row, ax=None, title=None):
    """One row of an interpolation matrix laid back on the map: with which weight the bin reads each pixel.

    A (K*S*S, H*W), shape (H, W)  ->  axes
    """
    weights = _dense("draw_matrix_row", A, shape, row)[row].reshape(shape)
    return _draw_cells(style.new_axes(ax), weights, title=title, blank=True)


def interpolation_matrix_figure(A, features, *, row=0):
    """crops = A @ pixels: the pixels in one line, the matrix under them, the crop beside it, and one row on the map.

    A (S*S, H*W), features (H, W) or (H, W, C), of which the first channel is shown  ->  Figure
    """
    values = _one_channel("interpolation_matrix_figure", features)
    dense = _dense("interpolation_matrix_figure", A, values.shape, row)
    crops = dense @ values.reshape(-1)
    figure = style.new_figure(9.4, 5.6)
    left, width = 0.06, 0.8
    _draw_strip(figure.add_axes((left, 0.91, width, 0.035)), values, "pixels, row after row (transposed)")
    nonzero = np.count_nonzero(dense)
    title = f"A: {dense.shape[0]} x {dense.shape[1]}, and only {nonzero} of {dense.size} numbers are not 0"
    draw_interpolation_matrix(A, values.shape, row=row, ax=figure.add_axes((left, 0.65, width, 0.17)), title=title)
    _draw_result(figure.add_axes((left + width + 0.045, 0.65, 0.06, 0.17)), crops, row, values)
    draw_matrix_row(
        A, values.shape, row=row, ax=figure.add_axes((0.05, 0.03, 0.3, 0.5)), title=f"row {row} of A, on the map"
    )
    ax = figure.add_axes((0.38, 0.03, 0.3, 0.5))
    _draw_cells(ax, values, title="the pixels", outline=dense[row].reshape(values.shape) != 0)
    _write_sum(figure, dense[row], values.reshape(-1), row)
    return figure


def _dense(function, A, shape, row):
    dense = to_host(A.toarray() if hasattr(A, "toarray") else A)
    dense = np.asarray(dense)
    if dense.ndim != 2 or dense.shape[1] != shape[0] * shape[1]:
        raise ShapeError(
            f"{function}: A must have a column for each of the {shape[0]} x {shape[1]} = {shape[0] * shape[1]} pixels "
            f"of the map; got shape {dense.shape}"
        )
    if row is not None and not 0 <= row < len(dense):
        raise ArgumentError(f"{function}: row must lie in 0..{len(dense) - 1}; got {row}")
    return dense


def _draw_cells(ax, values, *, title=None, blank=False, outline=None, limits=None):
    """A map as cells with numbers where there is room; `blank` leaves zeros empty, `outline` frames chosen cells.

    limits: the numbers that are black and white, by default the least and the most there are.
    """
    H, W = values.shape
    shown = np.ma.masked_equal(values, 0) if blank else values
    norm = Normalize(*(limits or (0 if blank else values.min(), values.max() or 1)))
    colormap = WEIGHTS if blank else "gray"
    ax.imshow(shown, cmap=colormap, norm=norm, extent=(0, W, H, 0), interpolation="nearest")
    if max(H, W) <= MOST_NUMBERS:
        line = dict(color=style.GREY, linewidth=0.6)
        ax.vlines(np.arange(W + 1), 0, H, **line)
        ax.hlines(np.arange(H + 1), 0, W, **line)
        for i, j in np.ndindex(H, W) if _cell(ax, H, W) >= ROOM else ():
            if not (blank and values[i, j] == 0):
                color = style.ink_on(to_hex(colormaps[colormap](norm(values[i, j]))))
                ax.text(
                    j + 0.5, i + 0.5, _short(values[i, j]), ha="center", va="center", fontsize=style.SMALL, color=color
                )
    for i, j in np.argwhere(outline) if outline is not None else ():
        ax.add_patch(Rectangle((j, i), 1, 1, fill=False, edgecolor=ROW_COLOR, linewidth=1.8))
    ax.set(xticks=[], yticks=[], xlim=(0, W), ylim=(H, 0))
    if title:
        ax.set_title(title, fontsize=style.TEXT, loc="left")
    return ax


def _cell(ax, H, W):
    """The side of one of H x W cells that fill some axes, in inches."""
    place, figure = ax.get_position(), ax.figure
    return min(place.width * figure.get_figwidth() / W, place.height * figure.get_figheight() / H)


def _draw_strip(ax, values, title):
    ax.imshow(values.reshape(1, -1), cmap="gray", aspect="auto", extent=(0, values.size, 1, 0), interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=style.TEXT, loc="left")


def _draw_result(ax, crops, row, values):
    """The crop as one column, in the greys of the map it was read from."""
    count = len(crops)
    norm = Normalize(values.min(), values.max() or 1)
    ax.imshow(crops[:, None], cmap="gray", norm=norm, aspect="auto", extent=(0, 1, count, 0), interpolation="nearest")
    ax.add_patch(Rectangle((0, row), 1, 1, fill=False, edgecolor=ROW_COLOR, linewidth=2.2, clip_on=False))
    for k in range(count if count <= 9 else 0):
        color = style.ink_on(to_hex(colormaps["gray"](norm(crops[k]))))
        ax.text(0.5, k + 0.5, f"{crops[k]:.3f}", ha="center", va="center", fontsize=style.SMALL, color=color)
    ax.set(xticks=[], yticks=[])
    ax.set_title("= crop", fontsize=style.TEXT)


def _write_sum(figure, weights, pixels, row):
    """The scalar product of one row, as far as it fits."""
    used = np.flatnonzero(weights)
    lines = [f"bin {row}: {len(used)} pixels"]
    lines += [f"  {weights[k]:.3f} × {_short(pixels[k])}" for k in used[:12]]
    lines += [f"  ... {len(used) - 12} more"] if len(used) > 12 else []
    lines += [f"  sum of weights {weights.sum():.3f}", f"  value {weights @ pixels:.4f}"]
    for k, line in enumerate(lines):
        figure.text(0.72, 0.53 - 0.034 * k, line, fontsize=style.SMALL, family="monospace", va="top")
