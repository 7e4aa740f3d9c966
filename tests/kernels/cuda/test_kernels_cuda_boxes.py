"""kernels/cuda/boxes.py: the overlap of all pairs, bit for bit that of the text."""

import numpy as np
import pytest
import strict_device
from strict_device import xp

from tinymaskrcnn.ops import boxes


def some_boxes(rng, *shape):
    """Whole numbers, so that boxes touch, coincide, have no extent and are turned over; one is not a number."""
    drawn = rng.integers(0, 9, (*shape, 4)).astype(np.float32)
    drawn[..., 2:] += drawn[..., :2] - 2
    drawn[..., -1, 0] = np.nan
    return drawn


SHAPES = [((7,), (5,)), ((3, 7), (3, 5)), ((1, 40), (3, 50)), ((3, 7), (1, 5)), ((1, 1), (1, 1)), ((4, 1), (4, 3))]


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_iou_matrix(on_device, rng, a, b):
    a, b = some_boxes(rng, *a), some_boxes(rng, *b)
    wanted = boxes.iou_matrix(a, b)
    device_a, device_b = xp.asarray(a), xp.asarray(b)
    iou, launched, operations = on_device(lambda: boxes.iou_matrix(device_a, device_b))
    assert launched == ["iou_matrix"] and operations == 2
    assert iou.dtype == np.float32 and np.array_equal(iou.get(), wanted, equal_nan=True)


@pytest.mark.parametrize(("a", "b"), [((0,), (5,)), ((3, 7), (3, 0)), ((2, 3, 4), (2, 3, 4)), ((5,), (2, 3))])
def test_what_is_left_to_the_text(on_device, a, b):
    a, b = np.zeros((*a, 4), np.float32), np.ones((*b, 4), np.float32)
    device_a, device_b = xp.asarray(a), xp.asarray(b)
    iou, launched, _ = on_device(lambda: boxes.iou_matrix(device_a, device_b))
    assert launched == [] and iou.shape == boxes.iou_matrix(a, b).shape


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("both > 0.0f ? both : 1.0f", "both"),
        ("image * a_step", "0"),
        ("i / M % K * 4", "i / M * 4"),
        ("area(a) + area(b) - intersection", "area(a) + area(b)"),
        ("larger(smaller(a[3], b[3]) - larger(a[1], b[1]), 0.0f)", "smaller(a[3], b[3]) - larger(a[1], b[1])"),
    ],
)
def test_planted_faults_are_seen(rng, old, new):
    a, b = some_boxes(rng, 3, 40), some_boxes(rng, 3, 30)
    with strict_device.kernels(faults={"boxes": ((old, new),)}):
        iou = boxes.iou_matrix(xp.asarray(a), xp.asarray(b))
    assert not np.array_equal(iou.get(), boxes.iou_matrix(a, b), equal_nan=True)
