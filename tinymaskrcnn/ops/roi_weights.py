"""RoI operators whose crops are weighted sums of pixels, a weight along the rows times one along the columns.

Such an operator only says what its bins do along one axis. Rows and columns, the levels of a pyramid, and the gradients
for pixels and for boxes are the same for all of them; a single map is a pyramid of one level.
"""

import numpy as np

from ..backend import array_module
from .common import as_pair
from .roi_align import check_pyramid, find_maps, join_levels, split_levels, transposed
from .roi_align_boxes import edge_gradient
from .roi_samples import matrix


def weighted_crops(function, along, pyramid, rois, *, output_size, box_gradient, image_index, level, scales):
    """Crops whose every number is a weighted sum of pixels: crops = A @ pixels.

    pyramid [(N, H, W, C)] * L, rois (K, 4)  ->  crops (K, S, S, C)
    along(start, end, bins, length, scale=, longest=) says for one axis which pixels the bins read: pixel (K, S, T) int,
    weight (K, S, T), and how weight grows when the start of a RoI moves, and when its end does, each (K, S, T). What
    lies on no pixel has weight 0. longest: of all maps, known from shapes, so that no device has to be asked.
    level None: there is but one.
    """
    rows, columns = as_pair(function, "output_size", output_size, at_least=1)
    check_pyramid(function, pyramid, rois, scales)
    shapes = [features.shape for features in pyramid]
    if level is None:
        level = array_module(rois).zeros(len(rois), np.int64)
    place = find_maps(function, rois, image_index, level, shapes=shapes, scales=scales)
    height, scale, longest = place.pop("height"), place.pop("scale"), np.max(shapes, axis=0).tolist()
    x1, y1, x2, y2 = rois[:, 0], rois[:, 1], rois[:, 2], rois[:, 3]
    y = along(y1, y2, rows, height, scale=scale, longest=longest[1])
    x = along(x1, x2, columns, place["width"], scale=scale, longest=longest[2])
    A, pixels = matrix(y[:2], x[:2], **place), join_levels(pyramid)
    crops = (A @ pixels).reshape(len(rois), rows, columns, pixels.shape[1])
    place = dict(start=place["start"], width=place["width"])
    return crops, (A, shapes, (pixels, y, x, place) if box_gradient else None)


def weighted_gradients(dcrops, cache):
    """Mirror of weighted_crops: dcrops (K, S, T, C)  ->  dpyramid [(N, H, W, C)] * L, drois (K, 4) or None"""
    A, shapes, for_boxes = cache
    dpixels = transposed(A, dcrops) @ dcrops.reshape(-1, dcrops.shape[3])
    if for_boxes is None:
        return split_levels(dpixels, shapes), None
    *taps, place = for_boxes
    return split_levels(dpixels, shapes), edge_gradient(dcrops, *taps, **place)
