"""Our own checks: none finds anything in the package as it is, kernels included; what they share raises."""

import numpy as np
import pytest

from tinymaskrcnn.museum.checks import CHECKS, near
from tinymaskrcnn.museum.worker import opened


@pytest.mark.parametrize("name", CHECKS)
def test_nothing_is_wrong_with_the_package(name):
    CHECKS[name](opened())


def test_every_check_says_what_it_expects():
    assert len(CHECKS) >= 12 and all(check.__doc__.strip().endswith(".") for check in CHECKS.values())


def test_nearness_sees_numbers_shapes_and_nan():
    near([1.0, 2], [1, 2 + 1e-6], "numbers")
    for got in ([1.0, 2.1], [1.0], [1.0, np.nan]):
        with pytest.raises(AssertionError, match="numbers: "):
            near(got, [1.0, 2], "numbers")
