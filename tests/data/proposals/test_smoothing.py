"""Smoothing against SciPy, channel by channel, and what type comes out."""

import numpy as np
import pytest
from scipy import ndimage

from tinymaskrcnn.data.proposals.smoothing import smooth


@pytest.mark.parametrize("order", [(0, 0), (1, 0), (0, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_every_channel_alone_in_double_precision(dtype, order, rng):
    image = (rng.random((7, 9, 2)) * 200).astype(dtype)
    found = smooth(image, sigma=1.3, order=order)
    assert found.dtype == np.float64
    for channel in range(2):
        wanted = ndimage.gaussian_filter(image[..., channel].astype(np.float64), 1.3, order=order)
        np.testing.assert_allclose(found[..., channel], wanted, atol=1e-10)
    np.testing.assert_array_equal(smooth(image, sigma=1.3), smooth(image, sigma=1.3, order=(0, 0)))
