"""A convolution cell by cell: the window on the image, the kernel, the products, the output that fills."""

import numpy as np
from matplotlib.patches import Rectangle

from ..backend import to_host
from ..errors import ArgumentError, ShapeError
from ..ops.common import as_pair, count_windows, taps
from . import style
from .arrays import DIVERGING, add_cell, draw_array, draw_gradient
from .lettering import with_glyphs

CELL = 0.42  # inches, of the figures made here
GAP = 0.45  # inches between grids


class Sliding:
    """Where the windows of one kernel lie on an image of H x W; windows are counted from 0, 0."""

    def __init__(self, function, size, *, kernel, stride=1, padding=0, dilation=1):
        self.size = size
        self.kernel = as_pair(function, "kernel", kernel, at_least=1)
        self.stride = as_pair(function, "stride", stride, at_least=1)
        self.padding = as_pair(function, "padding", padding, at_least=0)
        self.dilation = as_pair(function, "dilation", dilation, at_least=1)
        layout = (self.kernel, self.stride, self.padding, self.dilation)
        self.windows = count_windows(function, "kernel", size, *layout)
        self.padded = tuple(length + 2 * p for length, p in zip(size, self.padding))

    def cells(self, row, column):
        """The cells of the padded image below the taps of window (row, column), tap by tap  ->  [(row, column)]."""
        top, left = row * self.stride[0], column * self.stride[1]
        return [(top + i * self.dilation[0], left + j * self.dilation[1]) for i, j in np.ndindex(*self.kernel)]

    def pad(self, image):
        return np.pad(image, [(p, p) for p in self.padding])

    def counts(self):
        """How many windows read each cell of the padded image."""
        counts = np.zeros(self.padded, int)
        for _, _, rows, columns in taps(self.kernel, self.stride, self.windows, self.dilation):
            counts[rows, columns] += 1
        return counts

    def check(self, function, position):
        """A window that exists, as a pair of ints."""
        row, column = as_pair(function, "position", position, at_least=0)
        if row >= self.windows[0] or column >= self.windows[1]:
            there = f"{self.windows[0]} x {self.windows[1]}"
            raise ArgumentError(f"{function}: position must be one of the {there} windows; got {position}")
        return row, column


def plain_image(function, image):
    """image (H, W) or (H, W, 1)  ->  (H, W) float64 on the host."""
    image = np.asarray(to_host(image), np.float64)
    image = image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image
    if image.ndim != 2 or image.size == 0:
        raise ShapeError(f"{function}: the image must be (H, W) or (H, W, 1), not empty; got shape {image.shape}")
    return image


# ---------------------------------------------------------------- kernels


