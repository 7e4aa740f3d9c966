"""Predicted masks straight to run lengths: a hundred masks of a large picture never stand in memory as pixels."""

import numpy as np

from ..backend import to_host
from ..data import rle
from ..models.postprocess import pasted_windows


def paste_encoded(masks, found, *, height, width, **settings):
    """`paste_masks`, each mask encoded before the next one is pasted.

    masks (K, S, S), found (K, 4), settings of paste_masks  ->  list of K RLE
    """
    nothing = rle.RLE((height, width), np.array([height * width]))
    codes = [nothing] * len(masks)  # those that lie outside of the picture stay so
    for k, (x1, y1, _, _), pixels in pasted_windows(masks, found, height=height, width=width, **settings):
        codes[k] = encode_window(to_host(pixels), left=x1, top=y1, size=(height, width))
    return codes


def encode_window(mask, *, left, top, size):
    """Run-length encode a mask that is off outside of a window, without making the rest of its picture.

    mask (h, w), the place of its first pixel, size (H, W) of the picture  ->  RLE
    """
    (h, w), H = mask.shape, size[0]
    columns = np.zeros((w, h + 1), bool)  # a pixel that is off after every column, and so before the next
    columns[:, :-1] = mask.T
    columns = columns.reshape(-1)
    edges = np.flatnonzero(columns[1:] != columns[:-1]) + 1
    if len(columns) and columns[0]:
        edges = np.concatenate([[0], edges])
    column, row = np.divmod(edges, h + 1)
    return rle.from_edges((left + column) * H + top + row, size=size)
