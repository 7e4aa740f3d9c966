"""Masks as a tint over the image."""

import numpy as np
from matplotlib.colors import to_rgb

from ..backend import to_host
from ..data.spans import Spans
from ..errors import ShapeError
from . import style
from .boxes import shown_pixels


def draw_masks(masks, *, ax, colors=None, alpha=0.55):
    """Tint the pixels of each mask on an image that draw_image has shown; later masks lie above earlier ones.

    masks (K, H, W) bool or uint8, or a list of K RLE, or None where there are no masks; colors: one or K  ->  axes
    """
    if masks is None:
        return ax
    masks = list(masks) if isinstance(masks, (list, tuple)) else np.asarray(to_host(masks))
    if not isinstance(masks, list) and masks.ndim != 3:
        raise ShapeError(f"draw_masks: masks must be (K, H, W); got shape {masks.shape}")
    K = len(masks)
    colors = [colors] * K if isinstance(colors, str) else list(colors or [style.color_of(k + 1) for k in range(K)])
    if len(colors) != K:
        raise ShapeError(f"draw_masks: colors must have one entry for each of {K} masks; got {len(colors)}")
    tint = None
    for mask, color in zip(masks, colors):  # of run lengths only the pixels of one mask stand in memory
        (H, W), drawn, window, pixels = _shown(mask)
        tint = np.zeros((*drawn, 4), np.float32) if tint is None else tint
        tint[window][pixels] = (*to_rgb(color), alpha)
    if K:
        ax.imshow(tint, extent=(0, W, H, 0), interpolation="nearest", zorder=1)
    return ax


def _shown(mask):
    """The size of a mask (H, W), or RLE; of what is drawn of it, the size, a window, and the pixels there (bool)."""
    if isinstance(mask, np.ndarray):
        pixels = mask[shown_pixels(*mask.shape)] != 0
        return mask.shape, pixels.shape, (slice(None), slice(None)), pixels
    size = mask.size
    rows, columns = shown_pixels(*size)
    spans = Spans.from_rles([mask], size=size)
    spans = spans if isinstance(rows, slice) else spans.sampled(rows[:, 0], columns[0])
    x1, y1, x2, y2 = spans.boxes()[0].tolist()
    return size, spans.size, (slice(y1, y2), slice(x1, x2)), spans.window(y1, x1, y2 - y1, x2 - x1).decode()[0]
