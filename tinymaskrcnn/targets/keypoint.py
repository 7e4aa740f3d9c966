"""Where in its RoI each keypoint lies: one cell of the heatmap (Mask R-CNN, section 5)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import array_module


@dataclass(frozen=True)
class KeypointTargets:
    """For Q RoIs and J keypoints: position (Q, J) of the cell, row * size + column, and weight (Q, J) 0 or 1."""

    position: Any
    weight: Any


def keypoint_targets(keypoints, rois, matched, *, size, weight=None):
    """The heatmap cell that each keypoint of a RoI's object falls into: a one-hot picture, told by its only 1.

    keypoints (N, M, J, 3), rois (Q, 4) in pixels, matched (Q,) row of the flattened (N*M) objects, weight (Q,)
    ->  KeypointTargets

    A keypoint counts when it is annotated (visibility above 0) and lies in the RoI; one on the right or lower edge
    belongs to the last cell. Where it does not count, position and weight are 0.
    """
    xp = array_module(rois)
    n, m, j, _ = keypoints.shape
    points = keypoints.reshape(n * m, j, 3)[matched].astype(rois.dtype)  # (Q, J, 3)
    column, in_columns = _cell(points[..., 0], rois[:, 0:1], rois[:, 2:3], size)
    row, in_rows = _cell(points[..., 1], rois[:, 1:2], rois[:, 3:4], size)
    counts = in_columns & in_rows & (points[..., 2] > 0)
    if weight is not None:
        counts = counts & (weight > 0)[:, None]
    return KeypointTargets(xp.where(counts, row * size + column, 0), counts.astype(rois.dtype))


def _cell(place, low, high, size):
    """Which of `size` cells between low and high a place falls into, and whether it does."""
    xp = array_module(place)
    cell = xp.floor((place - low) * (1 / (high - low) * size))  # in this order, as torch rounds it
    cell = xp.where(place == high, size - 1, cell)
    return xp.clip(cell, 0, size - 1).astype(np.int64), (cell >= 0) & (cell < size)
