"""RoIPool: cut a RoI into bins of whole pixels and keep the largest value of each (Fast R-CNN, section 2.1).

Two roundings move the picture: the RoI's edges go to the nearest pixels, and bins that do not divide evenly are widened
to whole pixels, so that neighbours overlap. RoIAlign was invented to be rid of both.
"""

import numpy as np

from ..backend import array_module, has_kernel, sparse
from ..contract import checked
from .common import as_pair
from .roi_align import check_image_index, transposed


@checked
@has_kernel
def roi_pool_forward(features, rois, *, image_index, output_size, scale):
    """Take the maximum of each bin of each RoI; an empty bin is 0.

    features (N, H, W, C), rois (K, 4), image_index (K,) int  ->  crops (K, S, S, C)
    rois are in image pixels; `scale` is the size of the feature map over that of the image. output_size is S or (rows,
    columns). The last pixel a RoI touches belongs to it: a RoI is at least one pixel long.
    """
    xp = array_module(features)
    n, height, width, channels = features.shape
    check_image_index("roi_pool_forward", image_index, n)
    rows, columns = as_pair("roi_pool_forward", "output_size", output_size, at_least=1)
    top, bottom = _bins(rois[:, 1], rois[:, 3], rows, height, scale)  # (K, S)
    left, right = _bins(rois[:, 0], rois[:, 2], columns, width, scale)

    pixels = features.reshape(n * height * width, channels)
    top_row = (image_index.astype(np.int32) * height)[:, None]  # the pictures lie below each other
    reach = max(_largest(right - left), 1)
    best = xp.full((len(rois), rows, columns, channels), -np.inf, features.dtype)
    where = xp.zeros(best.shape, np.int32)  # the place of the maximum in its bin, counted row by row
    for i in range(_largest(bottom - top)):
        row = top_row + xp.maximum(xp.minimum(top + i, bottom - 1), 0)  # (K, S)
        for j in range(reach):
            # Look at pixel (i, j) of every bin at once; a smaller bin sees its last one again, which changes nothing.
            column = xp.maximum(xp.minimum(left + j, right - 1), 0)
            value = pixels.take((row * width)[:, :, None] + column[:, None, :], axis=0)  # (K, S, S, C)
            where = xp.where(value > best, i * reach + j, where)  # of equal values the first stays
            best = xp.maximum(best, value)
    filled = (top < bottom)[:, :, None, None] & (left < right)[:, None, :, None]
    crops = xp.where(filled, best, 0)
    return crops, (where, reach, (top_row + top) * width, left, filled, features.shape)


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


def _largest(sizes):
    return int(sizes.max()) if sizes.size else 0
