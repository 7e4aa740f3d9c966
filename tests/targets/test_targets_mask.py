"""Mask targets lie on the grid of the prediction."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strict_device import counting

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.ops import roi_align
from tinymaskrcnn.targets import mask
from tinymaskrcnn.targets.mask import mask_targets

WHOLE = np.array([[32, 32]])


def test_a_roi_that_fits_the_object_sees_its_mask():
    masks = np.zeros((1, 2, 32, 32), np.uint8)
    masks[0, 1, 8:16, 4:20] = 1
    rois = np.array([[4, 8, 20, 16], [4, 8, 36, 16]], np.float32)
    targets = mask_targets(masks, rois, np.array([1, 1]), sizes=WHOLE, size=8, aligned=True)
    assert targets.shape == (2, 8, 8) and targets.dtype == np.float32
    assert targets[0, 1:-1, 1:-1].min() == 1  # inside: all ink
    assert (targets[1, 1:-1, 1:3] == 1).all() and (targets[1, :, 5:] == 0).all()  # half of the wider RoI
    assert mask_targets(masks, rois, np.array([0, 0]), sizes=WHOLE, size=8, aligned=True).max() == 0  # the other object


def test_values_are_shares_of_the_bin():
    masks = np.zeros((1, 1, 16, 16), np.uint8)
    masks[0, 0, :, :6] = 1
    rois, sizes = np.array([[0, 0, 16, 16]], np.float32), np.array([[16, 16]])
    target = mask_targets(masks, rois, np.array([0]), sizes=sizes, size=4, aligned=True)
    np.testing.assert_allclose(target[0, 1], [1, 0.5, 0, 0], atol=0.13)


def drawn(count=9, size=40):
    """Masks of blobs, and boxes within the picture, one of them as large as it, one of them empty."""
    rng = np.random.default_rng(0)
    masks = (rng.random((2, 3, size, size + 8)) < 0.5).astype(np.uint8)
    corner = rng.uniform(0, size / 2, (count, 2))
    rois = np.concatenate([corner, corner + rng.uniform(0, size / 2, (count, 2))], axis=1).astype(np.float32)
    rois[0], rois[1] = (0, 0, size + 8, size), (5, 5, 5, 5)
    return masks, rois, rng.integers(0, 6, count), np.array([[size, size + 8]] * 2)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("pixels", [1, 5000, 1 << 22])
def test_equals_adaptive_roi_align(aligned, pixels, monkeypatch):
    """Also when only one mask, or three, are looked at together."""
    monkeypatch.setattr(mask, "PIXELS", pixels)
    masks, rois, matched, sizes = drawn()
    features = masks.reshape(6, 40, 48, 1).astype(np.float32)
    settings = dict(image_index=matched, output_size=7, scale=1.0, samples=0, aligned=aligned)
    wanted, _ = roi_align.roi_align_forward.readable(features, rois, **settings)
    found = mask_targets(masks, rois, matched, sizes=sizes, size=7, aligned=aligned)
    np.testing.assert_allclose(found, wanted[..., 0], atol=1e-6)
    assert mask_targets(masks, rois[:0], matched[:0], sizes=sizes, size=7, aligned=aligned).shape == (0, 7, 7)


def test_a_device_gives_the_same_without_waiting(device):
    *arrays, sizes = drawn()
    *there, sizes_there = [device.asarray(x) for x in drawn()]
    with counting() as cost:
        found = mask_targets(*there, sizes=sizes_there, size=7, aligned=True)
    assert cost.synchronisations == 0
    wanted = mask_targets(*arrays, sizes=sizes, size=7, aligned=True)
    np.testing.assert_allclose(to_host(found), wanted, atol=1e-6)


def test_memory_is_that_of_a_few_masks():
    """Large RoIs take many samples per bin: rows times columns of them, for every bin, would be over 100 MB here."""
    masks = np.ones((1, 2, 400, 600), np.uint8)
    rois = np.tile(np.array([[1, 2, 590, 390]], np.float32), (40, 1))
    tracemalloc.start()
    try:
        targets = mask_targets(masks, rois, np.zeros(40, int), sizes=np.array([[400, 600]]), size=14, aligned=True)
        assert tracemalloc.get_traced_memory()[1] < 3 * 4 * mask.PIXELS
    finally:
        tracemalloc.stop()
    assert targets.min() > 0.999


@pytest.mark.parametrize("aligned", [True, False])
@given(data=st.data())
def test_the_padding_of_the_batch_changes_nothing(aligned, data):
    """Pictures of drawn sizes in one batch, RoIs that end at their borders: what each says alone, it says padded."""
    draw = data.draw
    side, share = st.integers(1, 20), st.sampled_from([0, 0.25, 0.5, 1])
    sizes = np.array(draw(st.lists(st.tuples(side, side), min_size=1, max_size=3)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    whole = sizes.max(axis=0) + draw(st.tuples(st.integers(0, 9), st.integers(0, 9)))
    masks = np.zeros((len(sizes), 2, *whole), np.uint8)
    rois, alone = [], []
    for n, (height, width) in enumerate(sizes):
        own = masks[n, :, :height, :width] = rng.random((2, height, width)) < 0.7
        x1, y1 = (min(draw(share), 0.5) * length for length in (width, height))
        x2, y2 = (max(draw(share), 0.75) * length for length in (width, height))
        rois.append(np.array([x1, y1, x2, y2], float))
        cut = dict(sizes=sizes[n : n + 1], size=5, aligned=aligned)
        alone.append(mask_targets(own[None].astype(np.uint8), rois[-1][None], np.array([1]), **cut)[0])
    matched = 2 * np.arange(len(sizes)) + 1
    found = mask_targets(masks, np.array(rois), matched, sizes=sizes, size=5, aligned=aligned)
    np.testing.assert_allclose(found, np.array(alone), atol=1e-12)


@pytest.mark.parametrize("aligned", [True, False])
def test_an_object_at_both_borders_is_whole(aligned):
    masks = np.zeros((1, 1, 64, 64), np.uint8)
    masks[0, 0, :60, :60] = 1
    rois, sizes = np.array([[20, 20, 60, 60]], np.float32), np.array([[60, 60]])
    targets = mask_targets(masks, rois, np.array([0]), sizes=sizes, size=28, aligned=aligned)
    np.testing.assert_allclose(targets, 1, rtol=1e-6)
