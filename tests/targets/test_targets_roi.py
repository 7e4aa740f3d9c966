"""Which RoIs the heads see: counts, order, labels and deltas; the masks lie on the grid of the prediction."""

import dataclasses
import tracemalloc

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from strict_device import counting

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.config import RoIConfig
from tinymaskrcnn.ops import boxes, roi_align
from tinymaskrcnn.structures import TargetBatch
from tinymaskrcnn.targets import roi
from tinymaskrcnn.targets.roi import mask_targets, sample_rois

CONFIG = RoIConfig(samples_per_image=8)


def batch(rng, *, images=3, objects=2, proposals=12, empty=()):
    corners = rng.uniform(0, 60, (images, proposals, 2))
    found = np.concatenate([corners, corners + rng.uniform(8, 30, corners.shape)], axis=-1).astype(np.float32)
    truth = found[:, :objects] + 1  # some proposals overlap the objects well
    valid = np.ones((images, objects), bool)
    valid[list(empty)] = False
    truth[~valid] = 0
    labels = np.where(valid, rng.integers(1, 11, (images, objects)), 0)
    targets = TargetBatch(truth, labels, np.zeros((images, objects, 96, 96), np.uint8), valid)
    return found, np.ones((images, proposals), bool), targets


@examples(30)
@given(st.integers(0, 1000))
def test_samples_are_consistent(seed):
    rng = np.random.default_rng(seed)
    proposals, valid, targets = batch(rng, empty=(1,))
    samples = sample_rois(proposals, valid, targets, CONFIG, rng=rng)
    assert (samples.weight == 1).all()  # padding is dropped on the host
    assert (np.diff(samples.image_index) >= 0).all()
    per_image = np.bincount(samples.image_index, minlength=3)
    assert (per_image <= 8).all()
    assert (np.bincount(samples.image_index[samples.mask_rows], minlength=3) <= 2).all()  # 25 % positive
    assert (samples.labels[samples.mask_rows] > 0).all()
    assert (samples.labels > 0).sum() == len(samples.mask_rows)
    assert not (samples.image_index[samples.mask_rows] == 1).any()  # the image without objects
    flat_boxes, flat_labels = targets.boxes.reshape(-1, 4), targets.labels.reshape(-1)
    rows = samples.mask_rows
    decoded = boxes.decode(samples.deltas[rows], samples.rois[rows], weights=CONFIG.delta_weights)
    np.testing.assert_allclose(decoded, flat_boxes[samples.matched[rows]], atol=1e-3)
    np.testing.assert_array_equal(samples.labels[rows], flat_labels[samples.matched[rows]])


@pytest.mark.parametrize("where", ["here", "device"])
def test_every_roi_knows_its_row(where, device):
    """Among the proposals of its image and the objects behind them; none is drawn twice."""
    proposals, valid, targets = batch(np.random.default_rng(8), empty=(1,))
    valid[:, 9:] = False
    together, _ = roi.append_objects(proposals, valid, targets)
    arrays = proposals, valid, targets
    if where == "device":
        moved = TargetBatch(*(device.asarray(x) for x in (targets.boxes, targets.labels, targets.masks, targets.valid)))
        arrays = device.asarray(proposals), device.asarray(valid), moved
    samples = sample_rois(*arrays, CONFIG, rng=np.random.default_rng(9))
    names = "rois", "image_index", "row", "weight"
    rois, image, row, weight = (to_host(getattr(samples, name)) for name in names)
    np.testing.assert_array_equal(rois[weight > 0], together[image, row][weight > 0])
    assert len(set(zip(image.tolist(), row.tolist()))) == len(row) and (row >= proposals.shape[1]).any()
    picked = samples.positives()
    np.testing.assert_array_equal(to_host(picked.row), row[to_host(samples.mask_rows)])


def test_objects_themselves_are_proposals():
    rng = np.random.default_rng(0)
    proposals, valid, targets = batch(rng)
    samples = sample_rois(proposals * 0, valid & False, targets, CONFIG, rng=rng)
    assert len(samples.rois) == 6  # nothing but the six objects
    np.testing.assert_array_equal(np.sort(samples.labels), np.sort(targets.labels.reshape(-1)))
    np.testing.assert_allclose(samples.deltas, 0, atol=1e-6)


def test_every_image_of_a_large_batch_has_its_positives():
    rng = np.random.default_rng(1)
    proposals, valid, targets = batch(rng, images=7)
    samples = sample_rois(proposals, valid, targets, CONFIG, rng=rng)
    assert np.unique(samples.image_index[samples.mask_rows]).tolist() == list(range(7))
    np.testing.assert_array_equal(samples.mask_rows, np.flatnonzero(samples.labels))
    assert samples.mask_weight.tolist() == [1] * len(samples.mask_rows)


