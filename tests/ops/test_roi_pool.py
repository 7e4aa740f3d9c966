"""ops/roi_pool.py: the published picture and what RoIPool really does, the definition, the gradient, and errors."""

import numpy as np
import pytest
from drawn_examples import examples
from golden import MATRIX
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.errors import ArgumentError, DtypeError, ShapeError
from tinymaskrcnn.ops import naive, roi_pool
from tinymaskrcnn.testing import check_pair

forward, backward = roi_pool.roi_pool_forward, roi_pool.roi_pool_backward


def pool(image, box, **settings):
    rois = np.array([box], image.dtype)
    settings = dict(dict(image_index=np.array([0]), output_size=2, scale=1.0), **settings)
    crops, cache = forward(image, rois, **settings)
    return crops[0, ..., 0], cache


def test_golden_values():
    found, _ = pool(MATRIX, (0, 3, 6, 7))
    assert found.tolist() == [[0.85, 0.96], [0.97, 0.96]]


def test_the_picture_shows_disjoint_bins_which_is_something_else():
    """The well-known picture cuts 7x5 pixels at column 3 and row 5; RoIPool lets its bins overlap by one."""
    region = MATRIX[0, 3:8, 0:7, 0]
    picture = [[region[r, c].max() for c in (slice(0, 3), slice(3, 7))] for r in (slice(0, 2), slice(2, 5))]
    assert picture == [[0.85, 0.84], [0.97, 0.96]]
    assert pool(MATRIX, (0, 3, 6, 7))[0].tolist() != picture


def test_edges_are_rounded_half_away_from_zero_and_belong_to_the_roi():
    ramp = np.arange(8.0).reshape(1, 1, 8, 1)
    one = dict(output_size=1)
    assert pool(ramp, (0, 0, 2.5, 0), **one)[0] == 3
    assert pool(ramp, (0, 0, 2.49, 0), **one)[0] == 2
    assert pool(-ramp, (0.5, 0, 4, 0), **one)[0] == -1  # to even would start at 0
    assert pool(-ramp, (-2.5, 0, 4, 0), output_size=(1, 2))[0].tolist() == [[0, -1]]  # bins -3..0, 1..4
    assert pool(ramp, (5, 0, 3, 0), **one)[0] == 5  # swapped corners: one pixel


def test_empty_bins_are_zero_and_give_nothing_back():
    ones = np.ones((1, 4, 4, 1))
    found, cache = pool(ones, (2, 2, 9, 9), output_size=4)
    np.testing.assert_array_equal(found, np.outer([1, 0, 0, 0], [1, 0, 0, 0]))
    dfeatures, drois = backward(np.ones((1, 4, 4, 1)), cache)
    assert dfeatures.sum() == 1 and drois is None


@examples(100)
@given(
    seed=st.integers(0, 10_000),
    size=st.tuples(st.integers(1, 3), st.integers(1, 8), st.integers(1, 8)),
    count=st.integers(0, 4),
    output_size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    scale=st.sampled_from([1.0, 0.5]),
    levels=st.sampled_from([2, 1000]),
)
def test_equals_the_definition(seed, size, count, output_size, scale, levels):
    rng = np.random.default_rng(seed)
    features = rng.integers(-levels, levels, (*size, 2)).astype(np.float64)  # two levels: many ties
    corner = rng.integers(-8, 18, (count, 2)) / 2
    rois = np.concatenate([corner, corner + rng.integers(-2, 20, (count, 2)) / 2], axis=1) / scale
    data = dict(image_index=rng.integers(0, size[0], count), output_size=output_size, scale=scale)
    crops, cache = forward(features, rois, **data)
    np.testing.assert_array_equal(crops, naive.roi_pool(features, rois, **data))

    dcrops = rng.integers(1, 9, crops.shape).astype(np.float64)
    dfeatures, _ = backward(dcrops, cache)
    np.testing.assert_allclose(
        (dfeatures * features).sum(), (dcrops * crops).sum()
    )  # sent to where the value came from


