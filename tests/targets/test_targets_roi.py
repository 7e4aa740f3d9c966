"""Which RoIs the heads see: counts, order, labels and deltas."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.config import RoIConfig
from tinymaskrcnn.ops import boxes
from tinymaskrcnn.structures import TargetBatch
from tinymaskrcnn.targets.roi import sample_rois

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


@settings(max_examples=30, deadline=None)
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
