"""What RoIPool, RoIWarp and RoIAlign read: the RoI, its bins and its sample points on the cells of a feature map.

Everything is drawn in continuous image pixels: cell i of a map with stride s covers i * s .. (i + 1) * s and its value
sits in the middle, at (i + 1/2) * s. Positions come from the operators' own functions, so a picture cannot drift away
from what is computed.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib import patheffects
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch, Rectangle

from ..backend import to_host
from ..errors import ArgumentError, ShapeError
from ..ops import roi_pool, roi_samples
from ..ops.common import as_pair
from . import style
from .lettering import with_glyphs

KINDS = ("align", "pool", "warp")
ROI_COLOR, POINT_COLOR, LINK_COLOR = style.RED, style.DARK_BLUE, style.GREEN
BIN_LOOKS = ((style.BLUE, "-"), (style.ORANGE, (0, (5, 2))), (style.GREEN, (0, (2, 1.5))), (style.PURPLE, "-."))
MOST_NUMBERS = 12  # cells along an axis for which there is still room to write values


@dataclass(frozen=True)
class PoolingGrid:
    """Where one RoI is read, in continuous image pixels.

    bins (S, T, 4), points (S, T, P, 2) as x, y, share (S, T, P): the weight of each point in the mean of its bin, 0
    where it is not used; index (S, T, P, 2): the points as row and column between the pixels, as RoIAlign counts. A
    RoIPool has no points (P = 0).
    """

    bins: np.ndarray
    points: np.ndarray
    share: np.ndarray
    index: np.ndarray


def pooling_grid(shape, roi, *, output_size, kind="align", samples=2, aligned=True, scale=1.0):
    """The bins and sample points with which an operator reads one RoI.

    shape (H, W) of the map, roi (4,) in image pixels  ->  PoolingGrid
    RoIWarp is RoIAlign after the RoI's edges were rounded to whole cells.
    """
    if kind not in KINDS:
        raise ArgumentError(f"pooling_grid: kind must be one of {KINDS}; got {kind!r}")
    roi = np.asarray(to_host(roi), np.float64)
    if roi.shape != (4,):
        raise ShapeError(f"pooling_grid: roi must be (4,) as x1, y1, x2, y2; got shape {roi.shape}")
    size = as_pair("pooling_grid", "output_size", output_size, at_least=1)
    if kind == "pool":
        return _pool_grid(shape, roi, size, scale)
    roi = rounded_roi(roi, scale=scale) if kind == "warp" else roi
    axes = [(roi[a], roi[a + 2], bins) for a, bins in ((1, size[0]), (0, size[1]))]  # rows, then columns
    edges = [_bin_edges(*axis, scale=scale, aligned=aligned) for axis in axes]
    found = [_axis_points(*axis, scale=scale, samples=samples, aligned=aligned) for axis in axes]
    (rows, row_use), (columns, column_use) = found  # (S, n), (n,) and (T, m), (m,)
    S, T, P = *size, rows.shape[1] * columns.shape[1]
    index = np.empty((S, T, rows.shape[1], columns.shape[1], 2))
    index[..., 0] = rows[:, None, :, None]
    index[..., 1] = columns[None, :, None, :]
    index = index.reshape(S, T, P, 2)
    inside = ((index >= -1) & (index <= np.array(shape[:2]))).all(axis=3)  # farther out a point reads 0
    share = np.broadcast_to(np.outer(row_use, column_use).reshape(P), (S, T, P)) * inside
    return PoolingGrid(_boxes(*edges), (index[..., ::-1] + 0.5) / scale, share, index)


def rounded_roi(roi, *, scale=1.0):
    """The RoI with its edges on the nearest cell borders, at least one cell long: what RoIWarp reads.

    roi (4,) or (K, 4)  ->  the same shape
    """
    roi = np.asarray(to_host(roi), np.float64)
    cells = roi_pool._nearest(roi * scale)
    corner, end = cells[..., :2], cells[..., 2:]
    return np.concatenate([corner, np.maximum(end, corner + 1)], axis=-1) / scale


def _pool_grid(shape, roi, size, scale):
    ends = []
    for axis, bins in ((1, size[0]), (0, size[1])):
        first, stop = roi_pool._bins(roi[axis : axis + 1], roi[axis + 2 : axis + 3], bins, shape[1 - axis], scale)
        ends.append((first[0] / scale, stop[0] / scale))
    nothing = np.zeros((*size, 0, 2))
    return PoolingGrid(_boxes(*ends), nothing, nothing[..., 0], nothing)


def _axis_points(start, end, bins, **settings):
    ends = np.array([start]), np.array([end])
    position, use, _ = roi_samples.sample_points(*ends, bins, **settings)
    return position[0], use[0, 0]


def _bin_edges(start, end, bins, *, scale, aligned):
    """Where the bins of an axis begin and end; without alignment half a cell further, and at least one cell long."""
    size = end - start if aligned else max(end - start, 1 / scale)
    edges = start + (0 if aligned else 0.5 / scale) + size * np.arange(bins + 1) / bins
    return edges[:-1], edges[1:]


def _boxes(rows, columns):
    """(first, stop) along the rows (S,) and along the columns (T,)  ->  boxes (S, T, 4)."""
    (top, bottom), (left, right) = rows, columns
    top, bottom, left, right = np.broadcast_arrays(top[:, None], bottom[:, None], left[None], right[None])
    return np.stack([left, top, right, bottom], axis=2).astype(np.float64)


def neighbours(shape, index):
    """The four pixels between which a point lies, and their bilinear weights.

    shape (H, W), index (2,) as row, column  ->  pixels (4, 2) int, weights (4,)
    """
    last = np.array(shape[:2]) - 1
    place = np.clip(index, 0, last)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, last)
    share = place - low
    pixels = np.array([(r, c) for r in (low[0], high[0]) for c in (low[1], high[1])])
    weights = np.array([v * u for v in (1 - share[0], share[0]) for u in (1 - share[1], share[1])])
    return pixels, weights


# ---------------------------------------------------------------- the picture


def draw_pooling_grid(
    features,
    roi,
    *,
    output_size,
    kind="align",
    samples=2,
    aligned=True,
    scale=1.0,
    image=None,
    around=None,
    window=None,
    highlight=None,
    points=True,
    bins=True,
    legend=True,
    title=None,
    ax=None,
):
    """One RoI on a feature map, as RoIAlign ("align"), RoIPool ("pool") or RoIWarp ("warp") reads it.

    features (H, W) or (H, W, C), roi (4,) in image pixels  ->  axes
    Of several channels the first is shown. Small maps show their numbers; with `image` the picture lies below and the
    cells are only lines. `around` shows no more than so many cells on each side of the RoI, `window` (x1, y1, x2, y2)
    the cells in that part of the image. `highlight` (i, j) links the points of one bin with the pixels they read,
    (i, j, p) one point. RoIPool rings the maximum of each bin.
    """
    values = _one_channel("draw_pooling_grid", features)
    settings = dict(output_size=output_size, kind=kind, samples=samples, aligned=aligned, scale=scale)
    grid = pooling_grid(values.shape, roi, **settings)
    limits = _limits(values.shape, grid, roi, scale, around) if window is None else tuple(map(float, window))
    ax = _grid_axes(ax, limits, legend)
    _draw_cells(ax, values, scale, limits, image, 0.5 if kind == "pool" else 0.26)
    if bins and kind == "pool":
        _draw_pool_bins(ax, grid, values, scale)
    elif bins:
        _draw_bin_lines(ax, grid)
    if highlight is not None and kind != "pool":
        _draw_links(ax, grid, values.shape, scale, highlight)
    if points and kind != "pool":
        _draw_points(ax, grid)
    _outline(ax, roi, color=ROI_COLOR, linewidth=2.6)
    if legend:
        _draw_legend(ax, kind, bins=bins, points=points, links=highlight is not None)
    if title:
        ax.set_title(with_glyphs(title), fontsize=style.TITLE)
    return ax


def _one_channel(function, features):
    values = np.asarray(to_host(features))
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise ShapeError(f"{function}: features must be (H, W) or (H, W, C); got shape {values.shape}")
    return values if values.ndim == 2 else values[:, :, 0]


def _limits(shape, grid, roi, scale, around):
    """x1, y1, x2, y2 of what is shown: the map, or the cells around the RoI."""
    x1, y1, x2, y2 = 0, 0, shape[1], shape[0]
    if around is not None:
        low = np.floor(np.minimum(roi[:2], grid.bins[0, 0, :2]) * scale).astype(int) - around
        high = np.ceil(np.maximum(roi[2:], grid.bins[-1, -1, 2:]) * scale).astype(int) + around
        x1, y1, x2, y2 = max(low[0], 0), max(low[1], 0), min(high[0], shape[1]), min(high[1], shape[0])
    return tuple(float(v) / scale for v in (x1, y1, x2, y2))


def _grid_axes(ax, limits, legend):
    x1, y1, x2, y2 = limits
    if ax is None:
        wide, below = 4.4, 0.7 if legend else 0.4
        high = min(max(wide * (y2 - y1) / (x2 - x1), 1.5), 7.0)
        W, H = wide + 0.7, high + below + 0.4
        ax = style.new_figure(W, H).add_axes((0.5 / W, below / H, wide / W, high / H))
    ax.set_xlim(x1, x2)
    ax.set_ylim(y2, y1)
    ax.set_aspect("equal")
    return ax


def _draw_cells(ax, values, scale, limits, image, high):
    """The cells with their numbers where there is room, else as lines; the ticks are continuous image pixels."""
    H, W = values.shape
    side = 1 / scale
    first, stop = np.floor(np.array(limits[:2]) * scale + 1e-9), np.ceil(np.array(limits[2:]) * scale - 1e-9)
    columns, rows = (np.arange(int(a), int(b) + 1) for a, b in zip(first, stop))
    few = max(len(columns), len(rows)) - 1 <= MOST_NUMBERS
    if image is None:
        ax.imshow(_tinted(values), extent=(0, W * side, H * side, 0), interpolation="nearest", zorder=0)
    else:
        picture = _one_channel("draw_pooling_grid", image)
        extent = (0, picture.shape[1], picture.shape[0], 0)
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest", zorder=0)
    line = dict(color=style.GREY, linewidth=0.6, alpha=0.9, zorder=1)
    ax.vlines(columns * side, rows[0] * side, rows[-1] * side, **line)
    ax.hlines(rows * side, columns[0] * side, columns[-1] * side, **line)
    ax.set_xlim(limits[0], limits[2])  # imshow has set its own
    ax.set_ylim(limits[3], limits[1])
    if image is None and few:
        _write_numbers(ax, values, rows[:-1], columns[:-1], side, high)
    step = 1 if few else -(-max(len(columns), len(rows)) // 8)
    ax.set_xticks(columns[::step] * side, [f"{v:g}" for v in columns[::step] * side], fontsize=style.SMALL)
    ax.set_yticks(rows[::step] * side, [f"{v:g}" for v in rows[::step] * side], fontsize=style.SMALL)
    ax.tick_params(length=2)


def _write_numbers(ax, values, rows, columns, side, high):
    """The values of the cells; where points and lines meet in the middle of a cell, they stand above it."""
    halo = [patheffects.Stroke(linewidth=2.2, foreground=style.paper()), patheffects.Normal()]
    for i in rows:
        for j in columns:
            place = (j + 0.5) * side, (i + high) * side
            text = ax.text(*place, _short(values[i, j]), ha="center", va="center", fontsize=style.SMALL, zorder=7.5)
            text.set(color=style.ink(), path_effects=halo)


def _short(value):
    """At most three digits, and no 0 before the point: cells are small."""
    value = float(value)
    if value.is_integer():
        return f"{value:.0f}"
    text = f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def _tinted(values):
    """A light grey tint of the page, stronger for larger values, so that numbers stay legible on it."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    share = 0.45 * (values - low) / ((high - low) or 1)
    page, ink = np.array(to_rgb(style.paper())), np.array(to_rgb(style.GREY))
    return page + share[:, :, None] * (ink - page)


