"""What a camera does to a page: each step against another way to do it, or against what it must leave alone."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from tinymaskrcnn.config import scene_preset
from tinymaskrcnn.data import camera

PICTURE = np.clip(ndimage.gaussian_filter(np.random.default_rng(0).random((50, 43, 1)), (2, 2, 0)) * 3 - 1, 0, 1)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.5])
def test_blur_is_a_gaussian(sigma):
    wanted = ndimage.gaussian_filter(PICTURE, (sigma, sigma, 0), mode="nearest", truncate=np.ceil(3 * sigma) / sigma)
    np.testing.assert_allclose(camera.blurred(PICTURE, sigma), wanted, atol=1e-12)


@pytest.mark.parametrize("quality", [30, 50, 90])
def test_compression_is_that_of_jpeg(quality):
    file = io.BytesIO()
    Image.fromarray(np.uint8(np.rint(255 * PICTURE[:, :, 0]))).save(file, "JPEG", quality=quality)
    wanted = np.asarray(Image.open(file)) / 255
    ours = camera.compressed(np.rint(255 * PICTURE) / 255, quality)[:, :, 0]
    assert np.abs(ours - wanted)[:48, :40].max() < 0.02  # the last blocks are filled up in another way
    assert np.abs(ours - PICTURE[:, :, 0]).max() > 0.005


def test_light_falls_off_smoothly_and_shadows_have_edges():
    lights = [camera.lit((60, 80), 1.0, rng=rng(seed)) for seed in range(20)]
    assert all(light.shape == (60, 80) and light.min() >= 0.05 and light.max() <= 1 for light in lights)
    assert min(light.min() / light.max() for light in lights) < 0.3
    steps = [np.abs(np.diff(light, axis=0)).max() for light in lights]
    assert max(steps) > 5 * min(steps)
    np.testing.assert_array_equal(camera.lit((8, 8), 0.0, rng=rng()), np.ones((8, 8)))


def test_noise_has_the_deviation_asked_for_and_grows_with_the_light():
    dark, bright = (np.std(camera.noisy(np.full((99, 99, 1), v), 0.05, rng=rng(3)) - v) for v in (0.0, 1.0))
    assert 0.6 * 0.05 < bright < 1.2 * 0.05 and dark == pytest.approx(bright * np.sqrt(0.1), rel=0.01)


def test_a_camera_without_faults_changes_nothing():
    config = dataclasses.replace(scene_preset("paper"), light=0.0, blur=0.0, noise=0.0, jpeg=0)
    np.testing.assert_allclose(camera.photograph(PICTURE, config, rng=rng()), PICTURE, atol=0.5 / 255 + 1e-6)
    pixels = camera.photograph(PICTURE, scene_preset("paper"), rng=rng()) * 255
    np.testing.assert_allclose(pixels, np.rint(pixels), atol=1e-4)
    assert pixels.dtype == np.float32
