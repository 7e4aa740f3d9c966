"""ops/roi_weights.py: over a pyramid each RoI equals what its own level alone gives; what gradients for boxes obey."""

from types import SimpleNamespace

import numpy as np
import pytest
from cases import find_pair
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from strict_device import counting

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.errors import ArgumentError, DtypeError, ShapeError
from tinymaskrcnn.ops import roi_weights

OPERATORS = ["roi_pool", "roi_warp", "prroi_pool"]
SMOOTH = ["roi_align", "roi_warp", "prroi_pool"]
of_each = pytest.mark.parametrize("name", OPERATORS)
of_each_smooth = pytest.mark.parametrize("name", SMOOTH)


def over_pyramid(name, pyramid, rois, dcrops=None, **place):
    """What the operator says of a pyramid: crops and, for dcrops, its gradients."""
    forward, backward = find_pair(f"pyramid_{name}")
    crops, cache = forward(pyramid, rois, **place)
    return crops, backward(crops if dcrops is None else dcrops, cache)


def on_one_map(name, features, rois, dcrops, **place):
    forward, backward = find_pair(name)
    if name == "roi_pool":
        place.pop("box_gradient")
    crops, cache = forward(features, rois, **place)
    return crops, backward(dcrops, cache)


def drawn(seed, count, *, on_the_map=False):
    """A pyramid of any maps, and RoIs that may lie outside or have swapped corners, unless they shall be on_the_map."""
    rng = np.random.default_rng(seed)
    n, levels = rng.integers(1, 4, 2)
    pyramid = [rng.normal(size=(n, *rng.integers(1, 8, 2), 2)) for _ in range(levels)]
    level, scales = rng.integers(0, levels, count), [0.5 / 2**i for i in range(levels)]
    corner = rng.uniform(-6, 20, (count, 2))
    rois = np.concatenate([corner, corner + rng.uniform(-2, 30, (count, 2))], axis=1)
    if on_the_map:
        sizes = np.array([(f.shape[2] / s, f.shape[1] / s) for f, s in zip(pyramid, scales)])[level]
        ends = np.sort(rng.uniform(0, 1, (2, count, 2)), axis=0) * sizes
        rois = np.concatenate(list(ends), axis=1)
        rois[:1] = np.concatenate([0 * sizes, sizes], axis=1)[:1]  # one takes all
    place = dict(image_index=rng.integers(0, n, count), level=level, scales=scales, box_gradient=True)
    return pyramid, rois, place | dict(output_size=tuple(rng.integers(1, 4, 2).tolist()))


