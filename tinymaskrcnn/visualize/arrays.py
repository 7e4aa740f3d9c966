"""A small array as a grid of cells with its numbers in them."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize, to_hex
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath

from ..backend import to_host
from ..errors import ShapeError
from . import style
from .lettering import with_glyphs

CELL = 0.46  # inches, of a figure made here
EDGE = 0.08  # inches of page around the grid
SMALLEST = 4.0  # points; numbers that would have to be smaller are left out
DIVERGING = "RdBu"  # red below the centre, blue above
NUMBERS = "{:.2g}"


def draw_array(
    values,
    *,
    ax=None,
    title=None,
    fmt=NUMBERS,
    cmap=None,
    center=None,
    vmin=None,
    vmax=None,
    highlight=(),
):
    """Draw a small array as cells with numbers: row 0 on top, cell (i, j) covers x j..j+1 and y i..i+1.

    values (H, W), or (W,) as one row  ->  axes

    - fmt: how a number is written; the default writes whole numbers in full, and "" writes none
    - cmap: colours the cells from vmin to vmax; None leaves them plain
    - center: the value that a diverging map shows in white, with the same reach on both sides
    - highlight: rectangles (row0, col0, row1, col1, colour) to be outlined, row1 and col1 not included

    NaN stays blank.
    """
    values = _numbers(values)
    ax = _axes(ax, values.shape, title)
    colors = _colors(values, cmap, center, vmin, vmax)
    texts = [[_written(value, fmt) for value in row] for row in values]
    size = _font_size(ax, [text for row in texts for text in row])
    for i, j in np.ndindex(values.shape):
        face = colors[i][j]
        add_cell(ax, i, j, facecolor=face, edgecolor=style.GREY, linewidth=0.6, clip_on=False)
        if texts[i][j] and size >= SMALLEST:
            look = {"fontsize": size, "color": style.ink_on(face), "ha": "center", "va": "center", "zorder": 3}
            ax.text(j + 0.5, i + 0.5, texts[i][j], **look)
    for row0, col0, row1, col1, color in highlight:
        place = {"xy": (col0, row0), "width": col1 - col0, "height": row1 - row0}
        ax.add_patch(Rectangle(**place, fill=False, edgecolor=color, linewidth=2.6, zorder=4, clip_on=False))
    return ax


def add_cell(ax, i, j, **look):
    """A square over cell (i, j) of axes that draw_array has made. They know their limits, so none are worked out."""
    ax.add_artist(Rectangle((j, i), 1, 1, **look))


def draw_gradient(values, *, ax=None, title=None, fmt=NUMBERS, vmax=None, highlight=()):
    """Draw a small array of signed numbers: red below zero, white at zero, blue above.

    values (H, W), or (W,) as one row  ->  axes
    """
    return draw_array(values, ax=ax, title=title, fmt=fmt, center=0, vmax=vmax, highlight=highlight)


def arrays_figure(arrays, *, signs=(), looks=None, title=None):
    """Draw small arrays in a row, like an equation: cells of one size, the name above each, signs between them.

    arrays {name: (H, W)}, signs: one text fewer than arrays, looks {name: options of draw_array}  ->  Figure
    """
    values = {name: _numbers(array) for name, array in arrays.items()}
    signs = [*signs, *[""] * (len(values) - 1 - len(signs))]
    if not values or len(signs) != len(values) - 1:
        raise ShapeError(f"arrays_figure: signs must be one fewer than arrays; got {len(signs)} and {len(values)}")
    gap, widths = 0.42, [max(CELL * v.shape[1], _text_width(n, style.TITLE) / 72) for n, v in values.items()]
    cell = CELL * min(1, 9.3 / (sum(widths) + gap * len(signs)))
    widths, gap = [w * cell / CELL for w in widths], gap * cell / CELL
    tallest, head = cell * max(len(v) for v in values.values()), 0.3 + 0.3 * bool(title)
    W, H = sum(widths) + gap * len(signs) + 2 * EDGE, tallest + head + 2 * EDGE
    W = max(W, _text_width(title or "", style.TITLE) / 72 + 2 * EDGE)
    figure, x, middle = style.new_figure(W, H), EDGE, (EDGE + tallest / 2) / H
    for (name, array), width, sign in zip(values.items(), widths, [*signs, ""]):
        h, w = (cell * n for n in array.shape)
        ax = figure.add_axes(((x + (width - w) / 2) / W, middle - h / 2 / H, w / W, h / H))
        draw_array(array, ax=ax, title=name, **(looks or {}).get(name, {}))
        x += width + gap
        figure.text((x - gap / 2) / W, middle, sign, fontsize=style.TITLE, ha="center", va="center")
    if title:
        figure.text(0.5, 1 - 0.2 / H, title, fontsize=style.TITLE, ha="center", va="center")
    return figure


def _numbers(values):
    values = np.atleast_2d(np.asarray(to_host(values)))
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "biuf":
        raise ShapeError(
            f"draw_array: values must be numbers, (H, W) or (W,), at least one; got {values.dtype} {values.shape}"
        )
    return values.astype(np.float64)


def _axes(ax, shape, title):
    """Axes with H x W square cells and nothing else; those of a new figure leave room for the title."""
    height, width = shape
    if ax is None:
        grid_w, grid_h = CELL * width, CELL * height
        scale = min(1, 9.3 / grid_w)
        grid_w, grid_h = grid_w * scale, grid_h * scale
        lines = title.split("\n") if title else []
        wide = max([grid_w, *(_text_width(line, style.TITLE) / 72 for line in lines)]) + 2 * EDGE
        high = grid_h + 2 * EDGE + (0.1 + 0.19 * len(lines) if lines else 0)
        place = ((wide - grid_w) / 2 / wide, EDGE / high, grid_w / wide, grid_h / high)
        ax = style.new_figure(wide, high).add_axes(place)
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    if title:
        ax.set_title(with_glyphs(title), fontsize=style.TITLE)
    return ax


def _colors(values, cmap, center, vmin, vmax):
    """One "#RRGGBB" a cell; the page's own where there is no map or no number."""
    paper = style.paper()
    if cmap is None and center is None:
        return [[paper] * values.shape[1] for _ in values]
    finite = values[np.isfinite(values)]
    if center is not None:
        reach = max([abs(v - center) for v in (vmin, vmax) if v is not None], default=None)
        reach = reach or (np.abs(finite - center).max() if finite.size else 0) or 1
        vmin, vmax = center - reach, center + reach
    vmin = (finite.min() if finite.size else 0) if vmin is None else vmin
    vmax = (finite.max() if finite.size else 1) if vmax is None else vmax
    scale, colors = Normalize(vmin, vmax, clip=True), colormaps[cmap or DIVERGING]
    return [[paper if np.isnan(v) else to_hex(colors(float(scale(v)))) for v in row] for row in values]


