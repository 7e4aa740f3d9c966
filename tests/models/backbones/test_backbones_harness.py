"""The harness over every network of this folder, on NumPy, the strict device array, on CuPy if asked."""

import pytest
from other_backends import BACKENDS
from registry import harness_cases


@pytest.mark.in_turn
@pytest.mark.parametrize("case", harness_cases("models/backbones"), ids=str)
def test_case(case):
    case.check(BACKENDS)
