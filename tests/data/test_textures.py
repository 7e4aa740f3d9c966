"""Backgrounds and stray strokes: in range, smooth or thin as they should be, and never mistaken for a digit."""

import numpy as np
import pytest

from tinymaskrcnn.data import textures


def stream():
    return np.random.Generator(np.random.PCG64(3))


@pytest.mark.parametrize("make", [textures.smooth_texture, textures.ruled_lines, textures.soft_stains])
@pytest.mark.parametrize("size", [16, 128])
def test_paper_layers_lie_in_0_to_1_and_vary(make, size):
    layer = make(size, rng=stream())
    assert layer.shape == (size, size) and layer.min() >= 0 and layer.max() <= 1
    assert layer.std() > 0.02
    np.testing.assert_array_equal(layer, make(size, rng=stream()))


def test_textures_and_stains_are_smooth_and_lines_are_thin():
    for make in (textures.smooth_texture, textures.soft_stains):
        layer = make(128, rng=stream())
        assert max(np.abs(np.diff(layer, axis=a)).max() for a in (0, 1)) < 0.15
    rng = stream()
    for _ in range(10):
        lines = textures.ruled_lines(128, rng=rng)
        assert 0.02 < (lines > 0.5).mean() < 0.25


def test_stray_strokes_are_never_as_long_as_a_digit():
    rng = stream()
    lengths = []
    for _ in range(200):
        y, x, ink = textures.stray_stroke(400, digit_size=(20, 30), rng=rng)
        assert 0 <= y and 0 <= x and y + ink.shape[0] <= 400 and x + ink.shape[1] <= 400
        assert ink.min() >= 0 and ink.max() <= 1
        inside = y > 0 and x > 0 and y + ink.shape[0] < 400 and x + ink.shape[1] < 400
        if inside:
            ys, xs = np.nonzero(ink > 0.5)
            lengths.append(np.hypot(np.ptp(ys) + 1, np.ptp(xs) + 1))
    lengths = np.array(lengths)
    assert ((lengths < 18) | (lengths > 34)).all() and (lengths < 18).any() and (lengths > 34).any()
