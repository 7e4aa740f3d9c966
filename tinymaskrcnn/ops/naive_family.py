"""The definitions of what other members of the family use, as plain loops: the continuation of naive.py."""

import math

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


def roi_warp(features, rois, *, image_index, output_size, scale, aligned):
    """features (N, H, W, C), rois (K, 4), image_index (K,) -> crops (K, S, T, C), output_size (S, T)."""
    _, H, W, C = features.shape
    S, T = output_size
    crops = np.zeros((len(rois), S, T, C), features.dtype)
    for k in range(len(rois)):
        x1, y1, x2, y2 = (float(edge) * scale - (0.5 if aligned else 0) for edge in rois[k])
        for i, j in np.ndindex(S, T):
            y, x = y1 + i / S * (y2 - y1), x1 + j / T * (x2 - x1)
            for r, c in np.ndindex(H, W):
                crops[k, i, j] += max(0, 1 - abs(y - r)) * max(0, 1 - abs(x - c)) * features[image_index[k], r, c]
    return crops


def prroi_pool(features, rois, *, image_index, output_size, scale, aligned):
    """features (N, H, W, C), rois (K, 4), image_index (K,) -> crops (K, S, T, C), output_size (S, T)."""
    _, H, W, C = features.shape
    S, T = output_size
    crops = np.zeros((len(rois), S, T, C), features.dtype)
    for k in range(len(rois)):
        x1, y1, x2, y2 = (float(edge) * scale - (0.5 if aligned else 0) for edge in rois[k])
        if x2 <= x1 or y2 <= y1:
            continue
        for i, j in np.ndindex(S, T):
            top, bottom = (y1 + edge / S * (y2 - y1) for edge in (i, i + 1))
            left, right = (x1 + edge / T * (x2 - x1) for edge in (j, j + 1))
            for r, c in np.ndindex(H, W):
                over_rows = tent_integral(bottom - r) - tent_integral(top - r)
                over_columns = tent_integral(right - c) - tent_integral(left - c)
                crops[k, i, j] += over_rows * over_columns * features[image_index[k], r, c]
            crops[k, i, j] /= (bottom - top) * (right - left)
    return crops


def tent_integral(t):
    """The integral of max(0, 1 - |u|) from far away up to t."""
    t = min(max(t, -1.0), 1.0)
    return (1 + t) ** 2 / 2 if t < 0 else 1 - (1 - t) ** 2 / 2


def roi_align_edges(dcrop, *, image, box, output_size, scale, samples, aligned):
    """How sum(dcrop * crop) changes with the edges of one box: dcrop (S, T, C), image (H, W, C) -> dbox (4,).

    Every sample point lies a share of the way from one edge to the other, and moves with both accordingly; between the
    grid lines the map is straight along each axis, and beyond its border pixels it is flat.
    """
    H, W, _ = image.shape
    S, T = output_size
    x1, y1, x2, y2 = (float(edge) * scale - (0.5 if aligned else 0) for edge in box)
    height, width = y2 - y1, x2 - x1
    held_y, held_x = not aligned and height < 1, not aligned and width < 1
    height, width = 1 if held_y else height, 1 if held_x else width
    points_y, points_x = samples or max(0, math.ceil(height / S)), samples or max(0, math.ceil(width / T))
    dbox = np.zeros(4)
    for i, j in np.ndindex(S, T):
        for p, q in np.ndindex(points_y, points_x):
            down, over = (i + (p + 0.5) / points_y) / S, (j + (q + 0.5) / points_x) / T
            y, x = y1 + down * height, x1 + over * width
            down, over = 0 if held_y else down, 0 if held_x else over
            g = dcrop[i, j] / (points_y * points_x)
            if 0 < x < W - 1 and -1 <= y <= H:
                left, right = (bilinear(image, y, float(column)) for column in (int(x), int(x) + 1))
                dx = scale * float((g * (right - left)).sum())
                dbox += [(1 - over) * dx, 0, over * dx, 0]
            if 0 < y < H - 1 and -1 <= x <= W:
                above, below = (bilinear(image, float(row), x) for row in (int(y), int(y) + 1))
                dy = scale * float((g * (below - above)).sum())
                dbox += [0, (1 - down) * dy, 0, down * dy]
    return dbox
