"""Where RoIAlign reads a feature map: the sample points of each bin, the pixels around them, and a matrix of all that.

Every bin averages sample points, and every point reads the four pixels around it, the nearer the more. So every number
of a crop is a weighted sum of pixels. A weight is one along the rows times one along the columns: `sample_points` says
where the points lie on an axis, `neighbours` which of its pixels they read, `matrix` multiplies rows and columns.
"""

import numpy as np

from ..backend import array_module, has_kernel, sparse
from ..errors import ArgumentError
from .common import as_pair


def sample_points(start, end, bins, *, scale, samples, aligned):
    """Where the points of each bin lie, the weight of each, and how far along the RoI each is when the RoI stretches.

    start (K,), end (K,)  ->  position (K, S, n), use (K, 1, n), along (K, S, n) 0 at start and 1 at end
    samples 0 looks how many pixels each bin has, and takes as many points.
    """
    # BEGIN SOLUTION hw04.roi_align_points
    xp = array_module(start)
    dtype = start.dtype
    start, end = start[:, None, None] * scale, end[:, None, None] * scale
    size = end - start if aligned else xp.where(end - start < 1, 1, end - start)

    count = xp.ceil(size / bins) if samples == 0 else xp.full(size.shape, samples, dtype=dtype)  # (K, 1, 1)
    most = samples or max(int(count.max()) if len(start) else 1, 1)
    point = xp.arange(most, dtype=dtype)
    use = (point < count) / xp.maximum(count, 1)  # (K, 1, n)
    bin_start = xp.arange(bins, dtype=dtype)[:, None]
    along = (bin_start + (point + 0.5) / xp.maximum(count, 1)) / bins  # (K, S, n)
    position = (start - (0.5 if aligned else 0)) + along * size
    if not aligned:  # a RoI that was held at one pixel does not stretch
        along = xp.where(end - start < 1, 0, along)
    return position, use.astype(dtype), along
    # END SOLUTION


def neighbours(position, use, length):
    """The pixels before and behind each point, and their weights.

    position (K, S, n), use (K, 1, n)  ->  pixel (K, S, 2n) int, weight (K, S, 2n)
    """
    xp = array_module(position)
    # A point up to one pixel outside reads the border; farther out it reads 0. Exactly one pixel outside, at -1 or at
    # `length`, it is for the rounding of `position` to decide: which side a float32 point falls on is not promised.
    use = use * ((position >= -1) & (position <= length))
    position = xp.fmin(xp.fmax(position, 0), length - 1)  # fmax also turns NaN into a pixel that exists
    low = xp.floor(position)
    share = position - low  # how far the point has gone from pixel low to pixel low + 1
    pixel = xp.concatenate([low, xp.minimum(low + 1, length - 1)], axis=2).astype(np.int32)
    return pixel, xp.concatenate([use * (1 - share), use * share], axis=2)


@has_kernel
def matrix(y, x, *, start, width, num_pixels):
    """Weights along the rows times weights along the columns, as a sparse matrix: a row for each bin.

    y, x: pixel (K, S, n) and weight (K, S, n) of an axis, start (K,)  ->  A (K*S*S, num_pixels)
    start is the first pixel of each RoI's map, width the length of its rows: a number or (K, 1, 1).
    """
    (row, row_weight), (column, column_weight) = y, x
    xp = array_module(row)
    first = (start[:, None, None] + row * width).astype(np.int32)  # (K, S, n)
    pixel = first[:, :, None, :, None] + column[:, None, :, None, :]  # (K, S, S, n, n)
    weight = row_weight[:, :, None, :, None] * column_weight[:, None, :, None, :]
    taps = pixel.shape[3] * pixel.shape[4]
    bins = pixel.shape[0] * pixel.shape[1] * pixel.shape[2]
    row_ends = xp.arange(0, bins * taps + 1, taps, dtype=np.int32)
    A = sparse(xp).csr_matrix((weight.reshape(-1), pixel.reshape(-1), row_ends), shape=(bins, num_pixels))
    if xp is np:  # on a device this would wait for the number of entries that are left
        A.sum_duplicates()  # points of a bin that read the same pixel
        A.eliminate_zeros()
    return A


def bin_matrix(rois, output_size, *, start, height, width, num_pixels, scale, samples, aligned):
    """The weights with which the bins of all RoIs read all pixels there are.

    rois (K, 4), start (K,) int, the first pixel of each RoI's map  ->  A (K*S*S, num_pixels)
    height, width and scale of the map are numbers, or (K, 1, 1), one for each RoI.
    """
    if samples < 0:
        raise ArgumentError(f"roi_align_forward: samples must be at least 0 (0 adapts to each RoI); got {samples}")
    rows, columns = as_pair("roi_align_forward", "output_size", output_size, at_least=1)
    settings = dict(scale=scale, samples=samples, aligned=aligned)
    x1, y1, x2, y2 = rois[:, 0], rois[:, 1], rois[:, 2], rois[:, 3]
    y, y_use, _ = sample_points(y1, y2, rows, **settings)
    x, x_use, _ = sample_points(x1, x2, columns, **settings)
    y, x = neighbours(y, y_use, height), neighbours(x, x_use, width)
    return matrix(y, x, start=start, width=width, num_pixels=num_pixels)
