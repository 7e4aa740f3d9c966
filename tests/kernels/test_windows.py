"""kernels/windows.py: blocks cover every row once; copies reach over the border with zeros."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.kernels.windows import blocks, copy_window, strided


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 5000), st.integers(1, 100_000))
def test_blocks_cover_every_row_of_every_image_once(images, rows, bytes_per_row, budget):
    seen = np.zeros((images, rows), int)
    for some, band in blocks(images, rows, bytes_per_row, budget):
        part = seen[some, band]
        assert part.size
        part += 1
        assert part.size * bytes_per_row <= 2 * budget or part.size == 1  # nearly equal pieces, rounded up
    assert (seen == 1).all()


@given(st.integers(1, 7), st.integers(1, 7), st.integers(-12, 12), st.integers(-12, 12), st.integers(0, 9))
def test_copy_window_is_a_crop_of_an_endless_border(height, width, top, left, size):
    x = np.arange(2 * 5 * 4 * 3, dtype=np.float32).reshape(2, 5, 4, 3) + 1
    out = np.full((2, height, size, 3), np.nan, np.float32)
    copy_window(out, x, top, left)
    border = np.pad(x, ((0, 0), (20, 20), (20, 25), (0, 0)))
    assert np.array_equal(out, border[:, 20 + top : 20 + top + height, 20 + left : 20 + left + size])


def test_strided_views_the_same_memory():
    x = np.arange(12.0).reshape(3, 4)
    view = strided(x, (2, 2, 3), (32, 8, 8))
    assert view.tolist() == [[[0, 1, 2], [1, 2, 3]], [[4, 5, 6], [5, 6, 7]]]
    assert np.shares_memory(view, x)
