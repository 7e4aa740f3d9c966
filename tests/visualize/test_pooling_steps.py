"""RoIAlign step by step: the arithmetic that is written beside the picture is the operator's."""

import io
import re

import numpy as np
import pytest
from drawing_checks import THEMES, assert_legible, words
from golden import MATRIX
from matplotlib.image import imread

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.ops import roi_align
from tinymaskrcnn.visualize import pooling_steps, roi_align_steps, style

MAP = MATRIX[0, :, :, 0]
GIVEN = dict(output_size=(2, 2), samples=2, aligned=True, scale=1.0)


def test_captions_hold_the_golden_values(monkeypatch):
    """The two dozen pictures to them are looked at below, a few of each kind."""
    blank = style.message_figure("not drawn here")
    monkeypatch.setattr(pooling_steps, "_frame", lambda *_: blank)
    steps = roi_align_steps(MAP, (0, 3, 7, 8))
    means = [float(re.search(r": ([\d.]+)\.$", c).group(1)) for c in steps.captions if c.startswith("Bin")]
    np.testing.assert_allclose(means, [0.476953, 0.470977, 0.456914, 0.455234], atol=5e-5)
    points = [float(re.search(r"has ([\d.]+)\.$", c).group(1)) for c in steps.captions if "A point of" in c]
    np.testing.assert_allclose(np.reshape(points, (4, 4)).mean(axis=1), means, atol=2e-4)
    assert len(steps) == 3 + 4 * (4 + 1)  # RoI, bins, points; then of each bin every point, and their mean


def test_of_many_points_only_the_first_is_shown_by_itself():
    """Of several channels the first. Frames are of one size, and no two are the same."""
    steps = roi_align_steps(np.stack([MAP, 1 - MAP], axis=2).tolist(), (0, 3, 7, 8), samples=3)
    assert len(steps) == 3 + 1 + 4 and sum("A point of" in c for c in steps.captions) == 1
    sizes = {imread(io.BytesIO(png)).shape for png in steps.pictures}
    assert len(sizes) == 1 and len(set(steps.pictures)) == len(steps)


@pytest.mark.parametrize("aligned", [True, False])
def test_the_points_of_a_bin_have_its_mean(aligned):
    roi = (0.4, 2.7, 6.9, 7.5)
    data = dict(GIVEN, aligned=aligned)
    grid = pooling_steps.pooling_grid(MAP.shape, roi, **data)
    crops, _ = roi_align.roi_align_forward(MATRIX, np.array([roi]), image_index=np.array([0]), **data)
    for i, j in np.ndindex(2, 2):
        lines = pooling_steps._bin_lines(MAP, grid, i, j, crops[0, i, j, 0])
        values = [float(line.split()[-1]) for line in lines[1:-1]]
        assert len(values) == 4 and abs(np.mean(values) - float(lines[-1].split()[-1])) < 1e-4


def test_the_sum_of_a_point_is_written_out():
    lines = pooling_steps._point_lines(MAP, np.array([3.25, 1.5]))
    products = [re.findall(r"\.?\d[\d.]*", line)[:2] for line in lines[1:-1]]
    total = sum(float(a) * float(b) for a, b in products)
    assert abs(total - float(lines[-1].split()[-1])) < 1e-3 and len(products) == 4


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("samples", [2, 4])
def test_frames_are_legible(theme, samples):
    style.use_theme(theme)
    try:
        data = dict(GIVEN, samples=samples)
        roi = (0.4, 2.7, 6.9, 7.5)
        grid = pooling_steps.pooling_grid(MAP.shape, roi, **data)
        crop = pooling_steps._crop(MAP, roi, data)
        lines = pooling_steps._bin_lines(MAP, grid, 1, 1, crop[1, 1])
        figure = pooling_steps._frame(MAP, roi, data, dict(highlight=(1, 1)), crop, lines)
        assert_legible(figure)
        assert f"{crop[0, 1]:.3g}" in words(figure)
        lines = pooling_steps._point_lines(MAP, grid.index[0, 0, 0])
        assert_legible(pooling_steps._frame(MAP, roi, data, dict(highlight=(0, 0, 0)), crop, lines))
    finally:
        style.use_theme("light")


def test_refusals():
    with pytest.raises(ArgumentError, match="roi_align_steps: output_size must be .* each at least 1; got 0"):
        roi_align_steps(MAP, (0, 0, 4, 4), output_size=0)
    with pytest.raises(ArgumentError, match="at most 9 bins; got 4 x 4"):
        roi_align_steps(MAP, (0, 0, 4, 4), output_size=4)
