"""The benchmark of layers: each call counts once, under its kind, with the operations of its definition."""

import numpy as np
import pytest
from benchmarks import layers

from tinymaskrcnn import kernel_lookup
from tinymaskrcnn.nn.layers import Conv2d, Linear, ReLU
from tinymaskrcnn.nn.module import Sequential


def test_calls_count_under_their_kind(rng):
    kernel_lookup._load_kernels()
    normal = np.random.default_rng(0).standard_normal
    apart = Sequential(Conv2d(16, 32, 3, stride=2, padding=1, rng=rng), ReLU()).eval()
    crops = Sequential(Conv2d(32, 32, 3, padding=1, rng=rng)).eval()
    linear, calls, before = Linear(512, 256, rng=rng).eval(), [], dict(kernel_lookup._KERNELS)
    with layers.watched(calls):
        apart.forward(normal((1, 64, 64, 16)).astype(np.float32))
        crops.forward(normal((3, 32, 32, 32)).astype(np.float32))
        linear.forward(normal((400, 512)).astype(np.float32))
    assert [(kind, operations) for kind, operations, _ in calls] == [
        ("convolution 3x3, pixels apart", 2 * 9 * 16 * 32 * 32 * 32),
        ("convolution 3x3, crops", 2 * 9 * 32 * 32 * 3 * 32 * 32),
        ("fully connected", 2 * 512 * 256 * 400),
    ]
    assert all(seconds >= 0 for *_, seconds in calls)
    assert kernel_lookup._KERNELS == before


def test_the_kernels_come_back_after_an_error():
    kernel_lookup._load_kernels()
    before = dict(kernel_lookup._KERNELS)
    with pytest.raises(RuntimeError), layers.watched([]):
        assert kernel_lookup._KERNELS != before
        raise RuntimeError
    assert kernel_lookup._KERNELS == before
