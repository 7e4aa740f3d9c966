"""Tints: the right pixels, the right colour, the later above the earlier."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

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


def test_no_masks_change_nothing():
    ax = draw_masks(np.zeros((0, 4, 5), bool), ax=draw_image(np.zeros((4, 5))))
    assert len(ax.images) == 1


def test_refusals():
    ax = draw_image(np.zeros((4, 5)))
    with pytest.raises(ShapeError, match=r"masks must be \(K, H, W\); got shape \(4, 5\)"):
        draw_masks(np.zeros((4, 5)), ax=ax)
    with pytest.raises(ShapeError, match="one entry for each of 2 masks; got 1"):
        draw_masks(np.zeros((2, 4, 5)), ax=ax, colors=["red"])
