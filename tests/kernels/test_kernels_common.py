"""kernels/common.py: small questions, each answered both ways."""

import numpy as np

from tinymaskrcnn.kernels.common import is_float32, is_pair, paint_matrix, pair


def test_is_float32():
    x = np.ones(2, np.float32)
    assert is_float32(x, None, x) and is_float32()
    assert not is_float32(x, x[:0]) and not is_float32(x, x.astype(np.float64))


def test_pairs():
    assert is_pair(1, 1) and is_pair((1, 2), 1) and is_pair(0, 0)
    for wrong in (0, (1, 0), (1,), (1, 2, 3), [1, 2], 1.5, (1, 1.5)):
        assert not is_pair(wrong, 1)
    assert pair(3) == (3, 3) and pair((1, 2)) == (1, 2)


def test_paint_matrix_holds_the_kernel_of_each_channel():
    weight = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    matrix = paint_matrix(weight)
    assert matrix.shape == (4, 30)
    assert all(np.array_equal(matrix[c].reshape(2, 3, 5), weight[:, :, c]) for c in range(4))