def _outline(ax, box, *, color, linewidth, linestyle="-", zorder=5, inset=0.0):
    x1, y1, x2, y2 = (float(v) for v in box)
    halo = [patheffects.Stroke(linewidth=linewidth + 1.4, foreground=style.paper(), alpha=0.8), patheffects.Normal()]
    ax.add_patch(
        Rectangle(
            (x1 + inset, y1 + inset),
            x2 - x1 - 2 * inset,
            y2 - y1 - 2 * inset,
            fill=False,
            edgecolor=color,
            linewidth=linewidth,
            linestyle=linestyle,
            path_effects=halo,
            zorder=zorder,
        )
    )


def _draw_bin_lines(ax, grid):
    rows = np.append(grid.bins[:, 0, 1], grid.bins[-1, 0, 3])
    columns = np.append(grid.bins[0, :, 0], grid.bins[0, -1, 2])
    halo = [patheffects.Stroke(linewidth=2.4, foreground=style.paper(), alpha=0.8), patheffects.Normal()]
    look = dict(color=ROI_COLOR, linewidth=1.2, linestyle=(0, (4, 2)), zorder=4, path_effects=halo)
    ax.vlines(columns, rows[0], rows[-1], **look)
    ax.hlines(rows, columns[0], columns[-1], **look)


