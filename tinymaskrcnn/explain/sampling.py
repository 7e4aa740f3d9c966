"""Where a RoI reads its map, as places in the picture, and how little it may be moved until it reads other cells."""

from dataclasses import dataclass

import numpy as np

from ..ops import roi_pool
from ..ops.roi_samples import sample_points


@dataclass(frozen=True)
class SampleGrid:
    """What one RoI reads, in pixels of the picture: every x with every y.

    operator: a name of RoIConfig.pooling; x (n,), y (m,): sample points, or the middles of the cells that are read;
    x_edges and y_edges (S+1,): of the bins; cell: the side of a cell of the map; shift: the smallest shift of the RoI
    along an axis after which it reads other cells.
    """

    operator: str
    x: np.ndarray
    y: np.ndarray
    x_edges: np.ndarray
    y_edges: np.ndarray
    cell: int
    shift: float

    @property
    def points(self):
        """All places (n * m, 2) as x, y."""
        return np.stack(np.meshgrid(self.x, self.y), axis=-1).reshape(-1, 2)


def sample_grid(roi, level, shape, config, *, size):
    """roi (4,), level: 2 for P2, shape (height, width) of its map, RoIConfig, size: of the crop  ->  SampleGrid"""
    side = 2**level
    axes = [_axis(roi[i : i + 1], roi[i + 2 : i + 3], shape[1 - i], size, side, config) for i in (0, 1)]
    (x, x_edges, x_shift), (y, y_edges, y_shift) = axes
    return SampleGrid(config.pooling, x, y, x_edges, y_edges, side, float(min(x_shift, y_shift)))


def _axis(start, end, length, bins, side, config):
    """Of one axis: places (n,) and edges of bins (S+1,) in pixels, and the smallest shift that changes what is read."""
    start, end = start.astype(np.float64), end.astype(np.float64)
    if config.pooling == "pool":
        return _whole_cells(start, end, length, bins, side)
    offset = 0.5 if config.aligned else 0.0
    low, high = start[0] / side, end[0] / side
    if config.pooling == "align":
        settings = {"scale": 1 / side, "samples": config.sampling_ratio, "aligned": config.aligned}
        position, use, _ = sample_points(start, end, bins, **settings)
        position = (position[0] * np.ones_like(use[0]))[:, use[0, 0] > 0].reshape(-1)
        high = high if config.aligned else max(high, low + 1)
    elif config.pooling == "warp":  # a crop twice as fine, one point at the beginning of each of its bins
        position = low - offset + np.arange(2 * bins) / (2 * bins) * (high - low)
    else:  # the mean over a bin; what it reads depends on where its edges lie
        position = low - offset + np.arange(bins + 1) / bins * (high - low)
    edges = (low - offset + np.arange(bins + 1) / bins * (high - low) + 0.5) * side
    places = (position + 0.5) * side if config.pooling != "prroi" else (edges[1:] + edges[:-1]) / 2
    line = np.clip(np.rint(position), -1, length)  # the nearest at which a point goes on to other cells
    return places, edges, abs(position - line).min() * side


def _whole_cells(start, end, length, bins, side):
    """RoIPool: edges go to the nearest cells, and a shift changes nothing until one of them goes to another."""
    first, stop = roi_pool._bins(start, end, bins, length, 1 / side)
    cells = np.unique(np.concatenate([np.arange(a, b) for a, b in zip(first[0], stop[0])] or [np.zeros(0)]))
    edges = np.append(first[0], stop[0, -1]) * float(side)
    ends = np.concatenate([start, end]) / side
    return (cells + 0.5) * side, edges, abs(ends - np.floor(ends) - 0.5).min() * side
