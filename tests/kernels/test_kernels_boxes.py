"""kernels/boxes.py: the text's numbers to the last bit, whatever the boxes are."""

import numpy as np
import pytest

from tinymaskrcnn.kernels import boxes as fast
from tinymaskrcnn.ops import boxes

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of infinite boxes

TEXTS = {"encode": boxes.encode.__wrapped__.readable, "decode": boxes.decode.__wrapped__.readable}


def drawn(shape, rng):
    """Boxes, some of them empty, turned round or infinite."""
    corners = rng.uniform(-20, 100, (*shape, 4)).astype(np.float32)
    corners[..., 2:] += np.where(rng.random((*shape, 1)) < 0.9, 60, 0).astype(np.float32)
    corners[rng.random(shape) < 0.05] = 0
    corners[rng.random(shape) < 0.02, 1] = np.inf
    return corners


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0), (2, 3, 4, 1)])
@pytest.mark.parametrize("shape", [(1,), (300,), (2, 150), (3, 5, 7)])
@pytest.mark.parametrize("name", TEXTS)
def test_equals_the_text(name, shape, weights):
    rng = np.random.default_rng(0)
    first, anchors = drawn(shape, rng), drawn(shape, rng)
    if name == "decode":
        first = rng.normal(0, 2, first.shape).astype(np.float32)  # some beyond the clamp
    kept = first.copy(), anchors.copy()
    for options in ({}, {"clamp": 0.5}) if name == "decode" else ({},):
        wanted = TEXTS[name](first, anchors, weights=weights, **options)
        found = getattr(fast, name)(first, anchors, weights=weights, **options)
        assert (found.shape, found.dtype, found.tobytes()) == (wanted.shape, wanted.dtype, wanted.tobytes())
        assert found.flags.c_contiguous and found.flags.writeable
    assert all(a.tobytes() == b.tobytes() for a, b in zip(kept, (first, anchors)))


def test_parts_of_larger_arrays():
    rng = np.random.default_rng(1)
    wide, anchors = rng.normal(0, 1, (40, 9)).astype(np.float32), drawn((80,), rng)[::2]
    wanted = TEXTS["decode"](wide[:, 3:7], anchors)
    assert np.array_equal(fast.decode(wide[:, 3:7], anchors), wanted, equal_nan=True)


def test_the_kernel_is_found_for_float32_boxes_of_one_shape():
    rng = np.random.default_rng(2)
    a, b = drawn((6,), rng), drawn((6,), rng)
    assert fast._takes(a, b)
    for pair in ((a.astype(np.float64), b.astype(np.float64)), (a, b[:1]), (a[:0], b[:0])):
        assert not fast._takes(*pair)
        assert boxes.encode(*pair).shape == pair[0].shape


def test_its_limits_are_the_texts():
    assert (fast.LARGEST_GROWTH, fast.SMALLEST_SIDE) == (boxes.LARGEST_GROWTH, boxes.SMALLEST_SIDE)
