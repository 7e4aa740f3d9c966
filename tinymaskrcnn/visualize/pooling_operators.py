"""One RoI under the four operators: what a bin reads of the map, the crop, and how a number of it follows the box."""

import numpy as np

from ..backend import to_host
from ..errors import ArgumentError, ShapeError
from ..ops import prroi_pool, roi_align, roi_pool, roi_warp
from ..ops.common import as_pair
from . import style
from .pooling import ROI_COLOR, _one_channel, _outline
from .pooling_matrix import _draw_cells

OPERATORS = {
    "RoIPool": (roi_pool.roi_pool_forward, roi_pool.roi_pool_backward),
    "RoIWarp": (roi_warp.roi_warp_forward, roi_warp.roi_warp_backward),
    "RoIAlign": (roi_align.roi_align_forward, roi_align.roi_align_backward),
    "PrRoIPool": (prroi_pool.prroi_pool_forward, prroi_pool.prroi_pool_backward),
}
STEPS = 201  # places on the way of a RoI


def roi_operators_figure(features, roi, *, output_size=2, bin=(0, 0), samples=2, scale=1.0):
    """RoIPool, RoIWarp, RoIAlign and PrRoIPool side by side, on one RoI of one map.

    features (H, W) or (H, W, C), of which the first channel is shown, roi (4,) in image pixels  ->  Figure
    Above: how much of each pixel bin (i, j) reads. Below it the crop. At the bottom the value of that bin while the RoI
    slides to the right by up to a cell, and as a line the slope that the operator's backward says it has here.
    """
    values = _one_channel("roi_operators_figure", features).astype(np.float64)
    roi = np.asarray(to_host(roi), np.float64)
    if roi.shape != (4,):
        raise ShapeError(f"roi_operators_figure: roi must be (4,) as x1, y1, x2, y2; got shape {roi.shape}")
    rows, columns = as_pair("roi_operators_figure", "output_size", output_size, at_least=1)
    if not (0 <= bin[0] < rows and 0 <= bin[1] < columns):
        raise ArgumentError(f"roi_operators_figure: bin must be one of {rows} x {columns}; got {bin}")
    settings = dict(output_size=(rows, columns), scale=scale)
    greys = float(values.min()), float(values.max()) or 1.0
    figure = style.new_figure(9.4, 6.4)
    slopes = []
    for column, name in enumerate(OPERATORS):
        left, width = 0.06 + 0.24 * column, 0.2
        crop, reads, slope, way = _asked(name, values, roi, bin, settings, samples)
        ax = _draw_cells(figure.add_axes((left, 0.62, width, 0.32)), reads, title=f"{name} reads", blank=True)
        _outline(ax, roi * scale, color=ROI_COLOR, linewidth=2.0)
        framed = np.zeros(crop.shape, bool)
        framed[bin] = True
        _draw_cells(figure.add_axes((left, 0.36, width, 0.2)), crop, title="crop", outline=framed, limits=greys)
        slopes.append(_draw_way(figure.add_axes((left, 0.1, width, 0.18)), way, slope, 1 / scale))
    _share_limits(slopes)
    slopes[0].set_ylabel("value of the bin", fontsize=style.SMALL)
    figure.text(0.5, 0.015, "RoI moved to the right by, in pixels of the image", ha="center", fontsize=style.SMALL)
    return figure


def _asked(name, values, roi, bin, settings, samples):
    """The crop (S, T), what the bin reads of each pixel (H, W), its slope as the RoI moves, its value on the way."""
    forward, backward = OPERATORS[name]
    settings = settings | ({"samples": samples} if name == "RoIAlign" else {})
    learns = {} if name == "RoIPool" else {"box_gradient": True}
    where, features = np.zeros(1, int), values[None, :, :, None]
    crops, cache = forward(features, roi[None], image_index=where, **settings, **learns)
    dcrops = np.zeros_like(crops)
    dcrops[(0, *bin)] = 1
    reads, drois = backward(dcrops, cache)
    moved = roi + np.linspace(-1, 1, STEPS)[:, None] / settings["scale"] * np.array([1, 0, 1, 0])
    way, _ = forward(features, moved, image_index=np.zeros(STEPS, int), **settings)
    slope = 0.0 if drois is None else drois[0, 0] + drois[0, 2]
    return crops[0, ..., 0], reads[0, ..., 0], slope, way[(slice(None), *bin, 0)]


def _draw_way(ax, way, slope, cell):
    shift = np.linspace(-cell, cell, STEPS)
    here = way[STEPS // 2]
    ax.plot(shift, way, color=style.BLUE, linewidth=1.8)
    near = np.array([-0.4, 0.4]) * cell
    ax.plot(near, here + slope * near, color=style.ORANGE, linewidth=1.6, linestyle=(0, (4, 1.5)))
    ax.plot([0], [here], "o", color=style.ORANGE, markersize=5)
    ax.set_xlim(-cell, cell)
    ax.tick_params(labelsize=style.SMALL)
    return ax


def _share_limits(axes):
    low, high = min(ax.get_ylim()[0] for ax in axes), max(ax.get_ylim()[1] for ax in axes)
    for k, ax in enumerate(axes):
        ax.set_ylim(low, high)
        if k:
            ax.set_yticklabels([])
