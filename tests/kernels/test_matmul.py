"""kernels/matmul.py: fully connected layers in rows."""

import numpy as np
import pytest

from tinymaskrcnn.kernels import matmul as fast
from tinymaskrcnn.kernels.threads import run
from tinymaskrcnn.ops import linear

LINEAR = fast.linear_forward, fast.linear_backward, linear.linear_forward, linear.linear_backward


@pytest.fixture(autouse=True)
def no_case_is_too_small(monkeypatch):
    monkeypatch.setattr(fast, "LEAST", 0)


@pytest.mark.parametrize("K, C, O", [(1, 1, 1), (3, 5, 2), (512, 3136, 128), (333, 128, 44), (1100, 600, 40)])
def test_linear_equals_the_text(compare_pair, normal, K, C, O):
    compare_pair(*LINEAR, (normal(K, C), normal(C, O), normal(O)))


@pytest.mark.parametrize("K, C, O", [(2100, 7, 3), (40, 700, 3)])  # many pixels, and a wide layer
def test_many_jobs_equal_the_text(compare_pair, monkeypatch, normal, K, C, O):
    monkeypatch.setattr(fast, "WORK", 1)
    monkeypatch.setattr(fast, "ROWS", 16)
    compare_pair(*LINEAR, (normal(K, C), normal(C, O), normal(O)))


def test_rows_that_are_not_contiguous(compare_pair, normal):
    compare_pair(*LINEAR, (normal(20, 300)[:, ::2], normal(7, 150).T, normal(7)))


def test_small_products_are_left_to_the_text(monkeypatch, normal):
    x, weight, bias = normal(4, 5), normal(5, 6), normal(6)
    monkeypatch.setattr(fast, "LEAST", 4 * 5 * 6)
    assert fast._takes_forward(x, weight, bias) and fast._takes_backward(normal(4, 6), (x, weight))
    monkeypatch.setattr(fast, "LEAST", 4 * 5 * 6 + 1)
    assert not fast._takes_forward(x, weight, bias) and not fast._takes_backward(normal(4, 6), (x, weight))


def test_only_float32_is_taken(is_held_to_float32, normal):
    x, weight, bias = normal(4, 5), normal(5, 6), normal(6)
    is_held_to_float32(fast._takes_forward, x, weight, bias)
    is_held_to_float32(fast._takes_backward, normal(4, 6), (x, weight))
    assert not fast._takes_forward(x[:0], weight, bias) and not fast._takes_backward(normal(4, 6)[:0], (x, weight))


def test_partial_gradients_are_added_up_in_order():
    parts = [(np.full((2, 3), 10.0**i, np.float32), np.full(3, 2.0 * 10**i, np.float32)) for i in range(4)]
    dweight, dbias = fast.add_up(parts)
    assert (dweight == 1111).all() and (dbias == 2222).all()


@pytest.mark.parametrize("rows, work, wanted", [(1, 1, 1), (512, 1 << 30, 2), (2048, 1 << 30, 8), (2048, 1 << 12, 1)])
def test_a_product_is_cut_where_jobs_are_worth_it_and_not_thinner(rows, work, wanted):
    cut = fast._row_spans(rows, work)
    assert len(cut) == wanted and (cut[0].start, cut[-1].stop) == (0, rows)
    assert len(fast._row_spans(1 << 16, 1 << 30, 8)) == 8


@pytest.mark.parametrize("work", [1, 1 << 12, 16 << 20])
def test_pixels_that_paint_side_by_side(monkeypatch, normal, work):
    """The result of a pass and its way back, in one job or in many, with what a view lacks left alone."""
    monkeypatch.setattr(fast, "WORK", work)
    x, matrix, bias = normal(5, 3, 4, 6), normal(6, 2 * 3 * 7), normal(7)
    painted = np.full((5, 3, 4, 2, 3, 7), np.nan, np.float32)
    run(fast.paint_jobs(painted, x, matrix, bias))
    wanted = np.einsum("nhwc,co->nhwo", x.astype(np.float64), matrix).reshape(painted.shape) + bias
    np.testing.assert_allclose(painted, wanted, atol=1e-4)
    run(fast.paint_jobs(painted, x, matrix, None))
    np.testing.assert_allclose(painted, wanted - bias, atol=1e-4)

    dx, dpainted = np.empty_like(x), normal(*painted.shape)
    dmatrix, dbias = fast.add_up(run(fast.unpaint_jobs(dx, dpainted, x, matrix)))
    flat = dpainted.reshape(5, 3, 4, -1).astype(np.float64)
    np.testing.assert_allclose(dx, np.einsum("nhwo,co->nhwc", flat, matrix), atol=1e-4)
    np.testing.assert_allclose(dmatrix, np.einsum("nhwc,nhwo->co", x, flat), atol=1e-4)
    np.testing.assert_allclose(dbias, dpainted.sum(axis=(0, 1, 2, 3, 4), dtype=np.float64), atol=1e-4)
    assert dmatrix.dtype == dbias.dtype == np.float32
