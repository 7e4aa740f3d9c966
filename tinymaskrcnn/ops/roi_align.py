"""RoIAlign: read a feature map between its pixels, so that a crop follows its box without rounding.

Every bin averages sample points, and every point reads the four pixels around it, the nearer the more. So every number
of a crop is a weighted sum of pixels, and the whole operator is one sparse matrix: crops = A @ pixels, and backward is
A.T @ dcrops. A weight is one along the rows times one along the columns: `_sample_points` says where the points lie on
an axis, `_taps` which of its pixels they read, `_matrix` multiplies rows and columns.
"""

import itertools

import numpy as np

from ..backend import array_module, has_kernel, sparse
from ..contract import checked
from ..errors import ArgumentError, DtypeError, ShapeError
from .common import as_pair


@checked
@has_kernel
def roi_align_forward(features, rois, *, image_index, output_size, scale, samples=2, aligned=True, box_gradient=False):
    """Average bilinear samples inside each bin of each RoI (He et al. 2017, section 3).

    features (N, H, W, C), rois (K, 4), image_index (K,) int  ->  crops (K, S, S, C)
    rois are in image pixels; `scale` is the size of the feature map over that of the image. output_size is S or (rows,
    columns). samples is the number of sample points of a bin along each axis; 0 takes as many as the bin has pixels.
    aligned sees the centre of pixel i at i + 0.5; without it at i, and a RoI is at least one pixel long.
    The gradient for rois is None unless box_gradient is set: usual training treats proposals as data.
    """
    shape = features.shape
    rows, columns = as_pair("roi_align_forward", "output_size", output_size, at_least=1)
    settings = dict(image_index=image_index, output_size=output_size, scale=scale, samples=samples, aligned=aligned)
    A = interpolation_matrix(rois, feature_shape=shape[:3], **settings)
    crops = A @ features.reshape(-1, shape[3])  # (K*S*S, C)
    cache = (A, shape, (features, rois, settings) if box_gradient else None)
    return crops.reshape(len(rois), rows, columns, shape[3]), cache


@checked
@has_kernel
def roi_align_backward(dcrops, cache):
    """Mirror of roi_align_forward: a pixel collects from every bin that read it, as much as it gave.

    dcrops (K, S, T, C)  ->  dfeatures (N, H, W, C), drois (K, 4) or None
    """
    # BEGIN SOLUTION hw04.roi_align_backward
    A, shape, for_boxes = cache
    drois = None if for_boxes is None else _box_gradient(dcrops, *for_boxes)
    dfeatures = transposed(A, dcrops) @ dcrops.reshape(-1, shape[3])  # (N*H*W, C)
    return dfeatures.reshape(shape), drois
    # END SOLUTION


def interpolation_matrix(rois, *, image_index, feature_shape, output_size, scale, samples=2, aligned=True):
    """The sparse matrix A of RoIAlign: row (k, i, j) holds the weights with which bin (i, j) of RoI k reads the pixels.

    rois (K, 4), image_index (K,) int, feature_shape (N, H, W)  ->  A (K*S*S, N*H*W)
    """
    n, height, width = feature_shape
    check_image_index("roi_align_forward", image_index, n)
    settings = dict(scale=float(scale), samples=samples, aligned=aligned)
    y, x = _both_axes(_taps, rois, output_size, height, width, **settings)
    return _matrix(y, x, start=image_index * (height * width), width=width, num_pixels=n * height * width)


def _both_axes(along, rois, output_size, height, width, *, samples, **settings):
    """What the function `along` says about the rows and the columns of a map of this size.

    height, width and the scale in settings are numbers, or (K, 1, 1), one for each RoI.
    """
    if samples < 0:
        raise ArgumentError(f"roi_align_forward: samples must be at least 0 (0 adapts to each RoI); got {samples}")
    rows, columns = as_pair("roi_align_forward", "output_size", output_size, at_least=1)
    x1, y1, x2, y2 = rois[:, 0], rois[:, 1], rois[:, 2], rois[:, 3]
    settings["samples"] = samples
    return along(y1, y2, rows, height, **settings), along(x1, x2, columns, width, **settings)


def _sample_points(start, end, bins, *, scale, samples, aligned):
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


def _taps(start, end, bins, length, **settings):
    """Which pixels of an axis each bin reads, and how much of each.

    start (K,), end (K,)  ->  pixel (K, S, T) int, weight (K, S, T)
    """
    position, use, _ = _sample_points(start, end, bins, **settings)
    pixel, weight = _neighbours(position, use, length)
    return _merge(pixel, weight, length) if array_module(start) is np else (pixel, weight)


def _neighbours(position, use, length):
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


