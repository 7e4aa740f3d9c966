"""kernels/winograd.py: the algebra exactly, and how much float32 loses."""

from fractions import Fraction

import numpy as np
import pytest

from tinymaskrcnn.kernels import winograd
from tinymaskrcnn.kernels.threads import run
from tinymaskrcnn.ops import conv


@pytest.mark.parametrize("m", [2, 4])
def test_the_identity_holds_in_fractions(m):
    exact = [[[Fraction(v).limit_denominator(24) for v in row] for row in t[m]] for t in winograd_tables()]
    A_T, G, B_T = (np.array(rows, dtype=object) for rows in exact)
    x = np.array([Fraction(v) for v in (3, -1, 4, 1, -5, 9)[: m + 2]], dtype=object)
    weight = np.array([Fraction(v) for v in (2, -7, 1)], dtype=object)
    wanted = [sum(x[i + k] * weight[k] for k in range(3)) for i in range(m)]
    assert list(A_T @ ((G @ weight) * (B_T @ x))) == wanted


def winograd_tables():
    return winograd._A_T, winograd._G, winograd._B_T


@pytest.mark.parametrize("m", [2, 4])
@pytest.mark.parametrize("C", [16, 64, 256])
def test_error_stays_below_2e_5_of_the_largest_output(normal, m, C):
    x, weight = normal(1, 13, 22, C), normal(3, 3, C, 32)
    y = np.empty((1, 13, 22, 32), np.float32)
    run(winograd.correlate_jobs(y, x, winograd.transformed_weight(weight, m), None, origin=(-1, -1), m=m))
    wanted, _ = conv.conv2d_forward.readable(x.astype(np.float64), weight.astype(np.float64), None, padding=1)
    assert abs(y - wanted).max() < 2e-5 * abs(wanted).max()


def test_sums_equal_the_matrix(normal):
    pixels = normal(10, 14, 24)
    by_sums = winograd._transform_by_sums(pixels, 4, 6, 2).reshape(16, -1).copy()
    by_matrix = winograd._transform_by_matrix(pixels, 4, 6, 2)
    np.testing.assert_allclose(by_sums, by_matrix, atol=1e-5)