def _draw_pool_bins(ax, grid, values, scale):
    """Every bin in a look of its own, a little inside its cells so that overlaps show; cells of two are hatched."""
    times = np.zeros(values.shape, int)
    for (i, j), (x1, y1, x2, y2) in zip(np.ndindex(grid.bins.shape[:2]), grid.bins.reshape(-1, 4)):
        color, line = BIN_LOOKS[i % 2 * 2 + j % 2]
        window = tuple(slice(round(a * scale), round(b * scale)) for a, b in ((y1, y2), (x1, x2)))
        times[window] += 1
        if values[window].size == 0:
            continue
        inset = (0.07 + 0.07 * (i % 2 * 2 + j % 2)) / scale
        _outline(ax, (x1, y1, x2, y2), color=color, linewidth=2.0, linestyle=line, inset=inset, zorder=6)
        row, column = np.unravel_index(values[window].argmax(), values[window].shape)
        centre = x1 + (column + 0.5) / scale, y1 + (row + 0.5) / scale
        radius = (0.44 - 0.05 * (i % 2 * 2 + j % 2)) / scale  # bins that share their maximum make rings in each other
        ax.add_patch(Circle(centre, radius, fill=False, edgecolor=color, linewidth=1.8, zorder=7))
    for i, j in np.argwhere(times > 1):
        place, side = (j / scale, i / scale), 1 / scale
        ax.add_patch(Rectangle(place, side, side, fill=False, hatch="////", edgecolor=style.GREY, linewidth=0))


