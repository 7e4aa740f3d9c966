"""ops/common.py: pairs, windows, borders and column sums."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.ops.common import add_border, as_pair, column_sum, count_windows, remove_border, taps


def test_as_pair_takes_an_int_or_a_pair():
    assert as_pair("f", "stride", 2, at_least=1) == (2, 2)
    assert as_pair("f", "stride", (1, 3), at_least=1) == (1, 3)
    assert as_pair("f", "stride", [np.int64(1), 3], at_least=1) == (1, 3)


@pytest.mark.parametrize("value", [0, -1, 1.5, (1,), (1, 2, 3), (1, 0), (1.5, 1), "2", None])
def test_as_pair_names_function_argument_and_value(value):
    with pytest.raises(ArgumentError) as caught:
        as_pair("f", "stride", value, at_least=1)
    assert str(caught.value) == (f"f: stride must be an int or a pair (h, w) of ints, each at least 1; got {value!r}")


@examples(60)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
)
def test_windows_and_taps_read_exactly_what_fits(size, kernel, stride, padding, dilation):
    padded = [s + 2 * p for s, p in zip(size, padding)]
    starts = [  # every place, one stride after the other, at which a window ends inside
        [a for a in range(0, padded[i], stride[i]) if a + dilation[i] * (kernel[i] - 1) < padded[i]] for i in (0, 1)
    ]
    if not all(starts):
        with pytest.raises(ArgumentError, match="f: kernel must have a window between 1x1 and the padded input"):
            count_windows("f", "kernel", size, kernel, stride, padding, dilation)
        return
    windows = count_windows("f", "kernel", size, kernel, stride, padding, dilation)
    assert windows == tuple(map(len, starts))
    image = np.arange(padded[0] * padded[1]).reshape(padded)
    for i, j, rows, columns in taps(kernel, stride, windows, dilation):
        wanted = image[np.ix_([a + i * dilation[0] for a in starts[0]], [a + j * dilation[1] for a in starts[1]])]
        np.testing.assert_array_equal(image[rows, columns], wanted)


def test_border_comes_and_goes():
    x = np.arange(12, dtype=np.float32).reshape(1, 2, 3, 2)
    padded = add_border(x, (1, 2), 7)
    assert padded.shape == (1, 4, 7, 2) and padded.dtype == np.float32
    assert padded.sum() == x.sum() + 7 * (padded.size - x.size)
    np.testing.assert_array_equal(remove_border(padded, (1, 2)), x)
    assert add_border(x, (0, 0)) is x


def test_column_sum_keeps_dtype_and_takes_zero_rows():
    x = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    total = column_sum(x)
    assert total.dtype == np.float32
    np.testing.assert_array_equal(total, x.sum(axis=(0, 1)))
    np.testing.assert_array_equal(column_sum(np.ones((0, 4, 3))), np.zeros(3))
