"""Predicted masks straight to run lengths: a hundred masks of a large picture never stand in memory as pixels."""

import numpy as np

from ..backend import to_host
from ..models.postprocess import pasted_windows
from . import rle


def paste_encoded(masks, found, *, height, width, **settings):
    """`paste_masks`, each mask encoded before the next one is pasted.

    masks (K, S, S), found (K, 4), settings of paste_masks  ->  list of K RLE
    """
    nothing = rle.RLE((height, width), np.array([height * width]))
    codes = [nothing] * len(masks)  # those that lie outside of the picture stay so
    for k, (x1, y1, _, _), pixels in pasted_windows(masks, found, height=height, width=width, **settings):
        codes[k] = rle.encode_window(to_host(pixels), left=x1, top=y1, size=(height, width))
    return codes
