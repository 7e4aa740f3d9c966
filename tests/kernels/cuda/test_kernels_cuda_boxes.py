"""kernels/cuda/boxes.py: overlaps bit for bit as in the text, deltas and back but for exp and log, clipping."""

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


@pytest.mark.in_turn
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


# ---------------------------------------------------------------- deltas

PAIRS = [((7,), (7,)), ((3, 7), (1, 7)), ((3, 7), (7,)), ((2, 3, 5), (3, 5)), ((2, 6), (2, 6)), ((1, 1), (1, 1))]
WEIGHTS = (10.0, 9.0, 5.0, 6.0)


def equal_but_for_exp(got, wanted, atol=0.0):
    assert got.dtype == np.float32 and got.shape == wanted.shape
    np.testing.assert_allclose(got.get(), wanted, rtol=1e-6, atol=atol)


@pytest.mark.parametrize("weights", [(1.0,) * 4, WEIGHTS])
@pytest.mark.parametrize(("many", "few"), PAIRS)
def test_encode_and_decode(on_device, rng, many, few, weights):
    some, anchors = some_boxes(rng, *many), some_boxes(rng, *few)
    deltas = rng.normal(0, 3, (*many, 4)).astype(np.float32)
    deltas[..., 0, 2] = 99  # held at the largest growth
    data = dict(weights=weights)
    wanted = boxes.encode(some, anchors, **data), boxes.decode(deltas, anchors, **data)
    device = [xp.asarray(array) for array in (some, anchors, deltas)]
    encoded, launched, operations = on_device(lambda: boxes.encode(device[0], device[1], **data))
    assert launched == ["encode"] and operations == 2
    equal_but_for_exp(encoded, wanted[0], atol=1e-6)
    decoded, launched, operations = on_device(lambda: boxes.decode(device[2], device[1], **data))
    assert launched == ["decode"] and operations == 2
    equal_but_for_exp(decoded, wanted[1], atol=1e-4)


def test_views_and_a_clamp(on_device, rng):
    anchors, deltas = some_boxes(rng, 6, 2), rng.normal(0, 3, (6, 3, 4)).astype(np.float32)
    wanted = boxes.decode(deltas[:, 1], anchors[:, 0], clamp=0.5)
    device_anchors, device_deltas = xp.asarray(anchors), xp.asarray(deltas)
    got, launched, _ = on_device(lambda: boxes.decode(device_deltas[:, 1], device_anchors[:, 0], clamp=0.5))
    assert launched == ["decode"]
    equal_but_for_exp(got, wanted, atol=1e-4)


@pytest.mark.parametrize(("shape", "sizes"), [((7,), (7,)), ((3, 7), (3, 1)), ((3, 7), (3, 7)), ((2, 3, 5), (2, 1, 1))])
def test_clip(on_device, rng, shape, sizes):
    some = some_boxes(rng, *shape)
    height, width = (rng.integers(2, 7, sizes).astype(np.float32) for _ in range(2))
    wanted = boxes.clip(some, height=height, width=width)
    moved = [xp.asarray(array) for array in (some, height, width)]
    got, launched, operations = on_device(lambda: boxes.clip(moved[0], height=moved[1], width=moved[2]))
    assert launched == ["clip"] and operations == 2
    assert got.dtype == np.float32 and np.array_equal(got.get(), wanted, equal_nan=True)


def test_deltas_that_are_left_to_the_text(on_device):
    def zeros(*shape, dtype=np.float32):
        return xp.asarray(np.zeros((*shape, 4), dtype))

    for a, b in ((zeros(0), zeros(0)), (zeros(2, 1), zeros(2, 3)), (zeros(3, dtype=float), zeros(3, dtype=float))):
        assert on_device(lambda: boxes.encode(a, b))[1] == on_device(lambda: boxes.decode(a, b))[1] == []  # noqa: B023
    assert on_device(lambda: boxes.clip(zeros(3), height=4, width=5))[1] == []


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("wx * (g.x - a.x) / aw", "wx * (g.x - a.x) / ah"),
        ("wh * logf(gh / ah)", "ww * logf(gh / ah)"),
        ("larger(a.h, SMALLEST_SIDE)", "a.h"),
        ("anchors + 4 * (i % some));\n    float gw", "anchors);\n    float gw"),
        ("d[1] / wy * a.h", "d[1] * a.h"),
        ("smaller(d[2] / ww, clamp)", "d[2] / ww"),
        ("cy + h / 2.0f", "cy + h"),
        ("corner % 2 ? height", "corner % 2 ? width"),
        ("width[i / every]", "width[0]"),
        ("larger(boxes[4 * i + corner], 0.0f)", "boxes[4 * i + corner]"),
    ],
)
def test_planted_faults_in_deltas_are_seen(rng, old, new):
    some, anchors, deltas = some_boxes(rng, 3, 9), some_boxes(rng, 1, 9), rng.normal(0, 20, (3, 9, 4))
    sizes = [rng.integers(2, 7, (3, 1)).astype(np.float32) for _ in range(2)]

    def everything(where):
        a, b, d, height, width = (where.asarray(array) for array in (some, anchors, deltas.astype(np.float32), *sizes))
        clipped = boxes.clip(a, height=height, width=width)
        return boxes.encode(a, b, weights=WEIGHTS), boxes.decode(d, b, weights=WEIGHTS), clipped

    wanted = everything(np)
    with np.errstate(all="ignore"), strict_device.kernels(faults={"boxes": ((old, new),)}):
        got = everything(xp)
    assert not all(np.allclose(g.get(), w, rtol=1e-5, atol=1e-4, equal_nan=True) for g, w in zip(got, wanted))