def _matrix(y, x, *, start, width, num_pixels):
    """The taps along the rows times those along the columns, as a sparse matrix: a row for each bin.

    start (K,) is the first pixel of each RoI's map, width the length of its rows: a number or (K, 1, 1).
    """
    (row, row_weight), (column, column_weight) = y, x
    xp = array_module(row)
    first = start.astype(np.int32)[:, None, None] + row * width  # (K, S, T)
    pixel = first[:, :, None, :, None] + column[:, None, :, None, :]  # (K, S, S, T, T)
    weight = row_weight[:, :, None, :, None] * column_weight[:, None, :, None, :]
    taps = pixel.shape[3] * pixel.shape[4]
    bins = pixel.shape[0] * pixel.shape[1] * pixel.shape[2]
    row_ends = xp.arange(0, bins * taps + 1, taps, dtype=np.int32)
    A = sparse(xp).csr_matrix((weight.reshape(-1), pixel.reshape(-1), row_ends), shape=(bins, num_pixels))
    if xp is np:
        A.eliminate_zeros()  # on a device this would wait for the number of entries that are left
    return A


def transposed(A, like):
    """A.T; on a device with its rows together, so that sums run in a fixed order and every run gives the same bits."""
    return A.T if array_module(like) is np else A.T.tocsr()


# ---------------------------------------------------------------- over a pyramid


@checked
@has_kernel
def pyramid_roi_align_forward(pyramid, *, rois, image_index, level, output_size, scales, samples=2, aligned=True):
    """RoIAlign in which every RoI is cut from a level of its own (FPN paper, section 4.2): still one sparse matrix.

    pyramid [(N, H, W, C)] * L, rois (K, 4) float, image_index (K,) int, level (K,) int  ->  crops (K, S, S, C)
    level is a position in the list `pyramid`, and scales has one entry per level; all else as in roi_align_forward.
    The pixels of an image's levels lie one after another, so that RoIs differ in their scale, in height and width of
    their map, and in where that starts. No shape depends on which level a RoI is cut from.
    """
    check_pyramid(pyramid, rois, scales)
    settings = dict(output_size=output_size, scales=scales, samples=samples, aligned=aligned)
    shapes = [features.shape for features in pyramid]
    A = pyramid_matrix(rois, image_index=image_index, level=level, shapes=shapes, **settings)
    crops = A @ join_levels(pyramid)  # (K*S*S, C)
    rows, columns = as_pair("pyramid_roi_align_forward", "output_size", output_size, at_least=1)
    return crops.reshape(len(rois), rows, columns, shapes[0][3]), (A, shapes)


@checked
@has_kernel
def pyramid_roi_align_backward(dcrops, cache):
    """Mirror of pyramid_roi_align_forward: the transposed matrix, and the pixels divided among the levels again.

    dcrops (K, S, T, C)  ->  dpyramid [(N, H, W, C)] * L
    """
    A, shapes = cache
    n, _, _, channels = shapes[0]
    ends = level_ends(shapes)
    dpixels = transposed(A, dcrops) @ dcrops.reshape(-1, channels)
    dpixels = dpixels.reshape(n, ends[-1], channels)
    return [dpixels[:, start:end].reshape(shape) for start, end, shape in zip([0, *ends], ends, shapes)]


def join_levels(pyramid):
    """pyramid [(N, H, W, C)] * L  ->  pixels (N*P, C): image by image, and in it level by level."""
    n, _, _, channels = pyramid[0].shape
    levels = [features.reshape(n, features.shape[1] * features.shape[2], channels) for features in pyramid]
    return array_module(pyramid[0]).concatenate(levels, axis=1).reshape(-1, channels)


def level_ends(shapes):
    """Where each level ends among the P pixels of an image: shapes [(N, H, W, C)] * L  ->  L ints, the last one P."""
    return list(itertools.accumulate(height * width for _, height, width, _ in shapes))


def pyramid_matrix(rois, *, image_index, level, shapes, output_size, scales, samples=2, aligned=True):
    """interpolation_matrix over the pixels of all levels.

    rois (K, 4), image_index (K,) int, level (K,) int, shapes [(N, H, W, C)] * L  ->  A (K*S*S, N*P)
    """
    check_image_index("pyramid_roi_align_forward", image_index, shapes[0][0])
    check_image_index("pyramid_roi_align_forward", level, len(shapes), "level")
    xp, dtype = array_module(rois), rois.dtype
    ends = level_ends(shapes)
    sizes = xp.asarray([(height, width, scale) for (_, height, width, _), scale in zip(shapes, scales)], dtype)
    height, width, scale = sizes[level].T[:, :, None, None]  # (K, 1, 1)
    y, x = _both_axes(_taps, rois, output_size, height, width, scale=scale, samples=samples, aligned=aligned)
    start = image_index * ends[-1] + xp.asarray([0, *ends[:-1]])[level]
    return _matrix(y, x, start=start, width=width.astype(np.int32), num_pixels=shapes[0][0] * ends[-1])


# ---------------------------------------------------------------- one channel, and as many points as pixels


