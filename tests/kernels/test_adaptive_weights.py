"""kernels/adaptive_weights.py: the text's weights, without a wait for the device."""

import numpy as np
import pytest
import strict_device

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.ops.roi_align import adaptive_weights


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("aligned", [True, False])
def test_equals_the_text_and_does_not_wait(aligned, dtype, device, rng):
    """RoIs from a fraction of a pixel to the whole axis, some turned round, on axes of different lengths."""
    lengths = rng.integers(5, 40, 60)
    edges = (rng.uniform(0, 1, (2, 60)) * lengths).astype(dtype)
    edges[1, :20] = edges[0, :20] + dtype(0.3)
    edges[:, 20] = 0, lengths[20]
    wanted = adaptive_weights(*edges, 3, lengths, longest=40, aligned=aligned)
    assert wanted.dtype == dtype and wanted.any()
    arrays = [device.asarray(x) for x in (*edges, lengths)]
    with strict_device.counting() as cost:
        found = adaptive_weights(arrays[0], arrays[1], 3, arrays[2], longest=40, aligned=aligned)
    assert cost.synchronisations == 0 and found.dtype == dtype
    np.testing.assert_allclose(to_host(found), wanted, rtol=0, atol=1e-6 if dtype == np.float32 else 1e-14)


def test_the_text_waits_for_the_largest_bin(device, rng):
    """What the kernel is for."""
    edges = device.asarray(np.array([[1.0, 2.0], [7.0, 4.0]]))
    with strict_device.counting() as cost:
        adaptive_weights.readable(*edges, 3, device.asarray(np.array([8, 8])), longest=8, aligned=True)
    assert cost.synchronisations > 0
