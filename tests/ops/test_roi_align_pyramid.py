"""ops/roi_align.py over a pyramid: each RoI equals what its own level alone gives, and backward mirrors it."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from strict_device import counting

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.errors import ArgumentError, DtypeError, ShapeError
from tinymaskrcnn.ops import roi_align

forward, backward = roi_align.pyramid_roi_align_forward, roi_align.pyramid_roi_align_backward


@st.composite
def drawn_case(draw):
    """A pyramid of any maps, RoIs that may lie outside or have swapped corners, and settings."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n, channels, levels, count = draw(st.tuples(*[st.integers(1, top) for top in (3, 3, 4)])) + (
        draw(st.integers(0, 6)),
    )
    sides = rng.integers(1, 8, (levels, 2))
    corner = rng.uniform(-6, 20, (count, 2))
    return dict(
        pyramid=[rng.normal(size=(n, *side, channels)) for side in sides],
        rois=np.concatenate([corner, corner + rng.uniform(-2, 30, (count, 2))], axis=1),
        image_index=rng.integers(0, n, count),
        level=rng.integers(0, levels, count),
        output_size=draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        scales=[0.5 / 2**i for i in range(levels)],
        samples=draw(st.integers(0, 3)),
        aligned=draw(st.booleans()),
    )


def level_by_level(pyramid, rois, image_index, level, scales, dcrops=None, **settings):
    """Crops, or with dcrops the gradient of every level: one call of the single-level operator per level."""
    rows, columns = settings["output_size"]
    crops, dpyramid = np.zeros((len(rois), rows, columns, pyramid[0].shape[3])), []
    for i, features in enumerate(pyramid):
        here = level == i
        data = dict(image_index=image_index[here], scale=scales[i], **settings)
        crops[here], cache = roi_align.roi_align_forward(features, rois[here], **data)
        if dcrops is not None:
            dpyramid.append(roi_align.roi_align_backward(dcrops[here], cache)[0])
    return crops, dpyramid


@examples(80)
@given(case=drawn_case())
def test_equals_every_level_by_itself(case):
    crops, cache = forward(**case)
    dcrops = np.random.default_rng(0).normal(size=crops.shape)
    wanted, dwanted = level_by_level(**case, dcrops=dcrops)
    np.testing.assert_allclose(crops, wanted, rtol=1e-12, atol=1e-13)
    dpyramid = backward(dcrops, cache)
    assert [d.shape for d in dpyramid] == [p.shape for p in case["pyramid"]]
    for found, want in zip(dpyramid, dwanted):
        np.testing.assert_allclose(found, want, rtol=1e-11, atol=1e-12)


def small_case(dtype=np.float64):
    rng = np.random.default_rng(0)
    return dict(
        pyramid=[rng.normal(size=(2, 6, 5, 3)).astype(dtype), rng.normal(size=(2, 3, 3, 3)).astype(dtype)],
        rois=np.array([[1.3, 2.1, 9.2, 11.7], [0, 0, 8, 4], [2.5, 3, 11, 10]], dtype),
        image_index=np.array([0, 1, 1]),
        level=np.array([0, 1, 0]),
        output_size=2,
        scales=(0.5, 0.25),
    )


def test_a_device_agrees_and_never_waits(device):
    case = small_case()
    there = {k: device.asarray(v) if isinstance(v, np.ndarray) else v for k, v in case.items()}
    there["pyramid"] = [device.asarray(features) for features in case["pyramid"]]
    crops, cache = forward(**case)
    with counting() as cost:
        copy, c_copy = forward(**there)
        dcopy = backward(copy, c_copy)
    assert cost.synchronisations == cost.sparse_waits  # which the kernels spare
    np.testing.assert_allclose(to_host(copy), crops, rtol=1e-13)
    for found, want in zip(dcopy, backward(crops, cache)):
        np.testing.assert_allclose(to_host(found), want, rtol=1e-12, atol=1e-14)


def test_float32_stays_float32():
    crops, cache = forward(**small_case(np.float32))
    assert crops.dtype == np.float32
    assert all(d.dtype == np.float32 for d in backward(crops, cache))
    np.testing.assert_allclose(crops, forward(**small_case())[0], atol=1e-6)


def test_messages():
    case = small_case()
    with pytest.raises(ArgumentError, match=r"level must lie in 0..1; got 2 at position 1"):
        forward(**dict(case, level=np.array([0, 2, 0])))
    with pytest.raises(
        ArgumentError, match=r"pyramid must be a list of levels, and scales as long; got 2 levels and 1"
    ):
        forward(**dict(case, scales=(0.5,)))
    with pytest.raises(ArgumentError, match="output_size must be .* each at least 1; got 0"):
        forward(**dict(case, output_size=0))
    with pytest.raises(ArgumentError, match="pyramid must be a list of levels, .* got 0 levels and 0 scales"):
        forward(**dict(case, pyramid=[], scales=()))
    with pytest.raises(ShapeError, match="with the same N and C"):
        forward(**dict(case, pyramid=[case["pyramid"][0], case["pyramid"][1][:1]]))
    with pytest.raises(ShapeError, match="with the same N and C"):
        forward(**dict(case, pyramid=[case["pyramid"][0], case["pyramid"][1][0]]))
    with pytest.raises(ShapeError, match="with the same N and C"):
        forward(**dict(case, pyramid=[case["pyramid"][0], case["pyramid"][1][..., :2]]))
    with pytest.raises(DtypeError, match="pyramid must be a list of float32 arrays like rois; got float64"):
        forward(**dict(case, rois=case["rois"].astype(np.float32)))
    with pytest.raises(DtypeError, match="level must hold integers"):
        forward(**dict(case, level=np.zeros(3)))
