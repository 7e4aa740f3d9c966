"""kernels/pool.py: max pooling in bands equals the text to the last bit, and leaves it what is small or refused."""

import numpy as np
import pytest

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.kernels import pool as fast
from tinymaskrcnn.ops import pool

PAIR = fast.max_pool2d_forward, pool.max_pool2d_backward, pool.max_pool2d_forward, pool.max_pool2d_backward
CASES = (
    {"kernel": 3, "stride": 2, "padding": 1},
    {"kernel": 2},
    {"kernel": (3, 2), "stride": (1, 3)},
    {"kernel": (2, 5), "stride": (4, 1), "padding": (1, 2)},
    {"kernel": (9, 7)},
    {"kernel": 1, "stride": 3},
    {"kernel": 4, "stride": 3, "padding": 2},
)


@pytest.mark.parametrize("options", CASES, ids=str)
@pytest.mark.parametrize("budget", [1, 1 << 19], ids=["rows", "whole"])
def test_equals_the_text(compare_pair, normal, monkeypatch, options, budget):
    monkeypatch.setattr(fast, "BUDGET", budget)
    monkeypatch.setattr(fast, "_is_worth_it", lambda x: True)
    x = normal(2, 9, 7, 3)
    assert fast._takes(x, **options)
    compare_pair(*PAIR, (x,), **options)
    odd = x.copy()
    odd[0, 2:7, 3] = -np.inf
    odd[1, 4, 2:5, 0] = np.nan
    for image in (x, odd, odd[:, ::-1, ::2]):
        if fast._takes(image, **options):
            y, cache = fast.max_pool2d_forward(image, **options)
            wanted, text_cache = pool.max_pool2d_forward.__wrapped__.readable(image, **options)
            np.testing.assert_array_equal(y, wanted)
            assert cache[0] is image and cache[1] is y and cache[2:] == text_cache[2:]


def test_the_rest_is_left_to_the_text(gate_of, normal):
    gate = gate_of("max_pool2d_forward")
    large = np.zeros((1, 64, 64, 64), np.float32)
    assert gate(large, kernel=3, stride=2, padding=1) and gate(large, kernel=(2, 2))
    assert not gate(normal(1, 64, 64, 63), kernel=2)
    assert not gate(large.astype(np.float64), kernel=2) and not gate(large[0], kernel=2)
    for wrong in (
        {"kernel": 0},
        {"kernel": 65},
        {"kernel": 2, "padding": 2},
        {"kernel": 2.0},
        {"kernel": 2, "stride": 0},
    ):
        assert not gate(large, **wrong)
        with pytest.raises(ArgumentError, match="max_pool2d_forward"):
            pool.max_pool2d_forward(large, **wrong)
