"""RoIPool: cut a RoI into bins of whole pixels and keep the largest value of each (Fast R-CNN, section 2.1).

Two roundings move the picture: the RoI's edges go to the nearest pixels, and bins that do not divide evenly are widened
to whole pixels, so that neighbours overlap. RoIAlign was invented to be rid of both.
"""

import numpy as np

from ..backend import array_module, has_kernel, sparse
from ..contract import checked
from .common import as_pair, check_index
from .roi_align import check_pyramid, find_maps, join_levels, split_levels, transposed


@checked
@has_kernel
def roi_pool_forward(features, rois, *, image_index, output_size, scale):
    """Take the maximum of each bin of each RoI; an empty bin is 0.

    features (N, H, W, C), rois (K, 4), image_index (K,) int  ->  crops (K, S, S, C)
    rois are in image pixels; `scale` is the size of the feature map over that of the image. output_size is S or (rows,
    columns). The last pixel a RoI touches belongs to it: a RoI is at least one pixel long.
    """
    n, height, width, channels = features.shape
    check_index("roi_pool_forward", "image_index", image_index, n)
    rows, columns = as_pair("roi_pool_forward", "output_size", output_size, at_least=1)
    top, bottom = _bins(rois[:, 1], rois[:, 3], rows, height, scale)  # (K, S)
    left, right = _bins(rois[:, 0], rois[:, 2], columns, width, scale)
    start = (image_index.astype(np.int32) * (height * width))[:, None]  # the pictures lie behind each other
    looks = _looks(bottom - top, height), _looks(right - left, width)
    pixels = features.reshape(n * height * width, channels)
    crops, where, filled = _largest(pixels, (top, bottom), (left, right), looks, start=start, width=width)
    return crops, (where, looks[1], start + top * width, left, filled, features.shape)