@of_each
@examples(40)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 5))
def test_equals_every_level_by_itself(name, seed, count):
    pyramid, rois, place = drawn(seed, count)
    crops, _ = over_pyramid(name, pyramid, rois, **place)
    dcrops = np.random.default_rng(seed).normal(size=crops.shape)
    _, (dpyramid, drois) = over_pyramid(name, pyramid, rois, dcrops, **place)
    scales, level, image_index = place.pop("scales"), place.pop("level"), place.pop("image_index")
    assert [d.shape for d in dpyramid] == [p.shape for p in pyramid] and drois.shape == rois.shape
    for i, features in enumerate(pyramid):
        here = level == i
        data = dict(place, image_index=image_index[here], scale=scales[i])
        wanted, (dfeatures, dboxes) = on_one_map(name, features, rois[here], dcrops[here], **data)
        np.testing.assert_allclose(crops[here], wanted, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(dpyramid[i], dfeatures, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(drois[here], 0 if dboxes is None else dboxes, rtol=1e-11, atol=1e-12)


@of_each
@examples(25)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 4))
def test_a_device_agrees_and_never_waits(name, seed, count):
    """On a device nobody looks how many pixels a bin has: as many as a RoI on the map may give it."""
    from strict_device import xp as device

    pyramid, rois, place = drawn(seed, count, on_the_map=True)
    crops, (dpyramid, drois) = over_pyramid(name, pyramid, rois, **place)
    there = place | {key: device.asarray(place[key]) for key in ("image_index", "level")}
    with counting() as cost:
        copies = [device.asarray(features) for features in pyramid]
        copy, (dcopies, drois_copy) = over_pyramid(name, copies, device.asarray(rois), **there)
    assert cost.synchronisations == cost.sparse_waits  # which the kernels spare
    np.testing.assert_allclose(to_host(copy), crops, rtol=1e-13, atol=1e-14)
    for found, want in zip(dcopies, dpyramid):
        np.testing.assert_allclose(to_host(found), want, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(to_host(drois_copy), drois, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["roi_pool", "prroi_pool"])
def test_on_a_device_a_roi_longer_than_its_map_is_no_silent_fault(name, device):
    """On the host it is right; on the device a bin is right or, where not enough pixels are looked at, NaN."""
    features, rois = np.random.default_rng(0).normal(size=(1, 4, 4, 1)), np.array([[-9.0, 0, 9, 3], [0, 0, 4, 4]])
    place = dict(image_index=np.array([0, 0]), output_size=3, scale=1.0)
    forward, _ = find_pair(name)
    right = forward(features, rois, **place)[0]
    place["image_index"] = device.asarray(place["image_index"])
    found = to_host(forward(device.asarray(features), device.asarray(rois), **place)[0])
    assert np.isfinite(right).all() and np.isnan(found[0]).any() and np.isfinite(found[1]).all()
    np.testing.assert_allclose(found[~np.isnan(found)], right[~np.isnan(found)], rtol=1e-13)


@of_each
def test_float32_stays_float32_and_without_box_gradient_there_is_none(name):
    pyramid, rois, place = drawn(5, 4)
    pyramid, rois = [features.astype(np.float32) for features in pyramid], rois.astype(np.float32)
    crops, (dpyramid, drois) = over_pyramid(name, pyramid, rois, **place)
    assert {array.dtype for array in (crops, *dpyramid, drois)} == {np.dtype(np.float32)}
    assert over_pyramid(name, pyramid, rois, **dict(place, box_gradient=False))[1][1] is None


# ---------------------------------------------------------------- what every gradient for boxes obeys


def box_case(name, seed, scale=1.0):
    """crops(rois) and drois(rois) of a random linear loss on a random map, and RoIs of which some are off the map."""
    rng = np.random.default_rng(seed)
    forward, backward = find_pair(name)
    features, count = rng.normal(size=(2, 6, 7, 2)), 5
    corner = rng.uniform(-2, 5, (count, 2))
    rois = np.concatenate([corner, corner + rng.uniform(0.3, 5, (count, 2))], axis=1)
    place = dict(image_index=rng.integers(0, 2, count), output_size=(3, 2), scale=scale, box_gradient=True)
    dcrops = rng.normal(size=(count, 3, 2, 2))

    def loss(boxes):
        return (forward(features, boxes, **place)[0] * dcrops).sum(axis=(1, 2, 3))  # of each RoI

    return SimpleNamespace(
        rois=rois,
        loss=loss,
        gradient=lambda boxes: backward(dcrops, forward(features, boxes, **place)[1])[1],
    )


@of_each_smooth
@examples(30)
@given(seed=st.integers(0, 10_000))
def test_both_ends_of_an_axis_together_move_the_crop(name, seed):
    """dL/dx1 + dL/dx2 is what a shift of the box does, and the difference of both what stretching about its centre."""
    case = box_case(name, seed)
    step = 1e-6
    for one, other in ((0, 2), (1, 3)):
        for sign in (1, -1):  # moved; stretched, by the same at both ends
            move = np.zeros(4)
            move[one], move[other] = sign * step, step
            before, after = case.gradient(case.rois - move), case.gradient(case.rois + move)
            found = sign * case.gradient(case.rois)[:, one] + case.gradient(case.rois)[:, other]
            wanted = (case.loss(case.rois + move) - case.loss(case.rois - move)) / (2 * step)
            smooth = np.abs(before - after).max(axis=1) < 1e-3  # no point between the two crosses a grid line
            assert smooth.sum() >= len(smooth) - 2
            np.testing.assert_allclose(found[smooth], wanted[smooth], rtol=1e-5, atol=1e-6)


@of_each_smooth
@examples(20)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([0.25, 0.5, 3.0]))
def test_boxes_are_in_pixels_of_the_image(name, seed, scale):
    """The same box on the map, in other pixels of the image: the same crop, and a gradient `scale` times as large."""
    one, other = box_case(name, seed), box_case(name, seed, scale=scale)
    np.testing.assert_allclose(other.loss(one.rois / scale), one.loss(one.rois), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(other.gradient(one.rois / scale), scale * one.gradient(one.rois), rtol=1e-7, atol=1e-9)


@of_each_smooth
@examples(20)
@given(seed=st.integers(0, 10_000))
def test_on_a_plane_the_gradient_is_its_slope(name, seed):
    """Far from borders every bin reads a plane at one place: its centre, or for RoIWarp its first corner."""
    rng = np.random.default_rng(seed)
    slope_y, slope_x = rng.normal(size=2)
    y, x = np.mgrid[0:20, 0:20]
    forward, backward = find_pair(name)
    corner = rng.uniform(3, 6, 2)
    roi = np.concatenate([corner, corner + rng.uniform(1, 8, 2)])[None]
    place = dict(image_index=np.zeros(1, int), output_size=(2, 3), scale=1.0, box_gradient=True)
    features = (slope_y * y + slope_x * x).astype(float)[None, :, :, None]
    within = 0 if name == "roi_warp" else 0.5
    for i, j in np.ndindex(2, 3):
        crops, cache = forward(features, roi, **place)
        dcrops = np.zeros_like(crops)
        dcrops[0, i, j] = 1
        _, drois = backward(dcrops, cache)
        down, over = (i + within) / 2, (j + within) / 3
        wanted = [slope_x * (1 - over), slope_y * (1 - down), slope_x * over, slope_y * down]
        np.testing.assert_allclose(drois[0], wanted, rtol=1e-9, atol=1e-10)


def test_levels_are_split_as_they_were_joined(rng):
    pyramid = [rng.normal(size=(2, *size, 3)) for size in ((4, 3), (1, 2), (2, 1))]
    split = roi_weights.split_levels(roi_weights.join_levels(pyramid), [features.shape for features in pyramid])
    assert all(np.array_equal(a, b) for a, b in zip(split, pyramid, strict=True))


@of_each
def test_messages(name):
    forward, _ = find_pair(f"pyramid_{name}")
    pyramid, rois, place = drawn(3, 3)
    place |= dict(level=np.zeros(3, int), scales=[1.0] * len(pyramid))
    name = f"pyramid_{name}_forward"
    with pytest.raises(ArgumentError, match=f"{name}: level must lie in .*; got 9 at position 1"):
        forward(pyramid, rois, **dict(place, level=np.array([0, 9, 0])))
    with pytest.raises(ArgumentError, match=f"{name}: image_index must lie in .*; got -1 at position 2"):
        forward(pyramid, rois, **dict(place, image_index=np.array([0, 0, -1])))
    with pytest.raises(ArgumentError, match=f"{name}: output_size must be .* each at least 1"):
        forward(pyramid, rois, **dict(place, output_size=0))
    with pytest.raises(ArgumentError, match=f"{name}: pyramid must be a list of levels, and scales as long"):
        forward(pyramid, rois, **dict(place, scales=[]))
    with pytest.raises(ShapeError, match=f"{name}: pyramid must be .* with the same N and C"):
        forward([*pyramid, pyramid[0][0]], rois, **dict(place, scales=[1.0] * (len(pyramid) + 1)))
    with pytest.raises(DtypeError, match=f"{name}: pyramid must be a list of float32 arrays like rois"):
        forward(pyramid, rois.astype(np.float32), **place)
