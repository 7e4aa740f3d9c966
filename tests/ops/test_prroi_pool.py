"""ops/prroi_pool.py: the integral, taken by others; its gradient for the box, on grid lines too; RoIAlign's limit."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from tinymaskrcnn.ops import naive_family, prroi_pool, roi_align

forward, backward = prroi_pool.prroi_pool_forward, prroi_pool.prroi_pool_backward
ONE = dict(image_index=np.array([0]), scale=1.0)


def crop(features, box, output_size=1, **data):
    return forward(features, np.array([box], float), output_size=output_size, **ONE, **data)[0][0, ..., 0]


def test_values_on_paper():
    row = np.array([0.0, 2, 4]).reshape(1, 1, 3, 1)
    row = np.repeat(row, 5, axis=1)  # rows do not matter
    assert crop(row, (0.5, 2, 2.5, 3)) == 2  # from 0 to 4
    assert crop(row, (0.5, 2, 1.5, 3)) == 1
    assert crop(row, (1.5, 2, 2.0, 3)) == 2.5
    assert crop(row, (2.5, 2, 3.5, 3)) == 2  # behind the last pixel it falls from 4 to 0
    assert crop(row, (2.5, 2, 4.5, 3)) == 1 and crop(row, (3.5, 2, 9, 3)) == 0
    np.testing.assert_allclose(crop(row, (0.5, 2, 2.5, 3), (1, 2)), [[1, 3]], rtol=1e-14)


@examples(100)
@given(seed=st.integers(0, 10_000), quarters=st.booleans())
def test_equals_the_definition(seed, quarters):
    """Differences of the tent's integral, for RoIs anywhere; quarters of pixels lie on grid lines."""
    rng = np.random.default_rng(seed)
    n, count, scale = rng.integers(1, 4), rng.integers(0, 4), rng.choice([1.0, 0.5, 2.0])
    features, corner = rng.normal(size=(n, *rng.integers(1, 8, 2), 2)), rng.uniform(-4, 9, (count, 2))
    rois = np.concatenate([corner, corner + rng.uniform(-1, 9, (count, 2))], axis=1) / scale
    rois = np.round(rois * 4) / 4 if quarters else rois
    data = dict(image_index=rng.integers(0, n, count), output_size=tuple(rng.integers(1, 4, 2).tolist()), scale=scale)
    data["aligned"] = bool(rng.integers(2))
    wanted = naive_family.prroi_pool(features, rois, **data)
    np.testing.assert_allclose(forward(features, rois, **data)[0], wanted, rtol=1e-11, atol=1e-13)


def surface(image, y, x):
    """SciPy's bilinear surface over image (H, W), 0 outside."""
    return ndimage.map_coordinates(image, np.meshgrid(y, x, indexing="ij"), order=1, mode="grid-constant")


def middles(start, end, count):
    return start + (np.arange(count) + 0.5) / count * (end - start)


@examples(10)
@given(seed=st.integers(0, 10_000))
def test_equals_a_numerical_integral_and_its_box_gradient_the_means_on_edges(seed):
    """The mean over a fine grid; d mean / d right edge is (mean on that edge - mean of all) / width, and so on."""
    rng = np.random.default_rng(seed)
    image, corner = rng.normal(size=(5, 6)), rng.uniform(-1, 4, 2)
    box = np.concatenate([corner, corner + rng.uniform(0.5, 4, 2)])
    crops, cache = forward(image[None, :, :, None], box[None], output_size=1, box_gradient=True, **ONE)
    _, drois = backward(np.ones((1, 1, 1, 1)), cache)
    x1, y1, x2, y2 = box - 0.5
    y, x = middles(y1, y2, 700), middles(x1, x2, 700)
    mean = surface(image, y, x).mean()
    left, right = (surface(image, y, [edge]).mean() for edge in (x1, x2))
    top, bottom = (surface(image, [edge], x).mean() for edge in (y1, y2))
    wide, high = x2 - x1, y2 - y1
    np.testing.assert_allclose(crops[0, 0, 0, 0], mean, atol=2e-5)
    wanted = (mean - left) / wide, (mean - top) / high, (right - mean) / wide, (bottom - mean) / high
    np.testing.assert_allclose(drois[0], wanted, atol=2e-4)


