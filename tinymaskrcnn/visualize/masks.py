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
    masks, size = _shown(masks)
    K = len(masks)
    colors = [colors] * K if isinstance(colors, str) else list(colors or [style.color_of(k + 1) for k in range(K)])
    if len(colors) != K and size:
        raise ShapeError(f"draw_masks: colors must have one entry for each of {K} masks; got {len(colors)}")
    if K:
        tint = np.zeros((*masks.shape[1:], 4), np.float32)
        for mask, color in zip(masks, colors):
            tint[mask] = (*to_rgb(color), alpha)
        H, W = size
        ax.imshow(tint, extent=(0, W, H, 0), interpolation="nearest", zorder=1)
    return ax


def _shown(masks):
    """The pixels of masks that are drawn (K, h, w) bool, and the size (H, W) of their picture; () without masks."""
    if masks is None:
        return np.zeros((0, 0, 0), bool), ()
    if isinstance(masks, (list, tuple)):
        return _decoded(masks) if masks else (np.zeros((0, 0, 0), bool), (0, 0))
    masks = np.asarray(to_host(masks))
    if masks.ndim != 3:
        raise ShapeError(f"draw_masks: masks must be (K, H, W); got shape {masks.shape}")
    rows, columns = shown_pixels(*masks.shape[1:])
    return masks[:, rows, columns] != 0, masks.shape[1:]


def _decoded(codes):
    size = tuple(codes[0].size)
    spans = Spans.from_rles(codes, size=size)
    rows, columns = shown_pixels(*size)
    if not isinstance(rows, slice):
        spans = spans.sampled(rows[:, 0], columns[0])
    return spans.decode(), size
