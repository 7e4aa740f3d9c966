"""models/crops.py: the last map of any body, and both kinds of features in one pass."""

import numpy as np
import pytest

from tinymaskrcnn.config import BackboneConfig
from tinymaskrcnn.models.build import build_body
from tinymaskrcnn.models.crops import CropNetwork, last_map

RNG = np.random.default_rng


@pytest.mark.parametrize(("size", "side"), [(32, 1), (64, 2), (96, 3)])
def test_the_last_map_is_asked_for_without_a_trace(size, side):
    body = build_body(BackboneConfig(widths=(4, 4, 6, 8), depths=(1, 1, 1, 1), in_channels=2), rng=RNG(0))
    before = body.state_dict()
    assert last_map(body, size, 2) == (side, 8)
    assert body.training and all((array == before[name]).all() for name, array in body.state_dict().items())


def test_features_are_what_forward_goes_through():
    body = build_body(BackboneConfig(widths=(4, 4, 6, 8), depths=(1, 1, 1, 1)), rng=RNG(0))
    network = CropNetwork(body, 8, 2, 5, rng=RNG(1)).eval()
    crops = RNG(2).normal(size=(3, 64, 64, 1)).astype(np.float32)
    pool5, fc7 = network.features(crops)
    np.testing.assert_array_equal(fc7, network.forward(crops)[0])
    np.testing.assert_array_equal(pool5, body.forward(crops)[0][-1].reshape(3, -1))
    assert [name for name, _ in network.named_parameters()][-4:] == ["fc6.weight", "fc6.bias", "fc7.weight", "fc7.bias"]
