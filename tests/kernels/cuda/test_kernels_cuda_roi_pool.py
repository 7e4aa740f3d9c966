"""kernels/cuda/roi_pool.py: the same largest pixels and, on the way back, the same sums as the text."""

import numpy as np
import pytest
import strict_device
from strict_device import xp

from tinymaskrcnn.kernels.cuda import roi_pool as fast
from tinymaskrcnn.ops import roi_pool


def drawn(rng, channels=3):
    """Whole numbers, so that pixels tie; RoIs that overlap, lie partly outside, have one pixel, are far outside."""
    features = rng.integers(0, 4, (2, 7, 6, channels)).astype(np.float32)
    rois = rng.uniform(-3, 12, (7, 2)).astype(np.float32)
    rois = np.concatenate([rois, rois + rng.uniform(0, 9, (7, 2)).astype(np.float32)], axis=1)
    rois[0], rois[1], rois[2, 2:] = (40, 40, 44, 44), rois[3], rois[2, :2]
    return features, rois, rng.integers(0, 2, 7)


def both_ways(where, features, rois, image_index, dcrops, output_size):
    settings = dict(image_index=where.asarray(image_index), output_size=output_size, scale=0.75)
    crops, cache = roi_pool.roi_pool_forward(where.asarray(features), where.asarray(rois), **settings)
    return crops, roi_pool.roi_pool_backward(where.asarray(dcrops), cache)[0]


def over_levels(where, features, rois, image_index, dcrops, output_size):
    place = dict(image_index=where.asarray(image_index), level=where.asarray(image_index), scales=[0.75, 0.375])
    pyramid = [where.asarray(level) for level in (features, features[:, ::2, ::2].copy())]
    crops, cache = roi_pool.pyramid_roi_pool_forward(pyramid, where.asarray(rois), output_size=output_size, **place)
    dpyramid, _ = roi_pool.pyramid_roi_pool_backward(where.asarray(dcrops), cache)
    return crops, *dpyramid


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("output_size", [1, 3, (2, 4)])
@pytest.mark.parametrize("run", [both_ways, over_levels])
def test_pooling(on_device, rng, run, output_size, channels):
    features, rois, image_index = drawn(rng, channels)
    rows, columns = (output_size, output_size) if isinstance(output_size, int) else output_size
    case = features, rois, image_index, rng.normal(size=(7, rows, columns, channels)).astype(np.float32), output_size
    device = run(xp, *case)  # the text on the device: bins of RoIs beyond the map are NaN there
    got, launched, _ = on_device(lambda: run(xp, *case))
    assert launched == ["largest", "add_runs"]
    for g, w in zip(got, device):
        assert g.dtype == w.dtype and g.shape == w.shape
        np.testing.assert_allclose(g.get(), w.get(), rtol=0, atol=1e-6)
    assert np.array_equal(got[0].get(), device[0].get(), equal_nan=True)


def test_no_wait_and_no_sum_in_another_order(rng):
    features, rois, image_index = drawn(rng)
    case = features, rois, image_index, np.ones((7, 3, 3, 3), np.float32), 3
    with strict_device.kernels(), strict_device.counting() as cost:
        both_ways(xp, *case)
    assert cost.synchronisations == 0 and cost.products == 0
    with strict_device.counting() as text:
        both_ways(xp, *case)
    assert text.sparse_waits >= 2


def test_not_a_number_is_handed_on(rng):
    features, rois, image_index = drawn(rng)
    features[:, 3, 3] = np.nan
    case = features, rois, image_index, np.ones((7, 2, 2, 3), np.float32), 2
    wanted = both_ways(xp, *case)[0].get()
    with strict_device.kernels():
        assert np.array_equal(both_ways(xp, *case)[0].get(), wanted, equal_nan=True) and np.isnan(wanted).any()


def test_what_is_left_to_the_text(rng):
    features, rois, image_index = drawn(rng)
    wide = features.astype(np.float64), rois.astype(np.float64), image_index, np.ones((7, 2, 2, 3)), 2
    none = features, rois[:0], image_index[:0], np.ones((0, 2, 2, 3), np.float32), 2
    for case in (wide, none):
        with strict_device.kernels() as launched:
            both_ways(xp, *case)
        assert launched == []


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("value > best", "value >= best"),
        ("place = down * reach + across", "place = down + across"),
        ("odd = odd || value != value;", ""),
        ("rows > 0 && columns > 0 ? best : 0.0f", "best"),
        ("before + across)", "across)"),
        ("if (place > 0 && receiver[order[place - 1]] == mine) return;", ""),
        ("receiver[order[next]] == mine; ++next", "next == place; ++next"),
    ],
)
def test_planted_faults_are_seen(rng, old, new):
    features, rois, image_index = drawn(rng)
    features[:, 2, 2] = np.nan
    rois[3:] = 0, 0, 6, 6
    case = features, rois, image_index, rng.normal(size=(7, 4, 4, 3)).astype(np.float32), 4
    wanted = both_ways(xp, *case)
    with strict_device.kernels(faults={"roi_pool": ((old, new),)}):
        got = both_ways(xp, *case)
    assert not all(np.allclose(g.get(), w.get(), atol=1e-6, equal_nan=True) for g, w in zip(got, wanted))


def test_empty_bins_give_to_nobody(rng, monkeypatch):
    """All of them together would be one long run, which one thread adds up."""
    features, rois, image_index = drawn(rng)
    rois[:] = 40, 40, 44, 44
    rois[0] = 0, 0, 8, 8
    receivers, add_up = [], fast.launch

    def watched(source, kernel, threads, *args):
        receivers.extend(args[2].get() if kernel == "add_runs" else [])
        add_up(source, kernel, threads, *args)

    monkeypatch.setattr(fast, "launch", watched)
    case = features, rois, image_index, np.full((7, 2, 2, 3), np.nan, np.float32), 2
    case[3][0] = 1
    with strict_device.kernels():
        crops, dfeatures = both_ways(xp, *case)
    assert (np.array(receivers) >= 0).sum() == crops[0].size  # those of the one RoI that lies in its picture
    assert dfeatures.get().sum() == crops[0].size
