"""RoIAlign: read a feature map between its pixels, so that a crop follows its box without rounding.

Every number of a crop is a weighted sum of pixels, so that the whole operator is one sparse matrix (roi_samples.py):
crops = A @ pixels, and backward is A.T @ dcrops.
"""

import itertools

import numpy as np

from ..backend import array_module, has_kernel
from ..contract import checked
from ..errors import ArgumentError, DtypeError, ShapeError
from .common import as_pair, check_index
from .roi_align_boxes import box_gradient
from .roi_samples import bin_matrix, neighbours, sample_points


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
    drois = None if for_boxes is None else box_gradient(dcrops, *for_boxes)
    dfeatures = transposed(A, dcrops) @ dcrops.reshape(-1, shape[3])  # (N*H*W, C)
    return dfeatures.reshape(shape), drois
    # END SOLUTION


def interpolation_matrix(rois, *, image_index, feature_shape, output_size, scale, samples=2, aligned=True):
    """The sparse matrix A of RoIAlign: row (k, i, j) holds the weights with which bin (i, j) of RoI k reads the pixels.

    rois (K, 4), image_index (K,) int, feature_shape (N, H, W)  ->  A (K*S*S, N*H*W)
    """
    n, height, width = feature_shape
    check_index("roi_align_forward", "image_index", image_index, n)
    place = dict(start=image_index * (height * width), height=height, width=width, num_pixels=n * height * width)
    return bin_matrix(rois, output_size, **place, scale=float(scale), samples=samples, aligned=aligned)


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
    check_pyramid("pyramid_roi_align_forward", pyramid, rois, scales)
    shapes = [features.shape for features in pyramid]
    place = find_maps("pyramid_roi_align_forward", rois, image_index, level, shapes=shapes, scales=scales)
    A = bin_matrix(rois, output_size, **place, samples=samples, aligned=aligned)
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
    return split_levels(transposed(A, dcrops) @ dcrops.reshape(-1, shapes[0][3]), shapes)


def join_levels(pyramid):
    """pyramid [(N, H, W, C)] * L  ->  pixels (N*P, C): image by image, and in it level by level."""
    n, _, _, channels = pyramid[0].shape
    levels = [features.reshape(n, features.shape[1] * features.shape[2], channels) for features in pyramid]
    return array_module(pyramid[0]).concatenate(levels, axis=1).reshape(-1, channels)


def split_levels(pixels, shapes):
    """Mirror of join_levels: pixels (N*P, C)  ->  pyramid [(N, H, W, C)] * L"""
    n, _, _, channels = shapes[0]
    ends = level_ends(shapes)
    pixels = pixels.reshape(n, ends[-1], channels)
    return [pixels[:, start:end].reshape(shape) for start, end, shape in zip([0, *ends], ends, shapes)]


def level_ends(shapes):
    """Where each level ends among the P pixels of an image: shapes [(N, H, W, C)] * L  ->  L ints, the last one P."""
    return list(itertools.accumulate(height * width for _, height, width, _ in shapes))


def find_maps(function, rois, image_index, level, *, shapes, scales):
    """Which map each RoI is cut from, among the pixels of all levels.

    rois (K, 4), image_index (K,) int, level (K,) int, shapes [(N, H, W, C)] * L
    ->  {start (K,), its first pixel; height, width, scale (K, 1, 1); num_pixels N*P}
    """
    check_index(function, "image_index", image_index, shapes[0][0])
    check_index(function, "level", level, len(shapes))
    xp, dtype = array_module(rois), rois.dtype
    ends = level_ends(shapes)
    sizes = xp.asarray([(height, width, scale) for (_, height, width, _), scale in zip(shapes, scales)], dtype)
    height, width, scale = sizes[level].T[:, :, None, None]
    start = image_index * ends[-1] + xp.asarray([0, *ends[:-1]])[level]
    return dict(start=start, height=height, width=width, scale=scale, num_pixels=shapes[0][0] * ends[-1])


# ---------------------------------------------------------------- one channel, and as many points as pixels


@has_kernel
def adaptive_weights(start, end, bins, lengths, *, longest, aligned):
    """Adaptive sampling along one axis as a matrix per RoI: for one channel, crop = rows @ map @ columns.T.

    start (K,), end (K,), lengths (K,) of the axis of each RoI, none above `longest`; start and end lie on that axis
    ->  weights (K, S, longest)
    """
    xp = array_module(start)
    position, use, _ = sample_points(start, end, bins, scale=1.0, samples=0, aligned=aligned)
    pixel, weight = neighbours(position, use, lengths.astype(start.dtype)[:, None, None])
    weights = xp.zeros((len(start) * bins, longest), start.dtype)
    row = xp.arange(len(weights))
    for tap in range(pixel.shape[2]):  # one pixel for each bin at a time: nothing is added to the same place twice
        weights[row, pixel[:, :, tap].reshape(-1)] += weight[:, :, tap].reshape(-1)
    return weights.reshape(len(start), bins, longest)


# ---------------------------------------------------------------- arguments


def check_pyramid(function, pyramid, rois, scales):
    """At least one level, a scale for each, and the same pictures and channels everywhere."""
    if len(pyramid) == 0 or len(pyramid) != len(scales):
        raise ArgumentError(
            f"{function}: pyramid must be a list of levels, and scales as long; got {len(pyramid)} "
            f"levels and {len(scales)} scales"
        )
    for features in pyramid:
        given = getattr(features, "dtype", type(features).__name__)
        if given != rois.dtype:
            raise DtypeError(f"{function}: pyramid must be a list of {rois.dtype} arrays like rois; got {given}")
    shapes = [tuple(features.shape) for features in pyramid]
    if any(len(shape) != 4 or (shape[0], shape[3]) != (shapes[0][0], shapes[0][-1]) for shape in shapes):
        raise ShapeError(f"{function}: pyramid must be a list of (N, H, W, C) with the same N and C; got {shapes}")