@checked
@has_kernel
def roi_pool_backward(dcrops, cache):
    """Mirror of roi_pool_forward: each gradient goes to the pixel that was the largest; bins that share it add up.

    dcrops (K, S, T, C)  ->  dfeatures (N, H, W, C), drois None
    A RoI only acts through its rounded edges, so no small step of an edge changes anything: no gradient, None.
    """
    # BEGIN SOLUTION hw04.roi_pool_backward
    where, reach, row_start, left, filled, shape = cache
    xp = array_module(dcrops)
    n, height, width, channels = shape
    first = row_start[:, :, None, None] + left[:, None, :, None]  # the first pixel of each bin
    pixel = xp.where(filled, first + where // reach * width + where % reach, 0)
    gives = xp.where(filled, dcrops, 0)
    entry = (pixel * channels + xp.arange(channels, dtype=np.int32)).reshape(-1)
    # A sparse matrix whose row r holds one number, what bin-and-channel r gives, in the column of its receiver.
    ends = xp.arange(entry.size + 1, dtype=np.int32)
    routes = sparse(xp).csr_matrix((gives.reshape(-1), entry, ends), shape=(entry.size, n * height * width * channels))
    dfeatures = transposed(routes, dcrops) @ xp.ones(entry.size, dtype=dcrops.dtype)
    return dfeatures.reshape(shape), None
    # END SOLUTION


@checked
def pyramid_roi_pool_forward(pyramid, rois, *, image_index, level, output_size, scales, box_gradient=False):
    """RoIPool in which every RoI is cut from a level of its own.

    pyramid [(N, H, W, C)] * L, rois (K, 4) float, image_index (K,) int, level (K,) int  ->  crops (K, S, S, C)
    level is a position in the list `pyramid`, and scales has one entry per level; all else as in roi_pool_forward.
    With box_gradient the gradient for rois is an array: of zeros, because edges are rounded.
    """
    function = "pyramid_roi_pool_forward"
    rows, columns = as_pair(function, "output_size", output_size, at_least=1)
    check_pyramid(function, pyramid, rois, scales)
    shapes = [features.shape for features in pyramid]
    maps = find_maps(function, rois, image_index, level, shapes=shapes, scales=scales)
    height, width, start = (maps[key].reshape(-1, 1).astype(np.int32) for key in ("height", "width", "start"))
    x1, y1, x2, y2 = (rois * maps["scale"][:, :, 0]).T
    top, bottom = _bins(y1, y2, rows, height, 1)
    left, right = _bins(x1, x2, columns, width, 1)
    _, tallest, widest, channels = np.max(shapes, axis=0).tolist()
    looks = _looks(bottom - top, tallest), _looks(right - left, widest)
    pixels = join_levels(pyramid)
    crops, where, filled = _largest(pixels, (top, bottom), (left, right), looks, start=start, width=width)
    # For the way back all pixels stand in one column: a place is how far it lies behind the first pixel of its bin.
    behind = where // looks[1] * width[:, :, None, None] + where % looks[1]
    column = (behind, 1, start + top * width, left, filled, (1, len(pixels), 1, channels))
    return crops, (column, shapes, rois.shape if box_gradient else None)


@checked
def pyramid_roi_pool_backward(dcrops, cache):
    """Mirror of pyramid_roi_pool_forward.

    dcrops (K, S, T, C)  ->  dpyramid [(N, H, W, C)] * L, drois (K, 4), zeros, or None
    """
    column, shapes, boxes = cache
    dpixels, _ = roi_pool_backward(dcrops, column)
    drois = None if boxes is None else array_module(dcrops).zeros(boxes, dcrops.dtype)
    return split_levels(dpixels, shapes), drois


def _bins(start, end, bins, length, scale):
    """The first pixel of each bin and the one after its last, by integer arithmetic.

    start (K,), end (K,)  ->  first (K, S) int, stop (K, S) int
    """
    # BEGIN SOLUTION hw04.roi_pool_bins
    xp = array_module(start)
    start = _nearest(start * float(scale))[:, None]
    size = xp.maximum(_nearest(end * float(scale))[:, None] - start + 1, 1)
    bin = xp.arange(bins, dtype=np.int32)
    first = start + bin * size // bins  # rounded down
    stop = start - (-(bin + 1) * size) // bins  # rounded up
    return xp.clip(first, 0, length), xp.clip(stop, 0, length)
    # END SOLUTION


def _nearest(x):
    """Round to int, halves away from zero (NumPy's own rounding sends them to the even neighbour)."""
    xp = array_module(x)
    whole = xp.trunc(x)
    return (whole + xp.sign(x) * (xp.abs(x - whole) >= 0.5)).astype(np.int32)


def _looks(sizes, length):
    """Along an axis of this length: how many pixels the largest bin has, sizes (K, S) those of all bins.

    A device is not asked, because the host would wait for it: no bin of a RoI that lies on the map has more than this,
    and one of a longer RoI is NaN there.
    """
    if array_module(sizes) is np:
        return int(sizes.max(initial=1))
    return min(-(-(length + 1) // sizes.shape[1]) + 1, length)


@has_kernel
def _largest(pixels, rows, columns, looks, *, start, width):
    """The largest value of each bin, its place in the bin counted row by row, and whether the bin has any pixel.

    pixels (P, C), rows and columns each (first (K, S), stop (K, S))  ->  crops, where, filled (K, S, T, C or 1)
    start (K, 1) is the first pixel of each RoI's map, width the length of its rows: a number or (K, 1).
    """
    xp = array_module(pixels)
    (top, bottom), (left, right) = rows, columns
    best = xp.full((*top.shape, left.shape[1], pixels.shape[1]), -np.inf, pixels.dtype)
    where = xp.zeros(best.shape, np.int32)
    for i in range(looks[0]):
        row = start + xp.maximum(xp.minimum(top + i, bottom - 1), 0) * width  # (K, S)
        for j in range(looks[1]):
            # Look at pixel (i, j) of every bin at once; a smaller bin sees its last one again, which changes nothing.
            column = xp.maximum(xp.minimum(left + j, right - 1), 0)
            value = pixels.take(row[:, :, None] + column[:, None, :], axis=0)  # (K, S, T, C)
            where = xp.where(value > best, i * looks[1] + j, where)  # of equal values the first stays
            best = xp.maximum(best, value)
    filled = (top < bottom)[:, :, None, None] & (left < right)[:, None, :, None]
    seen = (bottom - top <= looks[0])[:, :, None, None] & (right - left <= looks[1])[:, None, :, None]
    return xp.where(filled, xp.where(seen, best, np.nan), 0).astype(best.dtype), where, filled
