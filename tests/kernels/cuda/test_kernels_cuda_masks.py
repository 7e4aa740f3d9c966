"""kernels/cuda/masks.py: how a RoI sees a mask, bit for bit as the text has it."""

import numpy as np
import pytest
import strict_device
from strict_device import xp

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
