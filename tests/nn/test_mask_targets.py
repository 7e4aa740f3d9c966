"""nn/mask_targets.py: the text's targets, from the parts of the masks that the RoIs see."""

import numpy as np
import pytest
from kernels.conftest import close, identical, on_threads

from tinymaskrcnn.nn import mask_targets as fast
from tinymaskrcnn.targets import roi

text = roi.mask_targets.readable


def drawn(count=30, dtype=np.uint8):
    """Masks of two padded pictures, and RoIs in them: one as large as its picture, one empty, one at the border."""
    rng = np.random.default_rng(0)
    masks, sizes = (rng.random((2, 3, 60, 72)) < 0.5).astype(dtype), np.array([[60, 72], [41, 50]])
    masks[1, :, 41:] = masks[1, :, :, 50:] = 0
    corner = rng.uniform(0, 40, (count, 2))
    rois = np.concatenate([corner, np.minimum(corner + rng.uniform(0, 30, (count, 2)), [50, 41])], axis=1)
    rois[0], rois[1], rois[2] = (0, 0, 50, 41), (5, 5, 5, 5), (49, 40, 50, 41)
    return masks, rois.astype(np.float32), rng.integers(0, 6, count), sizes


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, bool])
@pytest.mark.parametrize("size", [7, 28])
def test_equals_the_text(aligned, dtype, size):
    *arrays, sizes = drawn(dtype=dtype)
    masks, rois, matched = arrays
    wanted = text(masks, rois.astype(np.float64), matched, sizes=sizes, size=size, aligned=aligned)
    results = on_threads(lambda: roi.mask_targets(*arrays, sizes=sizes, size=size, aligned=aligned))
    close(results[0], wanted)
    identical(results)


def test_what_lies_beyond_a_roi_is_not_looked_at():
    masks, rois, matched, sizes = drawn(dtype=np.float32)
    settings = dict(sizes=sizes, size=7, aligned=True)
    rois[:], matched[:] = (10, 10, 20, 20), 0
    wanted = fast.mask_targets(masks, rois, matched, **settings)
    masks[0, 0, 24:], masks[0, 0, :, :6] = np.nan, np.nan
    identical([wanted, fast.mask_targets(masks, rois, matched, **settings)])


def test_what_the_kernel_takes():
    masks, rois, matched, _ = drawn()
    assert fast._takes(masks, rois, matched)
    assert not fast._takes(masks, rois.astype(np.float64), matched)
    assert not fast._takes(masks[:, :0], rois, matched)
    assert not fast._takes(masks.tolist(), rois, matched)
    assert roi.mask_targets(masks, rois[:0], matched[:0], sizes=drawn()[3], size=7, aligned=True).shape == (0, 7, 7)
