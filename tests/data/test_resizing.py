"""The size a model works at."""

import dataclasses

import numpy as np
import pytest

from tinymaskrcnn.config import ModelConfig
from tinymaskrcnn.data.resizing import resize_to_config, resized_size
from tinymaskrcnn.errors import ArgumentError

PHOTOGRAPHS = dataclasses.replace(ModelConfig(), resize_shorter=800, resize_longer=1333)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((480, 640), (800, 1066)),  # 1066.67 is rounded down
        ((640, 480), (1066, 800)),
        ((400, 1000), (533, 1333)),  # the longer side decides
        ((427, 640), (800, 1199)),
        ((800, 1333), (800, 1333)),
        ((2000, 2000), (800, 800)),
        ((1, 1), (800, 800)),
    ],
)
def test_sizes(size, wanted):
    assert resized_size(*size, PHOTOGRAPHS) == wanted
    assert resized_size(*size, ModelConfig()) == size


def test_a_picture_of_the_right_size_is_left_alone():
    image = np.random.default_rng(0).random((30, 40, 1), dtype=np.float32)
    assert resize_to_config(image, ModelConfig()) is image
    config = dataclasses.replace(ModelConfig(), resize_shorter=60, resize_longer=70)
    resized = resize_to_config(image, config)
    assert resized.shape == (52, 70, 1) and resized.dtype == np.float32
    np.testing.assert_allclose(resized.mean(), image.mean(), atol=0.02)
    assert resize_to_config(resized, config).shape == (52, 70, 1)


def test_a_strip_that_would_vanish_is_named():
    config = dataclasses.replace(ModelConfig(), resize_shorter=8, resize_longer=16)
    with pytest.raises(ArgumentError, match="a picture of 1000x2 pixels has no pixel left"):
        resize_to_config(np.zeros((2, 1000, 1), np.float32), config)
