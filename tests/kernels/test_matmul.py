"""kernels/matmul.py: fully connected layers in rows."""

import pytest

from tinymaskrcnn.kernels import matmul as fast
from tinymaskrcnn.ops import linear

LINEAR = fast.linear_forward, fast.linear_backward, linear.linear_forward, linear.linear_backward


@pytest.fixture(autouse=True)
def no_case_is_too_small(monkeypatch):
    monkeypatch.setattr(fast, "LEAST", 0)


@pytest.mark.parametrize("K, C, O", [(1, 1, 1), (3, 5, 2), (512, 3136, 128), (333, 128, 44), (1100, 600, 40)])
def test_linear_equals_the_text(compare_pair, normal, K, C, O):
    compare_pair(*LINEAR, (normal(K, C), normal(C, O), normal(O)))


def test_rows_that_are_not_contiguous(compare_pair, normal):
    compare_pair(*LINEAR, (normal(20, 300)[:, ::2], normal(7, 150).T, normal(7)))


def test_small_products_are_left_to_the_text(monkeypatch, normal):
    x, weight, bias = normal(4, 5), normal(5, 6), normal(6)
    monkeypatch.setattr(fast, "LEAST", 4 * 5 * 6)
    assert fast._takes_forward(x, weight, bias) and fast._takes_backward(normal(4, 6), (x, weight))
    monkeypatch.setattr(fast, "LEAST", 4 * 5 * 6 + 1)
    assert not fast._takes_forward(x, weight, bias) and not fast._takes_backward(normal(4, 6), (x, weight))
