"""kernels/im2col.py: columns, lanes, and the way back of far windows."""

import numpy as np
import pytest

from tinymaskrcnn.kernels import im2col
from tinymaskrcnn.kernels.threads import run
from tinymaskrcnn.ops import conv


@pytest.mark.parametrize("origin", [(0, 0), (-2, -1), (1, 3)])
def test_columns_begin_at_the_origin(normal, origin):
    x = normal(2, 9, 11, 3)
    columns = im2col._columns(x, slice(1, 3), 4, (3, 2), (2, 1), origin, (1, 2)).reshape(2, 2, 4, 3, 2, 3)
    padded = np.pad(x, ((0, 0), (5, 5), (5, 5), (0, 0)))
    for row, column, i, j in np.ndindex(2, 4, 3, 2):
        y, x_ = 5 + origin[0] + 2 * (1 + row) + i, 5 + origin[1] + column + 2 * j
        assert np.array_equal(columns[:, row, column, i, j], padded[:, y, x_])


@pytest.mark.parametrize("lanes", [1, 3, 100])
def test_lanes_add_up_to_the_whole_gradient(monkeypatch, normal, lanes):
    monkeypatch.setattr(im2col, "BUDGET", 2000)  # many blocks
    x, dy = normal(5, 6, 6, 4), normal(5, 6, 6, 3)
    options = dict(stride=(1, 1), origin=(-1, -1), dilation=(1, 1))
    parts = run(im2col.dweight_jobs(x, dy, (3, 3), **options, lanes=lanes))
    assert len(parts) == min(lanes, len(im2col._blocks(dy, 36)))
    cache = x.astype(np.float64), np.zeros((3, 3, 4, 3)), True, (1, 1), (1, 1), (1, 1), 1
    _, dweight, dbias = conv.conv2d_backward.readable(dy.astype(np.float64), cache)
    np.testing.assert_allclose(sum(p[0] for p in parts), dweight.reshape(36, 3), atol=1e-4)
    np.testing.assert_allclose(sum(p[1] for p in parts), dbias, atol=1e-4)


def test_a_window_larger_than_a_block_still_works(monkeypatch, normal):
    monkeypatch.setattr(im2col, "BUDGET", 1)
    x, weight = normal(2, 7, 5, 3), normal(3, 3, 3, 4)
    y = np.empty((2, 7, 5, 4), np.float32)
    run(im2col.correlate_jobs(y, x, weight, None, stride=(1, 1), origin=(-1, -1), dilation=(1, 1)))
    np.testing.assert_allclose(y, conv.conv2d_forward.readable(x, weight, None, padding=1)[0], atol=1e-4)
