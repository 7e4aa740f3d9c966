"""Tints: the right pixels, the right colour, the later above the earlier."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tinymaskrcnn.data import rle
from tinymaskrcnn.errors import ShapeError
from tinymaskrcnn.visualize import draw_image, draw_masks, style


def test_tint_covers_the_mask_and_nothing_else():
    masks = np.zeros((2, 4, 5), np.uint8)
    masks[0, :2], masks[1, 1:3] = 1, 1
    ax = draw_masks(masks, ax=draw_image(np.zeros((4, 5))), colors=[style.BLUE, style.RED], alpha=0.5)
    tint = ax.images[1].get_array()
    assert (tint[0] == np.float32((*to_rgb(style.BLUE), 0.5))).all()
    assert (tint[1:3] == np.float32((*to_rgb(style.RED), 0.5))).all()
    assert not tint[3].any()
    assert ax.images[1].get_extent() == ax.images[0].get_extent()


@pytest.mark.parametrize("nothing", [None, [], np.zeros((0, 4, 5), bool)])
def test_no_masks_change_nothing(nothing):
    ax = draw_masks(nothing, ax=draw_image(np.zeros((4, 5))), colors=[])
    assert len(ax.images) == 1
    assert draw_masks(None, ax=ax, colors=[style.BLUE]) is ax  # an object without a mask, its colour with it


@pytest.mark.parametrize("size", [(4, 5), (2000, 3100)])
def test_run_lengths_are_drawn_like_pixels_and_large_ones_thinly(size):
    rng = np.random.default_rng(0)
    masks = np.zeros((2, *size), bool)
    for mask in masks:
        y, x = np.sort(rng.integers(0, size[0] + 1, 2)), np.sort(rng.integers(0, size[1] + 1, 2))
        mask[y[0] : y[1], x[0] : x[1]] = True
    axes = [draw_masks(given, ax=draw_image(np.zeros(size, np.uint8))) for given in (masks, rle.encode_many(masks))]
    for image, tint in zip(*(ax.images[:2] for ax in axes)):
        np.testing.assert_array_equal(image.get_array(), tint.get_array())
    picture, tint = axes[1].images
    assert tint.get_extent() == picture.get_extent() == [0, size[1], size[0], 0]
    drawn = np.asarray(tint.get_array())[..., 3]
    assert drawn.shape == picture.get_array().shape[:2] and max(drawn.shape) == min(size[1], 1200)
    assert (drawn > 0).mean() == pytest.approx(masks.any(axis=0).mean(), abs=2e-3)


def test_refusals():
    ax = draw_image(np.zeros((4, 5)))
    with pytest.raises(ShapeError, match=r"masks must be \(K, H, W\); got shape \(4, 5\)"):
        draw_masks(np.zeros((4, 5)), ax=ax)
    with pytest.raises(ShapeError, match="one entry for each of 2 masks; got 1"):
        draw_masks(np.zeros((2, 4, 5)), ax=ax, colors=["red"])
