"""Colour spaces: Python's own hue, known values of CIE L*a*b*, and that every channel fills 0..1."""

import colorsys

import numpy as np
import pytest

from tinymaskrcnn.data.proposals.colors import SPACES, to_space
from tinymaskrcnn.errors import ArgumentError

CUBE = np.stack(np.meshgrid(*[np.linspace(0, 1, 9)] * 3), axis=-1).reshape(27, 27, 3)


def test_hue_saturation_and_value_are_those_of_python():
    wanted = np.array([[colorsys.rgb_to_hsv(*pixel) for pixel in row] for row in CUBE.tolist()])
    np.testing.assert_allclose(to_space(CUBE, "hsv"), wanted, atol=1e-12)
    np.testing.assert_allclose(to_space(CUBE, "hue"), wanted[..., :1], atol=1e-12)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((0.5, 0.5, 0.5), (53.39, 0, 0)),
    ],
)
def test_lab_has_its_known_values(rgb, lab):
    found = to_space(np.array(rgb, float).reshape(1, 1, 3), "lab")[0, 0] * [100, 255, 255] - [0, 128, 128]
    np.testing.assert_allclose(found, lab, atol=0.02)


def cie_lab(rgb):
    """One pixel by the standard's own numbers, kappa = 24389 / 27 and epsilon = 216 / 24389."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in rgb]
    rows = (0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041)
    ratios = [sum(m * v for m, v in zip(row, linear)) / sum(row) for row in rows]
    x, y, z = (t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in ratios)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("dark", [1, 10, 40])
def test_lab_is_the_standards_also_where_it_is_nearly_black(dark):
    pixels = CUBE[::5, ::2] / dark
    wanted = np.array([[cie_lab(pixel) for pixel in row] for row in pixels.tolist()])
    found = to_space(pixels, "lab") * [100, 255, 255] - [0, 128, 128]
    np.testing.assert_allclose(found, wanted, atol=1e-9)


@pytest.mark.parametrize("name", SPACES)
def test_what_lies_outside_of_0_to_1_counts_as_its_border_and_all_is_double(name):
    wide = (1.6 * CUBE - 0.3).astype(np.float32)
    found = to_space(wide, name)
    np.testing.assert_array_equal(found, to_space(np.clip(wide, 0, 1).astype(np.float64), name))
    grey = to_space(wide[..., :1], name)
    np.testing.assert_array_equal(grey, np.clip(wide[..., :1], 0, 1))
    assert found.dtype == grey.dtype == np.float64


def test_shares_of_red_and_green_do_not_know_how_bright_it_is():
    bright, dark = to_space(CUBE, "rgi"), to_space(CUBE / 4, "rgi")
    np.testing.assert_allclose(bright[..., :2], dark[..., :2], atol=1e-12)
    np.testing.assert_allclose(bright[..., 2], CUBE.mean(axis=2))
    np.testing.assert_allclose(bright[..., :2] * CUBE.sum(axis=2, keepdims=True), CUBE[..., :2], atol=1e-12)
    np.testing.assert_allclose(to_space(CUBE, "intensity")[..., 0], CUBE.mean(axis=2))


@pytest.mark.parametrize("name", SPACES)
def test_every_channel_fills_0_to_1(name):
    """Histograms on 0..1 would put all that lies elsewhere into their first or last bin."""
    values = to_space(CUBE, name)
    assert values.min() >= 0 and values.max() <= 1
    assert (np.ptp(values.reshape(-1, values.shape[2]), axis=0) > 0.7).all()


def test_a_grey_picture_has_its_intensity_alone():
    grey = np.random.default_rng(0).random((4, 5, 1))
    for name in SPACES:
        np.testing.assert_array_equal(to_space(grey, name), grey)
    with pytest.raises(ArgumentError, match="color space must be one of hsv, lab, rgi, hue, intensity; got 'cmyk'"):
        to_space(grey, "cmyk")
