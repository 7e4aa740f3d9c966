"""Digits drawn with pens: the size that was asked for, edges that stay sharp, middle lines without breaks."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from tinymaskrcnn.data import digits, pens

BANK = digits.load()


def pen(seed=0, widths=(0.04, 0.16)):
    return pens.Pen(BANK, widths, np.random.default_rng(seed))


@examples(40)
@given(st.integers(0, len(BANK) - 1), st.integers(12, 120), st.floats(-20, 20), st.integers(0, 1000))
def test_ink_is_cropped_rounded_and_about_as_high_as_asked_for(i, height, angle, seed):
    ink = pen(seed).render(i, height, angle)
    assert ink.dtype == np.float32 and ink.max() <= 1
    np.testing.assert_array_equal(np.rint(255 * ink), 255 * ink)
    assert ink[0].any() and ink[-1].any() and ink[:, 0].any() and ink[:, -1].any()
    mask = ink > 0.5
    assert mask.any()
    upright = np.flatnonzero((pen(seed).render(i, height) > 0.5).any(axis=1))
    assert abs(upright[-1] + 1 - upright[0] - height) <= 0.25 * height + 2  # slanted and pressed unevenly


def test_edges_stay_sharp_however_large_the_digit():
    """Blown-up pixels have edges that grow with them; of strokes a share falls that is between ink and paper."""
    soft = [np.mean([_between(pen(seed).render(i, h)) for seed, i in enumerate(range(0, 300, 30))]) for h in (24, 96)]
    assert soft[1] < 0.5 * soft[0]


def _between(ink):
    return ((ink > 0.1) & (ink < 0.9)).sum() / (ink > 0.1).sum()


def test_a_wide_pen_leaves_more_ink():
    thin, thick = (
        np.mean([(pen(3, widths).render(i, 60) > 0.5).mean() for i in range(0, 200, 10)])
        for widths in ((0.03, 0.03), (0.15, 0.15))
    )
    assert thick > 1.5 * thin


def test_every_digit_draws_equally_many_numbers():
    first, second = pen(5), pen(5)
    first.render(0, 20), second.render(900, 90, 30.0)
    assert first.rng.random() == second.rng.random()


def test_the_same_numbers_draw_the_same_digit():
    np.testing.assert_array_equal(pen(7).render(11, 40), pen(7).render(11, 40))
    assert not np.array_equal(pen(7).render(11, 40), pen(8).render(11, 40))


@pytest.mark.parametrize("i", range(0, 1797, 300))
def test_a_middle_line_is_thin_unbroken_and_inside(i):
    grey = BANK.images[i] / BANK.full
    field, inside = pens.outline(grey)
    shape = np.zeros(field.shape, bool)
    shape[tuple(inside.astype(int).T)] = True
    line = pens.thinned(shape)
    eight = np.ones((3, 3))
    assert not (line & ~shape).any()
    assert ndimage.label(line, eight)[1] == ndimage.label(shape, eight)[1]  # as many pieces
    assert ndimage.label(~line)[1] == ndimage.label(~shape)[1]  # and as many holes
    blocks = line[1:, 1:] & line[1:, :-1] & line[:-1, 1:] & line[:-1, :-1]
    assert blocks.sum() <= 2
    points = np.argwhere(line)
    far = ndimage.distance_transform_edt(shape)
    assert far[tuple(points.T)].mean() > far[shape].mean()  # it keeps to the middle


def test_distances_of_a_straight_stroke_are_distances():
    grey = np.zeros((28, 28))
    grey[4:24, 13:15] = 1
    field, points = pens.strokes(grey)
    row, middle = field[len(field) // 2], points[:, 1].mean()
    away = np.abs(np.arange(len(row)) - middle)
    assert np.abs(row - away)[away < 20].max() < 0.8
    field, points = pens.outline(grey)
    assert (field[tuple(points.astype(int).T)] < 0.5).all() and field[0, 0] > 10


def test_a_digit_without_ink_is_a_dot():
    field, points = pens.strokes(np.zeros((8, 8)))
    assert len(points) == 1 and np.isfinite(field).all()