def _draw_points(ax, grid):
    used = grid.share.reshape(-1) > 0
    x, y = grid.points.reshape(-1, 2)[used].T
    size = 5.5 if len(x) <= 40 else 3.2
    ax.plot(x, y, "o", color=POINT_COLOR, markeredgecolor="white", markeredgewidth=size / 7, markersize=size, zorder=8)


def _draw_links(ax, grid, shape, scale, which):
    """Lines from the points of a bin (i, j) to the middles of the cells they read, the thicker the more.

    Of one point alone (i, j, p) the four weights are written, too.
    """
    i, j, *only = which
    x1, y1, x2, y2 = grid.bins[i, j]
    ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, facecolor=style.YELLOW, alpha=0.45, linewidth=0, zorder=2))
    for p in only or np.flatnonzero(grid.share[i, j]):
        point = grid.points[i, j, p]
        for (row, column), weight in zip(*neighbours(shape, grid.index[i, j, p])):
            if weight <= 0:
                continue
            x, y = (column + 0.5) / scale, (row + 0.5) / scale
            ax.plot([point[0], x], [point[1], y], color=LINK_COLOR, linewidth=0.8 + 3 * weight, zorder=7)
            ax.plot(x, y, "s", color=LINK_COLOR, markersize=3.5, zorder=7)
            if only:
                _write_weight(ax, x, y + 0.26 / scale, weight)


def _write_weight(ax, x, y, weight):
    halo = [patheffects.Stroke(linewidth=2.2, foreground=style.paper()), patheffects.Normal()]
    text = ax.text(x, y, f"\u00d7{_short(weight)}", ha="center", va="center", fontsize=style.SMALL, zorder=9)
    text.set(color=style.ink(), path_effects=halo, weight="bold")


def _draw_legend(ax, kind, *, bins, points, links):
    entries = [Line2D([], [], color=ROI_COLOR, linewidth=2.6, label="RoI as given")]
    if kind == "pool" and bins:
        entries.append(Line2D([], [], color=BIN_LOOKS[0][0], linewidth=2, label="bin"))
        ring = dict(marker="o", markerfacecolor="none", color=BIN_LOOKS[0][0], linestyle="none", markersize=9)
        entries.append(Line2D([], [], label="its maximum", **ring))
        entries.append(Patch(facecolor="none", edgecolor=style.GREY, hatch="////", linewidth=0, label="in two bins"))
    elif bins:
        entries.append(Line2D([], [], color=ROI_COLOR, linewidth=1.1, linestyle=(0, (4, 2)), label="bin"))
    if kind != "pool" and points:
        dot = dict(marker="o", color=POINT_COLOR, markeredgecolor="white", linestyle="none", markersize=5.5)
        entries.append(Line2D([], [], label="sample point", **dot))
    if kind != "pool" and links:
        entries.append(Line2D([], [], color=LINK_COLOR, marker="s", markersize=3.5, label="reads"))
    ax.legend(
        handles=entries,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.07),
        ncols=len(entries),
        fontsize=style.SMALL,
        frameon=False,
        handlelength=1.8,
        columnspacing=1.2,
    )
