"""Windows of every size at every place, ordered by how much each looks like a whole thing (Alexe et al. 2012).

A window around an object cuts few regions in two, and what is in it differs from what surrounds it.
"""

import numpy as np

from ...ops import nms
from . import colors
from .segmentation import segment
from .selective_search import REFERENCE

STEP = 0.25  # of a window's side, to the next window
GROWTH = np.sqrt(2)  # from one size to the next
RATIOS = (0.5, 1.0, 2.0)  # height / width
NMS_IOU = 0.7
CANDIDATES = 8  # times as many windows as are asked for compete in the suppression
SMALLEST = 2  # times min_side: the number of windows grows with the inverse square of the smallest
BINS = 8  # of a histogram per channel


def sliding_windows(image, config):
    """The windows that look most like objects, best first.

    image (H, W, C) in 0..1, a ProposalConfig  ->  boxes (P, 4) float32 in pixels
    """
    larger = image.shape[0] * image.shape[1] / REFERENCE
    seen = colors.to_space(image, config.color_spaces[0])
    size = max(1, round(config.min_size * larger))
    labels = segment(seen, scale=config.scales[0] * np.sqrt(larger), min_size=size, sigma=config.sigma)
    boxes = windows(*image.shape[:2], min_side=max(2, SMALLEST * config.min_side * np.sqrt(larger)))
    scores = whole_regions(labels, boxes) * contrast(seen, boxes)
    best = np.argsort(-scores, kind="stable")[: CANDIDATES * config.most]
    boxes, scores = boxes[best].astype(np.float32), scores[best].astype(np.float32)
    return boxes[nms.nms(boxes, scores, iou_threshold=NMS_IOU)][: config.most]


def windows(height, width, *, min_side):
    """All windows of whole pixels in a picture, small ones first  ->  boxes (K, 4) int"""
    found, side = [], float(min_side)
    while side <= max(height, width):
        for ratio in RATIOS:
            h, w = round(side * np.sqrt(ratio)), round(side / np.sqrt(ratio))
            if h <= height and w <= width:
                sides = (height - h, h), (width - w, w)
                y, x = (np.arange(0, room + 1, max(1, round(STEP * side))) for room, side in sides)
                y, x = (corner.ravel() for corner in np.meshgrid(y, x, indexing="ij"))
                found.append(np.stack([x, y, x + w, y + h], axis=1))
        side *= GROWTH
    return np.concatenate(found) if found else np.array([[0, 0, width, height]])


def whole_regions(labels, boxes):
    """1 where no region is cut in two, less by what share of the window could be saved by moving its border.

    labels (H, W) int from 0, boxes (K, 4) int  ->  (K,) in 0..1
    """
    cut = np.zeros(len(boxes))
    for region, size in enumerate(np.bincount(labels.ravel())):
        inside = _sums((labels == region).astype(np.int64), boxes)
        cut += np.minimum(inside, size - inside)
    return np.maximum(1 - cut / _areas(boxes), 0)


def contrast(image, boxes):
    """How much of the pixels in a window is not matched by those in the frame around it, half as wide again.

    image (H, W, C) in 0..1, boxes (K, 4) int  ->  (K,) in 0..1
    """
    height, width = image.shape[:2]
    sides = np.tile((boxes[:, 2:] - boxes[:, :2]) // 4 + 1, 2) * [-1, -1, 1, 1]
    around = np.clip(boxes + sides, 0, [width, height, width, height])
    area, frame = _areas(boxes), np.maximum(_areas(around) - _areas(boxes), 1)
    bin = np.minimum((image * BINS).astype(np.int64), BINS - 1)
    shared = np.zeros(len(boxes))
    for channel in range(image.shape[2]):
        for k in range(BINS):
            here = (bin[:, :, channel] == k).astype(np.int64)
            inside = _sums(here, boxes)
            shared += np.minimum(inside / area, (_sums(here, around) - inside) / frame)
    return 1 - shared / image.shape[2]


def _sums(values, boxes):
    """The sum of a map over each box, from four places of its integral: values (H, W), boxes (K, 4) int  ->  (K,)"""
    integral = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    x1, y1, x2, y2 = boxes.T
    return integral[y2, x2] - integral[y1, x2] - integral[y2, x1] + integral[y1, x1]


def _areas(boxes):
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
