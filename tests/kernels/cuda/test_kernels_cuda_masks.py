"""kernels/cuda/masks.py: how a RoI sees a mask, bit for bit as the text has it; and pasted masks, pixel for pixel."""

import numpy as np
import pytest
import strict_device
from strict_device import xp

from tinymaskrcnn.models.postprocess import paste_bits, paste_masks, unpack_masks
from tinymaskrcnn.models.transform import resize_boxes
from tinymaskrcnn.ops.roi_align import adaptive_weights


def axis(rng, k, longest):
    """Intervals on an axis of at most `longest`: within a pixel, over all of it, without extent, turned over."""
    lengths = rng.integers(longest // 2, longest + 1, k)
    start = rng.uniform(0, lengths).astype(np.float32)
    end = rng.uniform(0, lengths).astype(np.float32)
    start[0], end[0], end[1] = 0, lengths[0], start[1]
    start[2:], end[2:] = np.minimum(start[2:], end[2:]), np.maximum(start[2:], end[2:])
    start[3], end[3] = 5, 2
    return start, end, lengths


def weights(where, start, end, lengths, bins, **data):
    return adaptive_weights(*(where.asarray(a) for a in (start, end)), bins, where.asarray(lengths), **data)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize(("bins", "longest"), [(7, 40), (14, 20), (28, 100), (3, 9)])
def test_weights(on_device, rng, bins, longest, aligned):
    places, data = axis(rng, 9, longest), dict(longest=longest, aligned=aligned)
    wanted = weights(np, *places, bins, **data)
    got, launched, _ = on_device(lambda: weights(xp, *places, bins, **data))
    assert launched == ["adaptive_weights"] and got.dtype == np.float32
    assert np.array_equal(got.get(), wanted)


def test_what_is_left_to_array_code(on_device, rng):
    start, end, lengths = axis(rng, 5, 20)
    data = dict(longest=20, aligned=True)
    wide = [a.astype(np.float64) for a in (start, end)]
    got, launched, _ = on_device(lambda: weights(xp, *wide, lengths, 7, **data))
    assert launched == [] and np.allclose(got.get(), weights(np, *wide, lengths, 7, **data))


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("aligned ? 0.5f : 0.0f", "0.0f"),
        ("if (!aligned && size < 1.0f) size = 1.0f;", ""),
        ("ceilf(size / bins)", "size / bins"),
        ("position <= length[k]", "position < last"),
        ("behind ? moved : 1.0f - moved", "0.5f"),
        ("fminf(fmaxf(position, 0.0f), last)", "position"),
    ],
)
def test_planted_faults_are_seen(rng, old, new):
    start, end, lengths = axis(rng, 40, 30)
    start[5:15], end[15:25] = 0, lengths[15:25]  # at the borders
    end[5:10] = 2

    def both(where):
        each = (dict(longest=30, aligned=aligned) for aligned in (True, False))
        return [weights(where, start, end, lengths, 7, **data) for data in each]

    wanted = both(np)
    with strict_device.kernels(faults={"masks": ((old, new),)}):
        got = both(xp)
    assert not all(np.allclose(g.get(), w, atol=1e-6) for g, w in zip(got, wanted))


# ---------------------------------------------------------------- pasting

OLD, NEW = [(40, 50), (64, 30)], [(40, 50), (97, 45)]


def predicted(rng, count=6, size=(7, 7)):
    """Masks of two pictures; boxes inside, partly or wholly outside, of a pixel, of none, larger than the picture."""
    corner = rng.uniform(-10, 40, (2, count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0, 40, (2, count, 2))], axis=2).astype(np.float32)
    boxes[0, 0], boxes[0, 1], boxes[1, 0], boxes[1, 1] = (
        (-90, 5, -60, 20),
        (9, 9, 9, 9),
        (-30, -40, 90, 99),
        (3, 4, 4, 5),
    )
    return rng.random((2, count, *size), dtype=np.float32), boxes


def pasted(where, masks, boxes, threshold, mode):
    """{picture: masks} by the kernel, or by the text."""
    if where is np:
        settings = dict(threshold=threshold, mode=mode)
        moved = (resize_boxes(b, old=old, new=new) for b, old, new in zip(boxes, OLD, NEW))
        return [paste_masks(m, b, height=h, width=w, **settings) for m, b, (h, w) in zip(masks, moved, NEW)]
    bits = paste_bits(where.asarray(masks), where.asarray(boxes), old=OLD, new=NEW, threshold=threshold, mode=mode)
    return [unpack_masks(b, None, height=h, width=w) for b, (h, w) in zip(bits.get(), NEW)]


@pytest.mark.parametrize("mode", ["continuous", "integer"])
@pytest.mark.parametrize("threshold", [0.5, 0.2])
def test_pasting(rng, mode, threshold):
    masks, boxes = predicted(rng)
    with strict_device.kernels() as launched, strict_device.counting() as cost:
        got = pasted(xp, masks, boxes, threshold, mode)
    assert launched == ["paste_bits"] * 2 and cost.synchronisations == 1
    uploads = [event.place for event in cost.events if event.kind == "upload"]
    assert len(uploads) == 2 and not any(
        "kernels" in place for place in uploads
    )  # masks and boxes: no scale of a picture
    for g, w in zip(got, pasted(np, masks, boxes, threshold, mode)):
        assert g.shape == w.shape and g.dtype == bool and w.any()
        assert (g != w).mean() < 1e-4  # where a value is the threshold but for a rounding


def test_without_kernels_the_host_pastes(rng):
    masks, boxes = predicted(rng)
    settings = dict(old=OLD, new=NEW, threshold=0.5, mode="integer")
    assert paste_bits(masks, boxes, **settings) is None and paste_bits(xp.asarray(masks), boxes, **settings) is None
    with strict_device.kernels() as launched:
        for more in ({"threshold": None}, {"threshold": 0}, {"mode": "other"}):
            assert paste_bits(xp.asarray(masks), xp.asarray(boxes), **(settings | more)) is None
    assert launched == []


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pixel - first + 0.5f", "pixel - first"),
        ("place = fminf(fmaxf(place, 0.0f), size + 1.0f);", "place += 0.25f;"),
        ("fmaxf(last - first + 1.0f, 1.0f)", "fmaxf(last - first, 1.0f)"),
        ("tap.near = 1.0f - (place - floored)", "tap.near = place - floored"),
        ("tap.first < size - 1) tap.far", "tap.first < size - 2) tap.far"),
        ("floored - border", "floored"),
        ("128 >> bit", "1 << bit"),
        ("soft >= threshold", "soft > 2 * threshold"),
        ("rest * step", "rest"),
        ("y.far * mask[(y.first + 1) * T", "y.far * mask[y.first * T"),
    ],
)
def test_planted_faults_in_pasting_are_seen(rng, old, new):
    masks, boxes = predicted(rng)
    with strict_device.kernels(faults={"masks": ((old, new),)}):
        got = [m for mode in ("continuous", "integer") for m in pasted(xp, masks, boxes, 0.5, mode)]
    wanted = [m for mode in ("continuous", "integer") for m in pasted(np, masks, boxes, 0.5, mode)]
    assert any((g != w).mean() > 1e-3 for g, w in zip(got, wanted))
