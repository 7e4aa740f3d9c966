"""ops/roi_warp.py: the definition, SciPy's interpolation, and the gradient by centre and size as in its paper."""

import numpy as np
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from tinymaskrcnn.ops import naive_family, roi_align, roi_warp

forward, backward = roi_warp.roi_warp_forward, roi_warp.roi_warp_backward
RAMP = np.arange(1.0, 10).reshape(1, 3, 3, 1)  # 1 2 3 / 4 5 6 / 7 8 9


def crop(box, output_size, **data):
    return forward(RAMP, np.array([box]), image_index=np.array([0]), output_size=output_size, scale=1.0, **data)[0][
        0, ..., 0
    ]


def test_values_on_paper():
    assert crop((0.5, 0.5, 2.5, 2.5), 2).tolist() == [[1, 2], [4, 5]]
    assert crop((0.0, 0, 2, 2), 2, aligned=False).tolist() == [[1, 2], [4, 5]]
    assert crop((0.75, 0.5, 2.75, 1.5), (1, 2)).tolist() == [[1.25, 2.25]]
    assert crop((3.0, 0.5, 5, 1.5), (1, 2)).tolist() == [
        [1.5, 0]
    ]  # half a pixel outside half is left, and then nothing
    assert crop((2.0, 1, 1, 2), (1, 2)).tolist() == [[4, 3.5]]  # swapped corners are read backwards


def drawn_case(seed):
    rng = np.random.default_rng(seed)
    n, height, width = rng.integers(1, 4), *rng.integers(1, 8, 2)
    count, scale = rng.integers(0, 4), rng.choice([1.0, 0.5, 2.0])
    corner = rng.uniform(-4, 9, (count, 2))
    rois = np.concatenate([corner, corner + rng.uniform(-1, 9, (count, 2))], axis=1) / scale
    features = rng.normal(size=(n, height, width, 2))
    data = dict(image_index=rng.integers(0, n, count), output_size=tuple(rng.integers(1, 4, 2).tolist()), scale=scale)
    return features, rois, data | dict(aligned=bool(rng.integers(2)))


@examples(60)
@given(seed=st.integers(0, 10_000))
def test_equals_the_definition(seed):
    features, rois, data = drawn_case(seed)
    np.testing.assert_allclose(
        forward(features, rois, **data)[0], naive_family.roi_warp(features, rois, **data), atol=1e-13
    )


@examples(60)
@given(seed=st.integers(0, 10_000))
def test_equals_scipys_interpolation(seed):
    features, rois, data = drawn_case(seed)
    crops, (S, T) = forward(features, rois, **data)[0], data["output_size"]
    for k, (x1, y1, x2, y2) in enumerate(rois * data["scale"] - (0.5 if data["aligned"] else 0)):
        y, x = np.meshgrid(y1 + np.arange(S) / S * (y2 - y1), x1 + np.arange(T) / T * (x2 - x1), indexing="ij")
        for c in range(2):
            image = features[data["image_index"][k], ..., c]
            wanted = ndimage.map_coordinates(image, [y, x], order=1, mode="grid-constant")
            np.testing.assert_allclose(crops[k, ..., c], wanted, atol=1e-12)


def test_its_points_are_those_of_roi_align_half_a_bin_further(rng):
    features, data = rng.normal(size=(1, 8, 8, 3)), dict(image_index=np.zeros(1, int), output_size=3, scale=1.0)
    roi = np.array([[1.7, 2.1, 5.9, 6.2]])
    half = np.tile((roi[:, 2:] - roi[:, :2]) / 6, 2)
    wanted, _ = roi_align.roi_align_forward(features, roi - half, samples=1, **data)
    np.testing.assert_allclose(forward(features, roi, **data)[0], wanted, rtol=1e-12)


@examples(40)
@given(seed=st.integers(0, 10_000))
def test_gradient_by_centre_and_size(seed):
    """Derivatives of the kernel max(0, 1 - |.|) by the centre, and by the width times share - 1/2 (Dai et al. 2016)."""
    features, rois, data = drawn_case(seed)
    crops, cache = forward(features, rois, **data, box_gradient=True)
    dcrops = np.random.default_rng(seed).normal(size=crops.shape)
    _, drois = backward(dcrops, cache)
    scale, (S, T) = data["scale"], data["output_size"]
    for k, (x1, y1, x2, y2) in enumerate(rois * scale - (0.5 if data["aligned"] else 0)):
        image, by = features[data["image_index"][k]], np.zeros(4)  # centre x, y, width, height
        for i, j in np.ndindex(S, T):
            rows = y1 + i / S * (y2 - y1) - np.arange(image.shape[0])
            columns = x1 + j / T * (x2 - x1) - np.arange(image.shape[1])
            tent_y, tent_x = np.maximum(0, 1 - abs(rows)), np.maximum(0, 1 - abs(columns))
            slope_y, slope_x = -np.sign(rows) * (abs(rows) < 1), -np.sign(columns) * (abs(columns) < 1)
            gives = image @ dcrops[k, i, j]  # (H, W)
            dx, dy = tent_y @ gives @ slope_x, slope_y @ gives @ tent_x
            by += dx, dy, dx * (j / T - 0.5), dy * (i / S - 0.5)
        wanted = np.concatenate([by[:2] / 2 - by[2:], by[:2] / 2 + by[2:]]) * scale
        np.testing.assert_allclose(drois[k], wanted, rtol=1e-9, atol=1e-11)
