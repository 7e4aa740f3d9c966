"""ops/pyramid_boxes.py and `edge_gradient`: against plain loops over sample points, and what a shift must do."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.ops import naive_family, pyramid_boxes, roi_align, roi_align_boxes

forward, backward = pyramid_boxes.pyramid_roi_align_boxes_forward, pyramid_boxes.pyramid_roi_align_boxes_backward


def drawn(seed, *, channels=2, spread=30):
    """(pyramid, rois), settings: any maps, RoIs that may lie outside or be swapped."""
    rng = np.random.default_rng(seed)
    n, levels, count = rng.integers(1, 4), rng.integers(1, 4), rng.integers(1, 6)
    pyramid = [rng.normal(size=(n, *rng.integers(1, 9, 2), channels)) for _ in range(levels)]
    corner = rng.uniform(-6, 20, (count, 2))
    data = dict(image_index=rng.integers(0, n, count), level=rng.integers(0, levels, count))
    data |= dict(output_size=tuple(rng.integers(1, 4, 2).tolist()), scales=[0.5 / 2**i for i in range(levels)])
    data |= dict(samples=int(rng.integers(0, 4)), aligned=bool(rng.integers(2)))
    rois = np.concatenate([corner, corner + rng.uniform(-2, spread, (count, 2))], axis=1)
    return (pyramid, rois), data


@examples(60)
@given(st.integers(0, 10_000))
def test_equals_plain_loops_over_the_sample_points(seed):
    (pyramid, rois), data = drawn(seed)
    crops, cache = forward(pyramid, rois, **data)
    dcrops = np.random.default_rng(1).normal(size=crops.shape)
    dpyramid, drois = backward(dcrops, cache)
    plain, c_plain = roi_align.pyramid_roi_align_forward(pyramid, rois=rois, **data)
    np.testing.assert_array_equal(crops, plain)
    for found, wanted in zip(dpyramid, roi_align.pyramid_roi_align_backward(dcrops, c_plain), strict=True):
        np.testing.assert_array_equal(found, wanted)
    for k, level in enumerate(data["level"]):
        where = dict(image=pyramid[level][data["image_index"][k]], scale=data["scales"][level])
        settings = {name: data[name] for name in ("output_size", "samples", "aligned")}
        wanted = naive_family.roi_align_edges(dcrops[k], box=rois[k], **where, **settings)
        np.testing.assert_allclose(drois[k], wanted, rtol=1e-9, atol=1e-10)


@examples(30)
@given(st.integers(0, 10_000))
def test_the_kernel_is_the_text(seed):
    (pyramid, rois), data = drawn(seed, channels=3, spread=60)
    crops, cache = forward(pyramid, rois, **data)
    dcrops = np.random.default_rng(2).normal(size=crops.shape)
    _, drois = backward(dcrops, cache)
    kernel, pyramid_boxes.edge_gradient = pyramid_boxes.edge_gradient, roi_align_boxes.edge_gradient.readable
    try:
        _, wanted = backward(dcrops, cache)
    finally:
        pyramid_boxes.edge_gradient = kernel
    np.testing.assert_allclose(drois, wanted, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("samples", [0, 1, 2])
def test_a_shift_of_the_box_is_a_shift_of_the_map(samples):
    """Translation identity: both edges together move every point by scale, as if the map had moved the other way."""
    rng = np.random.default_rng(3)
    xs, ys = np.meshgrid(np.arange(9.0), np.arange(8.0))
    image = (2.5 * xs - 1.5 * ys + 0.25 * xs * ys)[None, :, :, None]  # bilinear itself: any shift is exact
    rois = np.array([[5.0, 5.2, 21.0, 17.5], [8.3, 9.1, 12.2, 25.0]])
    data = dict(image_index=np.zeros(2, int), level=np.zeros(2, int), output_size=3, scales=[0.25], samples=samples)
    crops, cache = forward([image], rois, **data)
    dcrops = rng.normal(size=crops.shape)
    _, drois = backward(dcrops, cache)
    for axis in range(2):
        step = np.zeros(4)
        step[[axis, axis + 2]] = 0.1
        higher, lower = (forward([image], rois + way * step, **data)[0] for way in (1, -1))
        change = (dcrops * (higher - lower)).sum(axis=(1, 2, 3)) / 0.2
        np.testing.assert_allclose(drois[:, axis] + drois[:, axis + 2], change, rtol=1e-9)


def test_many_rois_are_looked_at_a_few_at_a_time(monkeypatch):
    (pyramid, rois), data = drawn(next(seed for seed in range(99) if len(drawn(seed)[0][1]) > 3))
    crops, cache = forward(pyramid, rois, **data)
    monkeypatch.setattr(pyramid_boxes, "edge_gradient", roi_align_boxes.edge_gradient.readable)
    _, wanted = backward(crops, cache)
    monkeypatch.setattr(roi_align_boxes, "TAPS", 1)  # now one at a time
    np.testing.assert_array_equal(backward(crops, cache)[1], wanted)


def test_a_device_agrees_and_never_waits(device):
    from strict_device import counting

    (pyramid, rois), data = drawn(7)
    data["samples"] = 2
    crops, cache = forward(pyramid, rois, **data)
    dpyramid, drois = backward(crops, cache)
    there = [device.asarray(level) for level in pyramid], device.asarray(rois)
    moved = {name: device.asarray(data[name]) for name in ("image_index", "level")}
    with counting() as cost:
        copy, c_copy = forward(*there, **(data | moved))
        _, dthere = backward(copy, c_copy)
    assert cost.synchronisations == cost.sparse_waits  # which the kernels spare
    np.testing.assert_allclose(to_host(dthere), drois, rtol=1e-10, atol=1e-12)
