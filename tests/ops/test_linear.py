"""ops/linear.py: against its loop definition, the harness, and its errors."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.errors import DtypeError, ShapeError
from tinymaskrcnn.ops import naive
from tinymaskrcnn.ops.linear import linear_backward, linear_forward
from tinymaskrcnn.testing import check_pair


@examples(20)
@given(K=st.integers(0, 4), C=st.integers(1, 4), O=st.integers(1, 4), seed=st.integers(0, 1000))
def test_equals_the_definition(K, C, O, seed):
    rng = np.random.default_rng(seed)
    x, weight, bias = rng.standard_normal((K, C)), rng.standard_normal((C, O)), rng.standard_normal(O)
    np.testing.assert_allclose(
        linear_forward(x, weight, bias)[0], naive.linear(x, weight, bias), rtol=1e-12, atol=1e-12
    )


def test_passes_the_harness():
    rng = np.random.default_rng(0)
    x, weight, bias = rng.standard_normal((5, 3)), rng.standard_normal((3, 4)), rng.standard_normal(4)
    check_pair(linear_forward, linear_backward, [x, weight, bias])


def test_names_the_transposed_weight():
    with pytest.raises(ShapeError, match=r"linear_forward: weight must be \(C, O\) with C = 3 .* transpose\?"):
        linear_forward(np.ones((5, 3)), np.ones((4, 3)), np.ones(4))


def test_names_the_wrong_dtype():
    with pytest.raises(DtypeError, match="linear_forward: weight must be float32 like x; got float64"):
        linear_forward(np.ones((5, 3), np.float32), np.ones((3, 4)), np.ones(4, np.float32))