def draw_kernel(weight, *, ax=None, title=None, columns=None):
    """Draw a kernel with its numbers, or a whole filter bank as small tiles: red below zero, white at zero, blue above.

    weight (KH, KW), or (KH, KW, C, O): one row of tiles per input channel, one column per filter  ->  axes
    A bank with C = 1 is wrapped after `columns` tiles (default 8). All tiles share one scale, which is written below.
    """
    weight = np.asarray(to_host(weight), np.float64)
    if weight.ndim == 4 and weight.shape[2:] == (1, 1):
        weight = weight[:, :, 0, 0]
    if weight.ndim not in (2, 4) or weight.size == 0:
        raise ShapeError(f"draw_kernel: weight must be (KH, KW) or (KH, KW, C, O); got shape {weight.shape}")
    if weight.ndim == 2:
        return draw_gradient(weight, ax=ax, title=title)
    KH, KW, C, O = weight.shape
    across = min(O, columns or 8) if C == 1 else O
    height, width = -(-C * O // across) * (KH + 1) - 1, across * (KW + 1) - 1
    ax = _tile_axes(ax, height, width, title)
    reach = np.abs(weight).max() or 1.0
    scale = {"cmap": DIVERGING, "vmin": -reach, "vmax": reach, "interpolation": "nearest"}
    for place, (c, o) in enumerate(np.ndindex(C, O)):
        x, y = place % across * (KW + 1), place // across * (KH + 1)
        ax.imshow(weight[:, :, c, o], extent=(x, x + KW, y + KH, y), **scale)
        ax.add_patch(Rectangle((x, y), KW, KH, fill=False, edgecolor=style.GREY, linewidth=0.8))
    ax.set_xlim(-0.2, width + 0.2)
    ax.set_ylim(height + 0.2, -0.2)
    if C > 1:
        ax.set_ylabel(f"{C} input channels", fontsize=style.TEXT)
    ax.set_xlabel(f"{O} filters;  red −{reach:.2g}, white 0, blue +{reach:.2g}", fontsize=style.SMALL)
    return ax


def _tile_axes(ax, height, width, title):
    if ax is None:
        unit = min(0.16, 8.4 / width, 6.0 / height)
        grid_w, grid_h = max(unit * width, 2.6), unit * height
        wide, high = grid_w + 0.6, grid_h + 0.75
        ax = style.new_figure(wide, high).add_axes((0.4 / wide, 0.35 / high, grid_w / wide, grid_h / high))
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    if title:
        ax.set_title(with_glyphs(title), fontsize=style.TITLE)
    return ax


# ---------------------------------------------------------------- windows on an image


def draw_window(image, row, column, *, kernel, stride=1, padding=0, dilation=1, ax=None, title=None, **array_style):
    """Draw a small image as cells, its border of zeros hatched, and the cells that window (row, column) reads.

    image (H, W)  ->  axes that count the cells of the padded image
    Further keywords (fmt, cmap, vmin, vmax ...) are draw_array's.
    """
    image = plain_image("draw_window", image)
    sliding = Sliding("draw_window", image.shape, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    row, column = sliding.check("draw_window", (row, column))
    ax = draw_padded(image, sliding, ax=ax, title=title, **array_style)
    cells = sliding.cells(row, column)
    mark_cells(ax, cells, [style.ORANGE] * len(cells))
    (top, left), (bottom, right) = cells[0], cells[-1]
    outline = {"fill": False, "edgecolor": style.ORANGE, "linewidth": 2.6, "zorder": 5, "clip_on": False}
    ax.add_patch(Rectangle((left, top), right - left + 1, bottom - top + 1, **outline))
    return ax


def draw_padded(image, sliding, *, ax=None, title=None, **array_style):
    """The padded image as cells: the border hatched, the image itself framed."""
    ax = draw_array(sliding.pad(image), ax=ax, title=title, **array_style)
    (top, left), (H, W) = sliding.padding, sliding.size
    if top or left:
        for i, j in np.ndindex(*sliding.padded):
            if not (top <= i < top + H and left <= j < left + W):
                _hatch(ax, i, j)
        ax.add_patch(Rectangle((left, top), W, H, fill=False, edgecolor=style.ink(), linewidth=1.8, zorder=3.5))
    return ax


def _hatch(ax, i, j, pattern="////"):
    look = {"facecolor": style.faint(), "edgecolor": style.GREY, "alpha": 0.55, "linewidth": 0, "hatch": pattern}
    add_cell(ax, i, j, zorder=2, **look)


def mark_cells(ax, cells, colors):
    """Tint cells (row, column) and outline them; numbers stay readable above."""
    for (i, j), color in zip(cells, colors):
        add_cell(ax, i, j, facecolor=color, alpha=0.4, linewidth=0, zorder=2.5)
        add_cell(ax, i, j, fill=False, edgecolor=color, linewidth=1.4, zorder=4)


def draw_reads(size, *, kernel, stride=1, padding=0, dilation=1, ax=None, title=None):
    """Draw how many windows read each cell of an image; what no window reads is crossed out.

    size (H, W) of the image  ->  axes that count the cells of the padded image
    """
    size = as_pair("draw_reads", "size", size, at_least=1)
    sliding = Sliding("draw_reads", size, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    counts = sliding.counts()
    numbers = np.where(counts > 0, counts, np.nan)  # a cross says it
    ax = draw_array(numbers, ax=ax, title=title, cmap="Blues", vmin=0, vmax=1.6 * counts.max())
    (top, left), (H, W) = sliding.padding, sliding.size
    for i, j in np.argwhere(counts == 0):
        ax.add_patch(Rectangle((j, i), 1, 1, facecolor=style.RED, alpha=0.3, linewidth=0, zorder=2.5))
        ax.plot([j, j + 1, np.nan, j, j + 1], [i, i + 1, np.nan, i + 1, i], color=style.RED, linewidth=1, zorder=2.6)
    if top or left:
        dark = style.ink_on("#DEEBF7")  # on the map's light blue, whatever the page
        ax.add_patch(Rectangle((left, top), W, H, fill=False, edgecolor=dark, linewidth=1.8, zorder=3.5))
    return ax


def draw_windows(length, *, kernel, stride=1, padding=0, dilation=1, ax=None, title=None):
    """Draw one row of an image and below it all its windows, each a bar with a dot at every tap it reads.

    length: of the row, before padding  ->  axes
    Hatched cells are padding; what no window reads is crossed out.
    """
    layout = {"kernel": (1, kernel), "stride": (1, stride), "padding": (0, padding), "dilation": (1, dilation)}
    sliding = Sliding("draw_windows", (1, length), **layout)
    count, padded = sliding.windows[1], sliding.padded[1]
    if ax is None:
        cell = min(CELL, 7.8 / padded)
        width, height = cell * (padded + 2.4) + 0.3, cell * (1.4 + 0.75 * count) + 0.5
        ax = style.new_figure(max(width, 4.4), height).add_axes((0.02, 0.03, 0.96, 1 - 0.45 / height))
    _draw_strip(ax, sliding)
    for q in range(count):
        y = 1.6 + 0.75 * q
        columns = [j for _, j in sliding.cells(0, q)]
        color = style.PALETTE[q % 2 * 5]  # blue and dark blue in turn
        ends = np.array([columns[0] + 0.08, columns[-1] + 0.92])
        ax.plot(ends, [y, y], color=color, linewidth=5, alpha=0.45, solid_capstyle="butt")
        ax.plot(np.array(columns) + 0.5, [y] * len(columns), "o", color=color, markersize=5)
        ax.text(ends[1] + 0.25, y, f"output {q}", fontsize=style.SMALL, va="center")
    ax.set_xlim(-0.1, padded + 2.3)
    ax.set_ylim(1.6 + 0.75 * count, -0.1)
    ax.set_aspect("equal", anchor="N")
    ax.set_axis_off()
    if title:
        ax.set_title(with_glyphs(title), fontsize=style.TITLE)
    return ax


def _draw_strip(ax, sliding):
    """The row of cells on top of draw_windows: numbered pixels, hatched padding, crosses where nothing is read."""
    padding, length, unread = sliding.padding[1], sliding.size[1], sliding.counts()[0] == 0
    for j in range(sliding.padded[1]):
        inside = padding <= j < padding + length
        look = {"edgecolor": style.ink() if inside else style.GREY, "linewidth": 1.2 if inside else 0.6}
        ax.add_patch(Rectangle((j, 0), 1, 1, facecolor=style.paper(), **look))
        if not inside:
            _hatch(ax, 0, j)
        name = str(j - padding) if inside else "0"
        number = ax.text(j + 0.5, 0.5, name, fontsize=style.SMALL, ha="center", va="center", zorder=3)
        if unread[j]:
            number.set_bbox({"facecolor": style.paper(), "edgecolor": "none", "pad": 0.6})  # keeps the cross off it
            ax.plot([j, j + 1, np.nan, j, j + 1], [0, 1, np.nan, 1, 0], color=style.RED, linewidth=1.6, zorder=2.6)


# ---------------------------------------------------------------- one window, one number


def convolution_figure(x, weight, *, position=None, stride=1, padding=0, dilation=1, title=None):
    """One window at work: the input below it, the kernel, their products, and the output up to this position.

    x (H, W), weight (KH, KW), position (row, column) of the output, the last one by default  ->  figure
    The output is filled row by row, as a loop would; the cell of this window is outlined.
    """
    x, weight = plain_image("convolution_figure", x), plain_image("convolution_figure", weight)
    layout = {"kernel": weight.shape, "stride": stride, "padding": padding, "dilation": dilation}
    sliding = Sliding("convolution_figure", x.shape, **layout)
    last = tuple(count - 1 for count in sliding.windows)
    row, column = sliding.check("convolution_figure", last if position is None else position)
    padded = sliding.pad(x)
    output = np.full(sliding.windows, np.nan)
    for p, q in np.ndindex(row + 1, sliding.windows[1]):
        if (p, q) <= (row, column):
            output[p, q] = sum(padded[cell] * w for cell, w in zip(sliding.cells(p, q), weight.flat))
    below = np.array([padded[cell] for cell in sliding.cells(row, column)]).reshape(weight.shape)

    names = ["input" if padded.shape == x.shape else "input and its border of zeros", "kernel", "products", "output"]
    shapes = [padded.shape, weight.shape, weight.shape, sliding.windows]
    figure, axes = row_of_grids(shapes, names, title=title, foot=0.3)
    draw_window(x, row, column, **layout, ax=axes[0])
    draw_gradient(weight, ax=axes[1])
    draw_gradient(below * weight, ax=axes[2], vmax=np.abs(padded).max() * np.abs(weight).max())
    draw_array(output, ax=axes[3], highlight=[(row, column, row + 1, column + 1, style.ORANGE)])
    for ax, name in zip(axes, names):
        ax.set_title(name, fontsize=style.TEXT)
    for left, right, sign in ((0, 1, "×"), (1, 2, "="), (2, 3, "→")):
        _between(figure, axes[left], axes[right], sign)
    total = _number(output[row, column])
    figure.text(0.5, 0.02, f"output[{row}, {column}] = sum of the products = {total}", fontsize=style.TEXT, ha="center")
    return figure


def _number(value):
    return f"{value:.4g}".replace("-", "−") if value else "0"


def row_of_grids(shapes, names, *, title=None, gap=GAP, foot=0.1):
    """A figure with one axes per grid side by side, all with cells of one size  ->  figure, axes.

    shapes: (rows, columns) of each grid, names: what will stand above each, gap and foot: free inches between and below
    """
    # a name wider than its grid needs room as well: about 0.075 inches a letter
    room = [max(columns * CELL, 0.075 * len(name)) for (_, columns), name in zip(shapes, names)]
    scale = min(1.0, 9.4 / (sum(room) + gap * len(shapes)))
    tall = max(rows for rows, _ in shapes) * CELL * scale
    top = 0.3 + (0.3 if title else 0)
    width, height = (sum(room) + gap * len(shapes)) * scale, tall + top + foot
    figure = style.new_figure(width, height)
    axes, left = [], gap / 2 * scale
    for (rows, columns), space in zip(shapes, room):
        wide, high = columns * CELL * scale, rows * CELL * scale
        x, y = left + (space * scale - wide) / 2, foot + (tall - high) / 2
        axes.append(figure.add_axes((x / width, y / height, wide / width, high / height)))
        left += (space + gap) * scale
    if title:
        figure.text(0.5, 1 - 0.08 / height, title, fontsize=style.TITLE, ha="center", va="top")
    return figure, axes


def _between(figure, left, right, sign):
    """Write a sign half-way between two axes."""
    a, b = left.get_position(), right.get_position()
    figure.text((a.x1 + b.x0) / 2, (b.y0 + b.y1) / 2, sign, fontsize=style.TITLE, ha="center", va="center")