def test_gradient_adds_up_where_bins_and_rois_share_their_maximum():
    image = np.zeros((1, 3, 3, 1))
    image[0, 1, 1] = 1
    rois, image_index = np.array([[0.0, 0, 2, 2]] * 2), np.array([0, 0])
    _, cache = forward(image, rois, image_index=image_index, output_size=2, scale=1.0)  # all 4 bins hold the centre
    dcrops = np.arange(1.0, 9).reshape(2, 2, 2, 1)
    dfeatures, _ = backward(dcrops, cache)
    assert dfeatures[0, 1, 1, 0] == 36 and dfeatures.sum() == 36


def test_of_equal_values_the_first_gets_the_gradient():
    _, cache = pool(np.ones((1, 2, 3, 1)), (0, 0, 2, 1), output_size=1)
    dfeatures, _ = backward(np.ones((1, 1, 1, 1)), cache)
    assert dfeatures[0, ..., 0].tolist() == [[1, 0, 0], [0, 0, 0]]


def test_harness(rng):
    from strict_device import BACKEND

    features = rng.permutation(2 * 5 * 6 * 2).reshape(2, 5, 6, 2) / 10  # no ties
    rois = np.array([[0.2, 0.9, 3.1, 4.3], [1.1, 0.1, 4.9, 2.7], [2.2, 1.3, 9.0, 4.8]])
    check_pair(
        forward,
        backward,
        [features, rois],
        image_index=np.array([0, 1, 1]),
        output_size=(2, 3),
        scale=1.0,
        without_gradient=("rois",),
        zero_rows=[("rois", "image_index"), ("features", "rois", "image_index")],
        backends=[BACKEND],
    )


def test_float32_device_and_no_rois(rng, device):
    from strict_device import counting

    features = rng.normal(size=(2, 5, 6, 2)).astype(np.float32)
    settings = dict(output_size=2, scale=np.float64(0.5))
    for count in (0, 3):
        rois, image_index = rng.uniform(0, 9, (count, 4)).astype(np.float32), np.arange(count) % 2
        crops, cache = forward(features, rois, image_index=image_index, **settings)
        dfeatures, _ = backward(crops, cache)
        assert crops.shape == (count, 2, 2, 2)
        assert crops.dtype == dfeatures.dtype == np.float32
        there = [device.asarray(x) for x in (features, rois, image_index)]
        with counting() as cost:
            copy, c_copy = forward(*there[:2], image_index=there[2], **settings)
            dcopy, _ = backward(copy, c_copy)
        assert cost.synchronisations == cost.sparse_waits  # which the kernels spare
        np.testing.assert_array_equal(to_host(copy), crops)
        np.testing.assert_array_equal(to_host(dcopy), dfeatures)


def test_nan_is_not_swallowed():
    image = np.ones((1, 2, 2, 1))
    image[0, 1, 0] = np.nan
    assert np.isnan(pool(image, (0, 0, 1, 1), output_size=1)[0])


def test_messages():
    features, rois, image_index = np.zeros((2, 4, 4, 1)), np.zeros((3, 4)), np.array([0, 1, -1])
    good = dict(image_index=image_index % 2, output_size=2, scale=1.0)
    with pytest.raises(ArgumentError, match=r"roi_pool_forward: image_index must lie in 0..1; got -1 at position 2"):
        forward(features, rois, **dict(good, image_index=image_index))
    with pytest.raises(ArgumentError, match="roi_pool_forward: output_size must be .* each at least 1"):
        forward(features, rois, **dict(good, output_size=(2, 0)))
    with pytest.raises(DtypeError, match="image_index must hold integers"):
        forward(features, rois, **dict(good, image_index=np.zeros(3)))
    with pytest.raises(ShapeError, match="features must have 4 axes"):
        forward(features[0], rois, **good)