def adaptive_weights(start, end, bins, lengths, *, longest, aligned):
    """Adaptive sampling along one axis as a matrix per RoI: for one channel, crop = rows @ map @ columns.T.

    start (K,), end (K,), lengths (K,) of the axis of each RoI, none above `longest`; start and end lie on that axis
    ->  weights (K, S, longest)
    """
    xp = array_module(start)
    length = lengths.astype(start.dtype)[:, None, None]
    if xp is np:
        pixel, weight = _taps(start, end, bins, length, scale=1.0, samples=0, aligned=aligned)
    else:
        pixel, weight = _neighbours(*_unseen_points(start, end, bins, -(-longest // bins), aligned=aligned), length)
    weights = xp.zeros((len(start) * bins, longest), start.dtype)
    row = xp.arange(len(weights))
    for tap in range(pixel.shape[2]):  # one pixel for each bin at a time: nothing is added to the same place twice
        weights[row, pixel[:, :, tap].reshape(-1)] += weight[:, :, tap].reshape(-1)
    return weights.reshape(len(start), bins, longest)


def _unseen_points(start, end, bins, most, *, aligned):
    """_sample_points with samples 0 on a device, which is not asked how many the largest bin takes: at most `most`."""
    xp, dtype = array_module(start), start.dtype
    start, end = start[:, None, None], end[:, None, None]
    size = end - start if aligned else xp.where(end - start < 1, 1, end - start)
    count = xp.ceil(size / bins)
    point = xp.arange(most, dtype=dtype)
    along = (xp.arange(bins, dtype=dtype)[:, None] + (point + 0.5) / xp.maximum(count, 1)) / bins
    return (start - (0.5 if aligned else 0)) + along * size, ((point < count) / xp.maximum(count, 1)).astype(dtype)


def _merge(pixel, weight, length):
    """Give neighbouring samples that read the same pixel one common tap, where this makes the taps fewer."""
    first = pixel.min(axis=2, keepdims=True)
    offset = pixel - first
    reach = int(offset.max(initial=0)) + 1
    if reach >= pixel.shape[2]:
        return pixel, weight
    weight = np.stack([(weight * (offset == step)).sum(axis=2) for step in range(reach)], axis=2)
    return np.minimum(first + np.arange(reach), length - 1).astype(np.int32), weight


# ---------------------------------------------------------------- when boxes learn, too


def _box_gradient(dcrops, features, rois, settings):
    """How the loss changes when an edge of a RoI moves.

    dcrops (K, S, T, C)  ->  drois (K, 4)
    Moving an edge moves the sample points, which changes the weights along one axis: the derivative of a crop by an
    edge is again a sparse matrix, with the weights of that axis replaced by their derivatives.
    """
    settings = dict(settings)
    image_index = settings.pop("image_index")
    settings["scale"] = float(settings["scale"])
    n, height, width, channels = features.shape
    both = _both_axes(_slopes, rois, settings.pop("output_size"), height, width, **settings)
    (y, y_by_top, y_by_bottom), (x, x_by_left, x_by_right) = both
    place = dict(start=image_index * (height * width), width=width, num_pixels=n * height * width)
    pixels = features.reshape(-1, channels)
    drois = []
    for rows, columns in ((y, x_by_left), (y_by_top, x), (y, x_by_right), (y_by_bottom, x)):
        by_edge = _matrix(rows, columns, **place) @ pixels
        drois.append((dcrops * by_edge.reshape(dcrops.shape)).sum(axis=(1, 2, 3)))
    return array_module(rois).stack(drois, axis=1)


def _slopes(start, end, bins, length, *, scale, **settings):
    """The taps of an axis, and how their weights change when the start of a RoI moves, and when its end does."""
    xp = array_module(start)
    position, use, along = _sample_points(start, end, bins, scale=scale, **settings)
    pixel, weight = _neighbours(position, use, length)
    use = use * ((position > 0) & (position < length - 1))  # at the border the value does not follow the point
    moves = use * (scale - along * scale), use * (along * scale)
    return (pixel, weight), *((pixel, xp.concatenate([-move, move], axis=2)) for move in moves)


# ---------------------------------------------------------------- arguments


def check_image_index(function, image_index, count, name="image_index"):
    """Every RoI must belong to a picture of the batch, or to a level (looked at on the host only)."""
    if array_module(image_index) is not np:
        return
    wrong = (image_index < 0) | (image_index >= count)
    if wrong.any():
        k = int(wrong.argmax())
        raise ArgumentError(f"{function}: {name} must lie in 0..{count - 1}; got {image_index[k]} at position {k}")


def check_pyramid(pyramid, rois, scales):
    """At least one level, a scale for each, and the same pictures and channels everywhere."""
    if len(pyramid) == 0 or len(pyramid) != len(scales):
        raise ArgumentError(
            f"pyramid_roi_align_forward: pyramid must be a list of levels, and scales as long; got {len(pyramid)} "
            f"levels and {len(scales)} scales"
        )
    for features in pyramid:
        given = getattr(features, "dtype", type(features).__name__)
        if given != rois.dtype:
            raise DtypeError(
                f"pyramid_roi_align_forward: pyramid must be a list of {rois.dtype} arrays like rois; got {given}"
            )
    shapes = [tuple(features.shape) for features in pyramid]
    if any(len(shape) != 4 or (shape[0], shape[3]) != (shapes[0][0], shapes[0][-1]) for shape in shapes):
        raise ShapeError(
            f"pyramid_roi_align_forward: pyramid must be a list of (N, H, W, C) with the same N and C; got {shapes}"
        )
