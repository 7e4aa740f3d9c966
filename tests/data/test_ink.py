"""Ink, whatever the light: the same for half the light, for chalk and for a pen; and what it does not call ink."""

import numpy as np
import pytest

from tinymaskrcnn.data import ink


def page(paper=0.8, pen=0.2, size=120):
    """A ring and a bar on a page: pixels (H, W, 1) and where they are."""
    y, x = np.mgrid[:size, :size]
    far = np.hypot(y - 40, x - 40)
    mask = ((far > 12) & (far < 16)) | ((abs(x - 85) < 2.5) & (abs(y - 70) < 18))
    return np.where(mask, pen, paper)[:, :, None], mask


def test_ink_is_bright_and_the_page_is_black():
    image, mask = page()
    made = ink.to_ink(image)
    assert made.shape == image.shape and made.dtype == np.float32
    assert made[mask].min() > 0.9 and made[~mask].max() < 0.15


@pytest.mark.parametrize("light", [0.3, 0.6])
def test_less_light_is_no_other_ink(light):
    image, mask = page()
    np.testing.assert_allclose(ink.to_ink(light * image)[mask], ink.to_ink(image)[mask], atol=0.12)


def test_light_that_falls_off_leaves_the_page_black():
    image, mask = page()
    slope = np.linspace(1, 0.3, 120)[None, :, None]
    made = ink.to_ink(image * slope)
    assert made[mask].min() > 0.8 and made[~mask].max() < 0.2


def test_chalk_is_ink_as_a_pen_is():
    image, mask = page(paper=0.15, pen=0.8)
    made = ink.to_ink(image)
    assert made[mask].min() > 0.9 and made[~mask].max() < 0.15
    assert ink.polarity(ink.signed_contrast(image)) == 1
    assert ink.polarity(ink.signed_contrast(1 - image)) == -1


def test_the_surface_is_seen_through_the_ink():
    image, mask = page()
    np.testing.assert_allclose(ink.surface(image[:, :, 0].astype(np.float32)), 0.8, atol=0.02)


def test_faint_ink_is_made_stronger_but_not_noise():
    image, mask = page(pen=0.55)
    assert ink.to_ink(image)[mask].min() > 0.8
    noise = 0.8 + 0.01 * np.random.default_rng(0).normal(size=(80, 80, 1))
    assert ink.to_ink(noise).max() < 0.3


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (3, 5)])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_tiny_and_empty_pictures_have_no_ink(size, value):
    made = ink.to_ink(np.full((*size, 1), value, np.float32))
    assert made.shape == (*size, 1) and made.max() < 1e-5
