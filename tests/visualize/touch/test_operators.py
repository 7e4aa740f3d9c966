"""Four operators under one region: what they start from. What the page computes is asked in a browser."""

import numpy as np
import pytest
from golden import MATRIX

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.visualize import touch


def test_the_map_is_the_first_channel():
    features = np.stack([MATRIX[0, :, :, 0], 1 - MATRIX[0, :, :, 0]], axis=2)
    assert touch.roi(features).data["map"] == MATRIX[0, :, :, 0].tolist()
    assert touch.roi(MATRIX[0], (1, 2, 3, 4), output_size=3, stride=8).data["roi"] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("features", "settings", "error", "message"),
    [
        (MATRIX[0], {"box": (1, 2, 3)}, ShapeError, r"box must be \(4,\) .* got shape \(3,\)"),
        (np.zeros((8, 25)), {}, ArgumentError, r"at most 24 cells along a side; got \(8, 25\)"),
        (MATRIX[0], {"stride": 3}, ArgumentError, r"stride one of \(1, 4, 8, 16, 32\); got 2 and 3"),
        (MATRIX[0], {"output_size": 7}, ArgumentError, r"output_size one of \(1, 2, 3, 4\) .* got 7 and 16"),
    ],
)
def test_what_does_not_fit_is_named(features, settings, error, message):
    with pytest.raises(error, match=message):
        touch.roi(features, **settings)
