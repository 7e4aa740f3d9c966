"""The interpolation matrix as a picture: every cell where its weight belongs, one row laid back on the map."""

import numpy as np
import pytest
from drawing_checks import assert_legible, words
from golden import MATRIX

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.ops import roi_align
from tinymaskrcnn.visualize import draw_interpolation_matrix, draw_matrix_row, interpolation_matrix_figure, style

MAP = MATRIX[0, :, :, 0]


@pytest.fixture
def A():
    rois, where = np.array([[0.4, 2.7, 6.9, 7.5]]), np.array([0])
    return roi_align.interpolation_matrix(rois, image_index=where, feature_shape=(1, 8, 8), output_size=2, scale=1.0)


def test_the_picture_is_the_matrix(A):
    ax = draw_interpolation_matrix(A, (8, 8), row=2)
    shown = ax.images[0]
    np.testing.assert_array_equal(shown.get_array().filled(0), A.toarray())
    assert shown.get_extent() == [0, 64, 4, 0]
    assert ax.patches[0].get_bbox().extents.tolist() == [0, 2, 64, 3]
    assert [t for t in words(ax.figure) if t.startswith("row")] == [f"row {i}" for i in range(8)]


def test_the_matrix_alone_fills_its_page(A):
    ax = draw_interpolation_matrix(A, (8, 8))
    assert_legible(ax.figure)
    page, place = ax.figure.bbox, ax.get_window_extent()
    assert place.width > 0.85 * page.width and place.height > 0.4 * page.height


def test_a_row_on_the_map(A):
    shown = draw_matrix_row(A, (8, 8), row=3).images[0]
    np.testing.assert_array_equal(shown.get_array().filled(0).reshape(-1), A.toarray()[3])
    assert shown.get_extent() == [0, 8, 8, 0]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_whole_equation(A, theme):
    style.use_theme(theme)
    try:
        figure = interpolation_matrix_figure(A, np.stack([MAP, 1 - MAP], axis=2).tolist(), row=1)
        assert_legible(figure)
        crops = A @ MAP.reshape(-1)
        found = words(figure)
        assert all(f"{value:.3f}" in found for value in crops)
        assert f"  value {crops[1]:.4f}" in found and "  sum of weights 1.000" in found
        framed = {tuple(int(v) for v in p.get_xy()) for p in figure.axes[-1].patches}
        assert framed == {(c, r) for r, c in np.argwhere(A.toarray()[1].reshape(8, 8))}
        assert_legible(draw_interpolation_matrix(A, (8, 8), row=0, title="A").figure)
    finally:
        style.use_theme("light")


def test_refusals(A):
    with pytest.raises(ShapeError, match=r"column for each of the 8 x 7 = 56 pixels of the map; got shape \(4, 64\)"):
        draw_interpolation_matrix(A, (8, 7))
    with pytest.raises(ArgumentError, match="row must lie in 0..3; got 4"):
        draw_matrix_row(A, (8, 8), row=4)
