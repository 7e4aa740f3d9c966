"""kernels/cuda/taps.py: crops as weighted sums of pixels without a sparse matrix, without a wait, in a fixed order."""

import numpy as np
import pytest
import strict_device
from strict_device import xp

from tinymaskrcnn.ops import roi_align, roi_warp
from tinymaskrcnn.ops.prroi_pool import prroi_pool_backward, prroi_pool_forward
from tinymaskrcnn.ops.roi_samples import matrix

LAUNCHED = ["read_taps", "tap_bounds", "collect_taps"]


def taps(rng, *, own_widths):
    """Pixels of three maps, and what the bins of four RoIs read of them, some of it twice and some of it nothing."""
    widths = np.array([6, 6, 5, 4] if own_widths else [6] * 4)
    start = np.array([0, 30, 60, 60])
    y = rng.integers(0, 5, (4, 3, 5)).astype(np.int32), rng.random((4, 3, 5), dtype=np.float32)
    x = rng.integers(0, 4, (4, 2, 6)).astype(np.int32), rng.random((4, 2, 6), dtype=np.float32)
    y[1][:, 1, 2], x[1][0], x[0][2] = 0, 0, 1
    width = widths.astype(np.float32)[:, None, None] if own_widths else 6
    return y, x, dict(start=start, width=width, num_pixels=90)


def products(where, y, x, place, pixels, dcrops):
    place = {name: where.asarray(value) if isinstance(value, np.ndarray) else value for name, value in place.items()}
    A = matrix(tuple(map(where.asarray, y)), tuple(map(where.asarray, x)), **place)
    crops = A @ where.asarray(pixels)
    return crops, roi_align.transposed(A, crops) @ where.asarray(dcrops)


@pytest.mark.parametrize("channels", [1, 3, 9])
@pytest.mark.parametrize("own_widths", [False, True])
def test_both_products(on_device, rng, own_widths, channels):
    y, x, place = taps(rng, own_widths=own_widths)
    pixels, dcrops = (rng.normal(size=(n, channels)).astype(np.float32) for n in (90, 24))
    wanted = products(np, y, x, place, pixels, dcrops)
    got, launched, _ = on_device(lambda: products(xp, y, x, place, pixels, dcrops))
    assert launched == LAUNCHED
    for g, w in zip(got, wanted):
        assert (g.dtype, g.shape) == (np.float32, w.shape)
        np.testing.assert_allclose(g.get(), w, rtol=0, atol=3e-6 * abs(w).max())


@pytest.mark.parametrize(
    ("forward", "backward", "settings"),
    [
        (roi_warp.roi_warp_forward, roi_warp.roi_warp_backward, {}),
        (prroi_pool_forward, prroi_pool_backward, {}),
        (roi_align.roi_align_forward, roi_align.roi_align_backward, {"samples": 2}),
    ],
    ids=["warp", "prroi", "align"],
)
def test_operators_whose_boxes_learn_never_wait(normal, forward, backward, settings):
    """With the sparse matrices of the text a device waits for each of these, in both directions."""
    rois = xp.asarray(np.array([[1.0, 2, 9, 11], [0.5, 0.25, 4, 15]], np.float32))
    place = dict(image_index=xp.asarray([1, 0]), output_size=3, scale=0.5, box_gradient=True, **settings)

    def both():
        crops, cache = forward(normal(2, 9, 8, 3), rois, **place)
        return backward(crops, cache)

    with strict_device.kernels() as launched, strict_device.counting() as cost:
        both()
    assert launched == LAUNCHED and cost.synchronisations == 0
    with strict_device.counting() as text:
        both()
    assert text.sparse_waits == text.synchronisations >= 3


def test_what_is_left_to_the_text(on_device, rng):
    y, x, place = taps(rng, own_widths=False)
    wide = (y[0], y[1].astype(np.float64)), (x[0], x[1].astype(np.float64))
    with strict_device.kernels() as launched:
        products(xp, *wide, place, np.ones((90, 1)), np.ones((24, 1)))
    assert launched == []


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("down_weight[a] * across_weight[b]", "down_weight[a]"),
        ("down[a] * wide", "down[a] * 6"),
        ("wide = width ? width[k] : row", "wide = 6"),
        ("max(*end, pixel[tap] + 1)", "max(*end, pixel[tap])"),
        ("if (pixel[tap] == wanted) sum", "if (pixel[tap] == wanted && sum == 0.0f) sum"),
        ("if (behind < 0) continue;", "if (behind <= 0) continue;"),
        ("my_column < bound[2]", "my_column <= bound[2]"),
        ("float weight = of_row *", "float weight ="),
    ],
)
def test_planted_faults_are_seen(rng, old, new):
    y, x, place = taps(rng, own_widths=True)
    pixels, dcrops = (rng.normal(size=(n, 5)).astype(np.float32) for n in (90, 24))
    wanted = products(np, y, x, place, pixels, dcrops)
    with strict_device.kernels(faults={"taps": ((old, new),)}):
        got = products(xp, y, x, place, pixels, dcrops)
    assert not all(np.allclose(g.get(), w, atol=1e-5) for g, w in zip(got, wanted))