def _written(value, fmt):
    if np.isnan(value):
        return ""
    if fmt == NUMBERS and value == round(value, 0) and abs(value) < 1e5:
        return str(int(value))
    text = fmt.format(value)
    return text[1:] if text.strip("-0.") == "" and text.startswith("-") else text  # no "-0.00"


def _font_size(ax, texts):
    """The size in points at which the longest number still fits its cell."""
    ax.apply_aspect()
    cell = ax.get_window_extent().width * 72 / ax.figure.dpi / abs(np.subtract(*ax.get_xlim()))
    longest = _longest(texts, 10)
    return min(style.TEXT, 0.6 * cell, 10 * 0.86 * cell / longest if longest else np.inf)


def _text_width(text, size):
    return _longest([text], size)


def _longest(texts, size):
    """The width in points of the longest text; to follow every curve is slow, and done where it may be the longest."""
    longest = 0.0
    paths = [TextPath((0, 0), text, size=size) for text in {*texts} if text.strip()]
    for most, path in sorted([(_points_width(path), path) for path in paths], key=lambda one: -one[0]):
        if most <= longest:
            break
        longest = max(longest, path.get_extents().width)
    return longest


def _points_width(path):
    """At least the width of the path: a curve stays between its points. Where it closes, a point says nothing."""
    return np.ptp(path.vertices[path.codes != path.CLOSEPOLY, 0])