def test_few_candidates_may_all_be_positive():
    """The quota of positives is a share of what is asked for, not of what is there, as in torchvision."""
    rng = np.random.default_rng(0)
    proposals, valid, targets = batch(rng, images=1, objects=2, proposals=6)
    close = np.repeat(targets.boxes[:, :1], 6, axis=1) + rng.uniform(0, 0.5, (1, 6, 4)).astype(np.float32)
    samples = sample_rois(close, valid, targets, dataclasses.replace(CONFIG, samples_per_image=32), rng=rng)
    assert (samples.labels > 0).sum() == len(samples.rois) == 8  # a quarter of 32; six proposals and two objects


def test_more_samples_than_there_is_to_choose_from():
    rng = np.random.default_rng(2)
    proposals, valid, targets = batch(rng, images=2, proposals=3)
    config = dataclasses.replace(CONFIG, samples_per_image=64, positive_fraction=1.0)
    samples = sample_rois(proposals, valid, targets, config, rng=rng)
    assert len(samples.rois) == 2 * (3 + 2)  # every proposal and every object


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_have_the_type_of_the_proposals(dtype):
    rng = np.random.default_rng(3)
    proposals, valid, targets = batch(rng)
    targets = dataclasses.replace(targets, boxes=targets.boxes.astype(dtype))
    samples = sample_rois(proposals.astype(dtype), valid, targets, CONFIG, rng=rng)
    assert {x.dtype for x in (samples.rois, samples.deltas, samples.weight, samples.mask_weight)} == {np.dtype(dtype)}


@pytest.mark.parametrize("norm", [{}, {"box_norm": "batch"}, {"mask_norm": "batch"}])
def test_a_device_keeps_the_padding_unless_a_norm_would_see_it(norm, device):
    """There the shapes are fixed, and the weights say what counts; what counts is what the host has."""
    proposals, valid, targets = batch(np.random.default_rng(4), empty=(1,))
    valid[:, 4:] = False
    config = dataclasses.replace(CONFIG, **norm)
    here = sample_rois(proposals, valid, targets, config, rng=np.random.default_rng(5))
    moved = TargetBatch(*(device.asarray(x) for x in (targets.boxes, targets.labels, targets.masks, targets.valid)))
    arrays = device.asarray(proposals), device.asarray(valid)
    there = sample_rois(*arrays, moved, config, rng=np.random.default_rng(5))
    weight, mask_weight, rois_type = to_host(there.weight), to_host(there.mask_weight), np.dtype(np.float32)
    if norm:
        assert (weight == 1).all() and (mask_weight == 1).all()
    else:  # as many as there are to choose from: twelve proposals and two objects, or the eight that are asked for
        assert len(weight) == 3 * 8 and len(mask_weight) == 3 * 2 and 0 < weight.sum() < len(weight)
        np.testing.assert_array_equal(to_host(there.rois)[weight == 0], [[0, 0, 1, 1]] * int((weight == 0).sum()))
        assert not to_host(there.deltas)[weight == 0].any() and not to_host(there.labels)[weight == 0].any()
    assert {to_host(x).dtype for x in (there.rois, there.deltas, there.weight, there.mask_weight)} == {rois_type}
    assert weight.sum() == len(here.rois) and mask_weight.sum() == len(here.mask_rows)
    np.testing.assert_allclose(to_host(there.rois)[weight > 0], here.rois)
    positive = to_host(there.mask_rows)[mask_weight > 0]
    np.testing.assert_array_equal(to_host(there.labels)[positive], here.labels[here.mask_rows])


def test_what_padding_leaves_behind_stays_together():
    """The first picture has nothing to fill its rows with; the rows of the second move up, each with its answers."""
    proposals, valid, targets = batch(np.random.default_rng(6), images=2)
    valid[0] = False
    samples = sample_rois(proposals, valid, targets, CONFIG, rng=np.random.default_rng(7))
    assert np.bincount(samples.image_index).tolist() == [2, 8]
    fields = dataclasses.asdict(samples)
    assert {len(fields.pop(name)) for name in ("mask_rows", "mask_weight")} == {4}
    assert {len(field) for field in fields.values()} == {10}
    rows = samples.mask_rows
    decoded = boxes.decode(samples.deltas[rows], samples.rois[rows], weights=CONFIG.delta_weights)
    np.testing.assert_allclose(decoded, targets.boxes.reshape(-1, 4)[samples.matched[rows]], atol=1e-3)
    assert not samples.deltas[samples.labels == 0].any()


def test_nothing_at_all_gives_zero_rows():
    rng = np.random.default_rng(0)
    proposals, valid, targets = batch(rng, empty=(0, 1, 2))
    samples = sample_rois(proposals, valid & False, targets, CONFIG, rng=rng)
    assert samples.rois.shape == (0, 4) and samples.mask_rows.shape == (0,)


# ---------------------------------------------------------------- masks

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
    monkeypatch.setattr(roi, "PIXELS", pixels)
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
        assert tracemalloc.get_traced_memory()[1] < 3 * 4 * roi.PIXELS
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
