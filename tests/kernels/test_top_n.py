"""kernels/top_n.py: the same indices as sorting everything, ties included."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.kernels import top_n as fast
from tinymaskrcnn.ops.nms import top_n


@examples(60)
@given(st.integers(0, 10_000), st.sampled_from((1, 3, 40, 1000)))
def test_equals_the_text(seed, values):
    """Few different values make ties, within the n and across their end."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(1, 5), rng.integers(4, 200)
    scores = (rng.integers(-values, values, (rows, columns)) / 8).astype(rng.choice([np.float32, np.float64]))
    for n in {1, int(rng.integers(1, columns // 4 + 1)), columns // 4}:
        assert fast._takes(scores, n)
        want = top_n.readable(scores, n)
        got = fast.top_n(scores, n)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(top_n(scores, n), want)


def test_infinities_and_padding():
    scores = np.array([[-np.inf, 3, np.inf, 0, -0.0, 3, 1, 1], [-1, -1, -1, -1, -1, -1, -1, 2.0]])
    for n in (1, 2):
        np.testing.assert_array_equal(fast.top_n(scores, n), top_n.readable(scores, n))


@pytest.mark.parametrize(("shape", "n"), (((0, 8), 1), ((2, 7), 2), ((2, 8), 0)))
def test_the_rest_is_left_to_the_text(shape, n):
    scores = np.zeros(shape)
    assert not fast._takes(scores, n)
    assert top_n(scores, n).shape == (len(scores), n)


def test_numbers_that_are_none_come_last():
    scores = np.array([[1, np.nan, 3, 2, 0, 0, 0, 0]])
    assert not fast._takes(scores, 2)
    assert top_n(scores, 2).tolist() == [[2, 3]]
