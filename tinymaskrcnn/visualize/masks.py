"""Masks as a tint over the image."""

import numpy as np
from matplotlib.colors import to_rgb

from ..backend import to_host
from ..errors import ShapeError
from . import style


def draw_masks(masks, *, ax, colors=None, alpha=0.55):
    """Tint the pixels of each mask on an image that draw_image has shown; later masks lie above earlier ones.

    masks (K, H, W) bool or uint8, colors: one or K  ->  axes
    """
    masks = np.asarray(to_host(masks)) != 0
    if masks.ndim != 3:
        raise ShapeError(f"draw_masks: masks must be (K, H, W); got shape {masks.shape}")
    K, H, W = masks.shape
    colors = [colors] * K if isinstance(colors, str) else list(colors or [style.color_of(k + 1) for k in range(K)])
    if len(colors) != K:
        raise ShapeError(f"draw_masks: colors must have one entry for each of {K} masks; got {len(colors)}")
    tint = np.zeros((H, W, 4), np.float32)
    for mask, color in zip(masks, colors):
        tint[mask] = (*to_rgb(color), alpha)
    if K:
        ax.imshow(tint, extent=(0, W, H, 0), interpolation="nearest", zorder=1)
    return ax
