"""kernels/activation.py: ReLU in pieces, with a remainder, equals the text bit for bit."""

import numpy as np
import pytest

from tinymaskrcnn.kernels import activation as fast
from tinymaskrcnn.ops import activation

RELU = fast.relu_forward, fast.relu_backward, activation.relu_forward, activation.relu_backward


@pytest.mark.parametrize("shape", [(1 << 17,), ((1 << 17) + 1,), (9, 127, 130), ((1 << 19) + 12345,)])
def test_relu_equals_the_text(compare_pair, normal, shape):
    compare_pair(*RELU, (normal(*shape),))
    x = normal(*shape).copy()
    x.reshape(-1)[:4] = 0, -0.0, np.nan, np.inf
    y, cache = fast.relu_forward(x)
    assert np.array_equal(y, activation.relu_forward.readable(x)[0], equal_nan=True)
    dy = normal(*shape)
    assert np.array_equal(fast.relu_backward(dy, cache), activation.relu_backward.readable(dy, cache))


def test_small_and_scattered_arrays_are_left_to_the_text(normal):
    assert fast._takes(normal(1 << 17))
    assert not fast._takes(normal(1 << 16))
    assert not fast._takes(normal(512, 512).T)
    assert not fast._takes(normal(512, 512).astype(np.float64))
