"""kernels/matmul.py: fully connected layers in rows."""

import pytest

from tinymaskrcnn.kernels import matmul as fast
from tinymaskrcnn.ops import linear

LINEAR = fast.linear_forward, fast.linear_backward, linear.linear_forward, linear.linear_backward


@pytest.mark.parametrize("K, C, O", [(1, 1, 1), (3, 5, 2), (512, 3136, 128), (333, 128, 44)])
def test_linear_equals_the_text(compare_pair, normal, K, C, O):
    compare_pair(*LINEAR, (normal(K, C), normal(C, O), normal(O)))


def test_rows_that_are_not_contiguous(compare_pair, normal):
    compare_pair(*LINEAR, (normal(20, 300)[:, ::2], normal(7, 150).T, normal(7)))
