"""One RoI under four operators: each panel shows what its operator computes, and its slope what its backward says."""

import numpy as np
import pytest
from drawing_checks import THEMES, assert_legible, words
from golden import MATRIX

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.ops import prroi_pool, roi_pool
from tinymaskrcnn.visualize import roi_operators_figure, style

MAP, ROI = MATRIX[0, :, :, 0], (0.4, 2.7, 6.9, 7.5)
WHERE = dict(image_index=np.array([0]), output_size=(2, 2), scale=1.0)


def panels(figure):
    """(reads, crop, way) of each operator."""
    return [figure.axes[k : k + 3] for k in range(0, 12, 3)]


@pytest.mark.parametrize("theme", THEMES)
def test_it_is_legible_and_names_all_four(theme):
    style.use_theme(theme)
    try:
        figure = roi_operators_figure(MAP, ROI, bin=(1, 0))
        assert_legible(figure)
        assert {f"{name} reads" for name in ("RoIPool", "RoIWarp", "RoIAlign", "PrRoIPool")} <= set(words(figure))
    finally:
        style.use_theme("light")


@pytest.mark.parametrize("column, operator", [(0, roi_pool.roi_pool_forward), (3, prroi_pool.prroi_pool_forward)])
def test_crops_are_the_operators_and_what_is_read_makes_the_bin(column, operator):
    reads, crop, _ = panels(roi_operators_figure(MAP, ROI, bin=(1, 0)))[column]
    wanted, _ = operator(MAP[None, :, :, None], np.array([ROI]), **WHERE)
    np.testing.assert_allclose(crop.images[0].get_array(), wanted[0, ..., 0], rtol=1e-12)
    weights = reads.images[0].get_array().filled(0)
    np.testing.assert_allclose((weights * MAP).sum(), wanted[0, 1, 0, 0], rtol=1e-12)
    framed = [tuple(p.get_xy()) for p in crop.patches]
    assert framed == [(0, 1)]


def test_the_way_passes_through_the_crop_and_the_line_touches_it():
    """RoIPool's stands still between its jumps; PrRoIPool's bends without a corner; all share their limits."""
    ways = [way for _, _, way in panels(roi_operators_figure(MAP, ROI))]
    assert len({way.get_ylim() for way in ways}) == 1
    for k, way in enumerate(ways):
        curve, tangent, dot = (line.get_xydata() for line in way.lines)
        middle = len(curve) // 2
        assert curve[middle].tolist() == pytest.approx(dot[0].tolist())
        slope = (tangent[1, 1] - tangent[0, 1]) / (tangent[1, 0] - tangent[0, 0])
        around = (curve[middle + 1, 1] - curve[middle - 1, 1]) / (curve[middle + 1, 0] - curve[middle - 1, 0])
        assert slope == pytest.approx(around, abs=0.02)
        assert (slope == 0) == (k == 0)
    corner = [np.abs(np.diff(way.lines[0].get_ydata(), n=2)).max() for way in ways]
    assert corner[3] < 0.1 * min(corner[:3])


def test_a_map_of_stride_two_slides_two_pixels():
    """Also one in lists, of whose channels the first is shown."""
    figure = roi_operators_figure(np.stack([MAP, 1 - MAP], axis=2).tolist(), [2 * edge for edge in ROI], scale=0.5)
    assert panels(figure)[1][2].get_xlim() == (-2, 2)
    one = panels(roi_operators_figure(MAP, ROI))[2][1].images[0].get_array()
    np.testing.assert_allclose(panels(figure)[2][1].images[0].get_array(), one, rtol=1e-12)


def test_refusals():
    with pytest.raises(ShapeError, match=r"roi_operators_figure: roi must be \(4,\)"):
        roi_operators_figure(MAP, (1.0, 2, 3))
    with pytest.raises(ShapeError, match=r"roi_operators_figure: features must be \(H, W\) or \(H, W, C\); got shape"):
        roi_operators_figure(MATRIX, ROI)
    with pytest.raises(ArgumentError, match="roi_operators_figure: bin must be one of 2 x 2"):
        roi_operators_figure(MAP, ROI, bin=(2, 0))
    with pytest.raises(ArgumentError, match="roi_operators_figure: output_size must be .* each at least 1"):
        roi_operators_figure(MAP, ROI, output_size=0)


def test_numbers_stand_in_cells_that_have_room_for_them():
    """On a map of 12 x 12 the cells of what is read are narrower than three characters; those of the crop are not."""
    reads, crop, _ = panels(roi_operators_figure(np.tile(MAP, (2, 2))[:12, :12], ROI))[3]
    assert not reads.texts and len(crop.texts) == 4
    assert panels(roi_operators_figure(MAP, ROI))[3][0].texts
