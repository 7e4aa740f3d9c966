"""RoIAlign step by step: the RoI, its bins, its points, and every bin of the crop as it is filled."""

import numpy as np

from ..errors import ArgumentError
from ..ops import naive, roi_align
from ..ops.common import as_pair
from . import style
from .pooling import _one_channel, _short, draw_pooling_grid, neighbours, pooling_grid
from .steps import Steps

MOST_BINS, MOST_POINTS = 9, 16  # more frames than that nobody steps through
POINT = "A point reads the four pixels around it, the nearer the more; the weights sum to 1. "


def roi_align_steps(features, roi, *, output_size=2, samples=2, aligned=True, scale=1.0):
    """Walk through the RoIAlign of one small map: RoI, bins, points, then each point's four pixels, bin by bin.

    features (H, W) or (H, W, C), roi (4,) in image pixels  ->  Steps
    """
    values = _one_channel("roi_align_steps", features).astype(np.float64)
    rows, columns = size = as_pair("roi_align_steps", "output_size", output_size, at_least=1)
    if rows * columns > MOST_BINS:
        raise ArgumentError(f"roi_align_steps: output_size must give at most {MOST_BINS} bins; got {rows} x {columns}")
    settings = dict(output_size=size, samples=samples, aligned=aligned, scale=scale)
    grid = pooling_grid(values.shape, roi, **settings)
    crop = _crop(values, roi, settings)
    nothing = np.full(size, np.nan)
    per_bin = int((grid.share[0, 0] > 0).sum())
    shift = "" if aligned else " Without alignment all lie half a cell too far to the right and down."
    stages = [
        (
            dict(bins=False, points=False),
            "The RoI on the map: its edges stay where they are, nothing is rounded.",
        ),
        (dict(points=False), f"It is cut into {rows} x {columns} equal bins, wherever their edges fall.{shift}"),
        (dict(), f"Every bin gets {per_bin} sample points, evenly spread."),
    ]
    frames = [_frame(values, roi, settings, look, nothing, []) for look, _ in stages]
    captions = [caption for _, caption in stages]
    every = rows * columns * per_bin <= MOST_POINTS  # else only the very first point is shown by itself
    for k, (i, j) in enumerate(np.ndindex(size)):
        number = np.arange(rows * columns).reshape(size)
        before, done = np.where(number < k, crop, np.nan), np.where(number <= k, crop, np.nan)
        for p in np.flatnonzero(grid.share[i, j])[: None if every else int(k == 0)]:
            lines = _point_lines(values, grid.index[i, j, p])
            frames.append(_frame(values, roi, settings, dict(highlight=(i, j, p)), before, lines))
            captions.append(f"{POINT if k == p == 0 else ''}A point of bin ({i}, {j}) has {lines[-1].split()[-1]}.")
        lines = _bin_lines(values, grid, i, j, crop[i, j])
        frames.append(_frame(values, roi, settings, dict(highlight=(i, j)), done, lines))
        captions.append(f"Bin ({i}, {j}) is the mean of its points: {crop[i, j]:.4f}.")
    return Steps(frames, captions, title="RoIAlign, step by step")


def _crop(values, roi, settings):
    rois = np.asarray(roi, np.float64)[None]
    crops, _ = roi_align.roi_align_forward(values[None, :, :, None], rois, image_index=np.array([0]), **settings)
    return crops[0, :, :, 0]


def _frame(values, roi, settings, look, crop, lines):
    figure = style.new_figure(7.6, 4.5)
    ax = figure.add_axes((0.05, 0.14, 0.53, 0.82))
    draw_pooling_grid(values, roi, **settings, **look, ax=ax)
    _draw_crop(figure.add_axes((0.69, 0.56, 0.22, 0.34)), crop)
    for k, line in enumerate(lines):
        figure.text(0.625, 0.46 - 0.06 * k, line, fontsize=style.SMALL, family="monospace", va="top")
    return figure


def _draw_crop(ax, crop):
    """The crop as far as it is filled."""
    rows, columns = crop.shape
    ax.set(xlim=(0, columns), ylim=(rows, 0), xticks=[], yticks=[], aspect="equal")
    ax.hlines(np.arange(1, rows), 0, columns, color=style.GREY, linewidth=0.8)
    ax.vlines(np.arange(1, columns), 0, rows, color=style.GREY, linewidth=0.8)
    for i, j in np.argwhere(~np.isnan(crop)):
        ax.text(j + 0.5, i + 0.5, f"{crop[i, j]:.3g}", ha="center", va="center", fontsize=style.TEXT)
    ax.set_title(f"the crop, {rows} x {columns}", fontsize=style.TEXT)


def _value(values, index):
    return float(naive.bilinear(values[:, :, None], *index)[0])


def _point_lines(values, index):
    """The bilinear mean of one point, written out."""
    pixels, weights = neighbours(values.shape, index)
    lines = [f"the point at x = {index[1] + 0.5:.2f}, y = {index[0] + 0.5:.2f} (in cells):"]
    lines += [f"  {w:.3f} × {_short(values[r, c]):>4}   (row {r}, column {c})" for (r, c), w in zip(pixels, weights)]
    return [*lines, f"  sum: {_value(values, index):.4f}"]


def _bin_lines(values, grid, i, j, mean):
    used = np.flatnonzero(grid.share[i, j])
    lines = [f"bin ({i}, {j}), values of its points:"]
    for p in used[:4]:
        row, column = grid.index[i, j, p] + 0.5
        lines.append(f"  x = {column:.2f}, y = {row:.2f}:  {_value(values, grid.index[i, j, p]):.4f}")
    lines += [f"  and {len(used) - 4} more"] if len(used) > 4 else []
    return [*lines, f"  mean: {mean:.4f}"]
