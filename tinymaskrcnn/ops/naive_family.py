"""The definitions of what other members of the family use, as plain loops: the continuation of naive.py."""

import numpy as np

from .naive import bilinear


def warp(images, *, boxes, image_index, size, context):
    """images (N, H, W, C), boxes (K, 4), image_index (K,) -> crops (K, size, size, C)."""
    _, H, W, C = images.shape
    crops = np.zeros((len(boxes), size, size, C), images.dtype)
    for k in range(len(boxes)):
        x1, y1, x2, y2 = map(float, boxes[k])
        for i, j in np.ndindex(size, size):
            y = y1 + (i + 0.5 - context) / (size - 2 * context) * (y2 - y1)  # the centre of pixel (i, j)
            x = x1 + (j + 0.5 - context) / (size - 2 * context) * (x2 - x1)
            if 0 <= y <= H and 0 <= x <= W:
                crops[k, i, j] = bilinear(images[image_index[k]], y - 0.5, x - 0.5)
    return crops


def hinge(scores, *, targets, weight, normalizer):
    """scores (K,), targets (K,) of -1 and 1, weight (K,) -> loss ()."""
    return sum(w * max(0, 1 - t * s) for s, t, w in zip(scores, targets, weight)) / normalizer
