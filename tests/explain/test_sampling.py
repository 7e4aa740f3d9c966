"""Where a RoI reads, asked of the operators themselves: every cell of the map is a channel of its own."""

import dataclasses

import numpy as np
import pytest

from tinymaskrcnn.config import RoIConfig
from tinymaskrcnn.explain.sampling import sample_grid
from tinymaskrcnn.models.poolers import POOLERS, pooler

SIDE, LEVEL, SIZE = 8, 2, 3  # cells of the map, which is P2, and bins
WAYS = {f"{name}{' aligned' * aligned}": (name, aligned) for name in POOLERS for aligned in (True, False)}


def cells_read(roi, config):
    """Which of the cells each bin reads, (SIZE, SIZE, SIDE * SIDE) bool: whose change would change the bin."""
    bright = 1 + np.eye(SIDE * SIDE).reshape(1, SIDE, SIDE, SIDE * SIDE)  # a maximum, too, has to be above 0 somewhere
    pool = pooler(SIZE, config, levels=1, lowest=LEVEL)
    place = {"rois": roi[None], "image_index": np.zeros(1, int)}
    crops = [pool.forward([maps], **place)[0][0] for maps in (bright, np.ones_like(bright))]
    return abs(crops[0] - crops[1]) > 1e-12


@pytest.mark.in_turn
@pytest.mark.parametrize("way", WAYS)
def test_a_smaller_shift_reads_the_same_cells_and_a_larger_one_others(way):
    name, aligned = WAYS[way]
    config = dataclasses.replace(RoIConfig(), pooling=name, aligned=aligned, sampling_ratio=1)
    rng, tried = np.random.default_rng(0), 0
    for _ in range(40):
        x, y = rng.uniform(4, 12, 2)
        roi = np.array([x, y, x + rng.uniform(7, 14), y + rng.uniform(7, 14)])
        grid = sample_grid(roi, LEVEL, (SIDE, SIDE), config, size=SIZE)
        if grid.shift < 0.05:
            continue  # so little of a cell would be read that rounding hides it
        here = cells_read(roi, config)
        moves = [np.array(move * 2) for move in ((1, 0), (-1, 0), (0, 1), (0, -1))]
        for move in moves:
            np.testing.assert_array_equal(cells_read(roi + 0.98 * grid.shift * move, config), here)
        changed = [(cells_read(roi + (grid.shift + 0.02) * move, config) != here).any() for move in moves]
        tried += any(changed)
    assert tried >= 10  # elsewhere a point goes on to cells that others of its bin read as well


@pytest.mark.parametrize("way", WAYS)
def test_its_places_lie_on_cells_that_are_read(way):
    name, aligned = WAYS[way]
    config, rng = dataclasses.replace(RoIConfig(), pooling=name, aligned=aligned), np.random.default_rng(1)
    for _ in range(10):
        x, y = rng.uniform(6, 12, 2)
        roi = np.array([x, y, x + rng.uniform(7, 13), y + rng.uniform(7, 13)])
        grid, read = sample_grid(roi, LEVEL, (SIDE, SIDE), config, size=SIZE), cells_read(roi, config)
        cells = (grid.points // 2**LEVEL).astype(int)
        assert read.any(axis=(0, 1)).reshape(SIDE, SIDE)[cells[:, 1], cells[:, 0]].all()
        assert len(grid.x_edges) == len(grid.y_edges) == SIZE + 1 and grid.cell == 4
        if name != "pool":
            shift = 0 if aligned else 2  # half a cell, which is what "aligned" is about
            np.testing.assert_allclose([grid.x_edges[0], grid.x_edges[-1]], roi[[0, 2]] + shift)


def test_the_number_of_points():
    roi = np.array([5.0, 5, 19, 24])
    for name, samples, points in (("align", 2, 36), ("align", 3, 81), ("warp", 2, 36), ("prroi", 2, 9)):
        config = dataclasses.replace(RoIConfig(), pooling=name, sampling_ratio=samples)
        assert len(sample_grid(roi, LEVEL, (SIDE, SIDE), config, size=SIZE).points) == points
    adaptive = dataclasses.replace(RoIConfig(), sampling_ratio=0)
    grid = sample_grid(roi, LEVEL, (SIDE, SIDE), adaptive, size=SIZE)
    assert (len(grid.x), len(grid.y)) == (6, 6)  # bins of 1.17 and of 1.58 cells