@examples(60)
@given(seed=st.integers(0, 10_000), side=st.integers(1, 3))
def test_finite_differences_hold_on_grid_lines(seed, side):
    """Boxes of whole and half pixels: every edge lies on a grid line, or crosses one in a step."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(-2, 8, (3, 2)) / 2
    rois = np.concatenate([corner, corner + rng.integers(1, 8, (3, 2)) / 2], axis=1)
    place = dict(image_index=np.array([0, 1, 1]), output_size=side, scale=1.0, box_gradient=True)
    features = rng.normal(size=(2, 5, 4, 2))
    crops, cache = forward(features, rois, **place)
    dcrops = rng.normal(size=crops.shape)
    _, drois = backward(dcrops, cache)
    for edge, move in enumerate(1e-6 * np.eye(4)):
        difference = forward(features, rois + move, **place)[0] - forward(features, rois - move, **place)[0]
        wanted = (difference * dcrops).sum(axis=(1, 2, 3)) / 2e-6
        np.testing.assert_allclose(drois[:, edge], wanted, rtol=1e-5, atol=1e-4)  # the slope has a bend in the step


@pytest.mark.parametrize("operator, jumps", [("prroi", False), ("align", True)])
def test_the_gradient_does_not_jump_on_a_grid_line(operator, jumps, rng):
    """Which is why it is the reference: RoIAlign's sample, in the middle of the box, here crosses a line and jumps."""
    features = rng.normal(size=(1, 6, 6, 1))
    pair = (forward, backward) if operator == "prroi" else (roi_align.roi_align_forward, roi_align.roi_align_backward)
    found = []
    for step in (-1e-9, 1e-9):
        box = np.array([[1.5, 1.2, 3.5, 2.9]]) + step  # its middle is the centre of a pixel
        _, cache = pair[0](features, box, output_size=1, box_gradient=True, **ONE, **({"samples": 1} if jumps else {}))
        found.append(pair[1](np.ones((1, 1, 1, 1)), cache)[1])
    assert (np.abs(found[0] - found[1]).max() > 1e-3) == jumps
    if not jumps:
        np.testing.assert_allclose(found[0], found[1], atol=1e-7)


def test_roi_align_comes_to_it_with_more_samples(rng):
    """Crops and gradients for the boxes; slower where RoIAlign's gradient jumps, from line to line."""
    features = rng.normal(size=(2, 9, 9, 3))
    corner = rng.uniform(1, 3, (6, 2))
    rois = np.concatenate([corner, corner + rng.uniform(2, 5, (6, 2))], axis=1)  # borders are treated differently
    place = dict(image_index=np.arange(6) % 2, output_size=2, scale=1.0, box_gradient=True)
    crops, cache = forward(features, rois, **place)
    dcrops = rng.normal(size=crops.shape)
    _, drois = backward(dcrops, cache)
    errors = []
    for samples in (2, 8, 32, 128):
        found, cache = roi_align.roi_align_forward(features, rois, samples=samples, **place)
        _, boxes = roi_align.roi_align_backward(dcrops, cache)
        errors.append((np.abs(found - crops).max(), np.abs(boxes - drois).max()))
    errors = np.array(errors)
    assert (errors[1:] < errors[:-1] / 2).all()
    assert errors[-1, 0] < 1e-3 * np.abs(crops).max() and errors[-1, 1] < 2e-2 * np.abs(drois).max()


@pytest.mark.parametrize(
    "box", [(3, 2, 3, 5), (2, 4, 5, 4), (4, 2, 3, 5), (2, 5, 4, 1), (-9, -9, -7, -7), (20, 1, 22, 3)]
)
def test_an_empty_bin_is_zero_and_gives_nothing(box):
    """Without width, without height, with swapped corners, or off the map."""
    features, rois = np.ones((1, 6, 6, 1)), np.array([box], float)
    crops, cache = forward(features, rois, output_size=2, box_gradient=True, **ONE)
    dfeatures, drois = backward(np.ones_like(crops), cache)
    assert not crops.any() and not dfeatures.any() and not drois.any()


@pytest.mark.parametrize("width", [1e-2, 1e-3, 1e-5])
def test_a_thin_box_reads_the_surface_and_not_noise(width):
    """The pieces of a bin are measured from its first pixel: no large integrals are subtracted."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(1, 40, 40, 1)).astype(np.float32)
    centre = np.float32(21.3)
    box = np.array([[centre - width / 2, 20, centre + width / 2, 20 + width]], np.float32)
    found = forward(features, box, output_size=1, **ONE)[0][0, 0, 0, 0]
    middle = (box[0, :2] + box[0, 2:]) / 2 - 0.5
    assert abs(found - surface(features[0, ..., 0].astype(float), [middle[1]], [middle[0]])[0, 0]) < 1e-5


def test_no_rois():
    crops, cache = forward(
        np.ones((1, 3, 3, 2)), np.zeros((0, 4)), image_index=np.zeros(0, int), output_size=2, scale=1.0
    )
    dfeatures, drois = backward(crops, cache)
    assert crops.shape == (0, 2, 2, 2) and not dfeatures.any() and drois is None


def test_nan_in_a_box_harms_no_other():
    rois = np.array([[np.nan, 0, 2, 2], [0.5, 0.5, 1.5, 1.5]])
    place = dict(image_index=np.array([0, 0]), output_size=1, scale=1.0, box_gradient=True)
    crops, cache = forward(np.ones((1, 3, 3, 1)), rois, **place)
    assert crops[1] == 1 and np.isfinite(backward(np.ones_like(crops), cache)[1][1]).all()
