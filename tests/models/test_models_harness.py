"""The harness over every whole network and part of models/, on NumPy, the strict device array, on CuPy if asked."""

import pytest
from other_backends import BACKENDS
from registry import harness_cases

# Whole networks of parts that are cases of their own, too; evidence.py asks all of them.
LONG = (
    "MaskRCNN-group-(4, 4)",
    "MaskRCNN-group-('box',)",
    "MaskRCNN-group-('box',)-pool",
    "MaskRCNN-group-('box',)-warp",
    "MaskRCNN-group-('box',)-prroi",
    "MaskRCNN-group-no_lateral-fc",
    "MaskRCNN-frozen-('box', 'keypoint')",
    "ExactJointMaskRCNN-frozen-(4, 4)-features-0.15",
    "ExactJointMaskRCNN-group-features+targets-0.15",
    "ExactJointMaskRCNN-group-features+targets-0.15-c4",
)
CASES = [
    pytest.param(case, id=str(case), marks=pytest.mark.long if str(case) in LONG else [])
    for case in harness_cases("models")
]


def test_the_long_ones_are_among_the_cases():
    assert set(LONG) < {case.id for case in CASES}


@pytest.mark.in_turn
@pytest.mark.parametrize("case", CASES)
def test_case(case):
    case.check(BACKENDS)
