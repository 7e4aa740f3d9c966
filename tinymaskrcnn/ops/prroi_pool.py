"""PrRoIPool: the mean of the map over a whole bin, without sample points (Jiang et al. 2018, IoU-Net, section 3.3).

Between pixels the map is read bilinearly. Grid lines cut a bin into pieces, along each axis; on a piece that surface is
a straight line, so its mean is its value in the middle. So PrRoIPool is RoIAlign with a sample in the middle of every
piece, weighted by how long the piece is: exact, and no number of samples to choose. Both its value and its gradient for
the box are continuous, which makes it the reference for the box gradients of the others.
"""

import functools

import numpy as np

from ..backend import array_module
from ..contract import checked
from .roi_weights import weighted_crops, weighted_gradients


@checked
def prroi_pool_forward(features, rois, *, image_index, output_size, scale, aligned=True, box_gradient=False):
    """The mean of the bilinear surface over each bin of each RoI; outside the map it falls to 0, an empty bin is 0.

    features (N, H, W, C), rois (K, 4), image_index (K,) int  ->  crops (K, S, S, C)
    rois are in image pixels; `scale` is the size of the feature map over that of the image. output_size is S or (rows,
    columns). aligned sees the centre of pixel i at i + 0.5; without it, as in the paper, at i.
    The gradient for rois is None unless box_gradient is set: usual training treats proposals as data.
    On a device a RoI that is longer than the largest map gives NaN: nobody asks there how many pixels its bins have.
    """
    place = dict(image_index=image_index, level=None, scales=[scale])
    settings = dict(output_size=output_size, box_gradient=box_gradient, **place)
    return weighted_crops("prroi_pool_forward", _along(aligned), [features], rois, **settings)


@checked
def prroi_pool_backward(dcrops, cache):
    """Mirror of prroi_pool_forward.

    dcrops (K, S, T, C)  ->  dfeatures (N, H, W, C), drois (K, 4) or None
    """
    (dfeatures,), drois = weighted_gradients(dcrops, cache)
    return dfeatures, drois


@checked
def pyramid_prroi_pool_forward(
    pyramid, rois, *, image_index, level, output_size, scales, aligned=True, box_gradient=False
):
    """PrRoIPool in which every RoI is cut from a level of its own.

    pyramid [(N, H, W, C)] * L, rois (K, 4) float, image_index (K,) int, level (K,) int  ->  crops (K, S, S, C)
    level is a position in the list `pyramid`, and scales has one entry per level; all else as in prroi_pool_forward.
    """
    place = dict(image_index=image_index, level=level, scales=scales)
    settings = dict(output_size=output_size, box_gradient=box_gradient, **place)
    return weighted_crops("pyramid_prroi_pool_forward", _along(aligned), pyramid, rois, **settings)


@checked
def pyramid_prroi_pool_backward(dcrops, cache):
    """Mirror of pyramid_prroi_pool_forward.

    dcrops (K, S, T, C)  ->  dpyramid [(N, H, W, C)] * L, drois (K, 4) or None
    """
    return weighted_gradients(dcrops, cache)


def _along(aligned):
    return functools.partial(mean_weights, aligned=aligned)


def mean_weights(start, end, bins, length, *, scale, aligned, longest):
    """How much of every pixel of an axis is in the mean over each bin; weighted_crops says what is wanted.

    start (K,), end (K,)  ->  pixel (K, S, T) int, weight (K, S, T), by_start (K, S, T), by_end (K, S, T)
    """
    xp = array_module(start)
    dtype = start.dtype
    start, end = (edge[:, None, None] * scale - (0.5 if aligned else 0) for edge in (start, end))
    share = xp.arange(bins + 1, dtype=dtype)[:, None] / bins
    edges = start + share * (end - start)  # (K, S+1, 1): the next bin starts where one ends
    low, high = edges[:, :-1], edges[:, 1:]

    reach = xp.fmin(xp.fmax(low, -1), length), xp.fmin(xp.fmax(high, -1), length)  # farther out there is nothing
    first = xp.floor(reach[0])
    begin, stop = reach[0] - first, reach[1] - first  # (K, S, 1), counted from pixel `first`
    most = _most_pieces(stop, bins, longest)
    piece = xp.arange(most, dtype=dtype)
    reached = xp.where(stop < most + 1e-3, 1, xp.nan).astype(dtype)  # the rest is what rounding may add
    begin, stop = (xp.clip(edge - piece, 0, 1) for edge in (begin, stop))  # of each piece: between its two pixels
    size = high - low
    filled = size > 0
    size = xp.where(filled, size, 1)
    part = reached * filled * xp.maximum(stop - begin, 0) / size  # (K, S, T-1): how much of the bin a piece is
    middle = (begin + stop) / 2
    none = xp.zeros(size.shape, dtype)
    weight = xp.concatenate([part * (1 - middle), none], axis=2) + xp.concatenate([none, part * middle], axis=2)

    pixel = first + xp.arange(weight.shape[2], dtype=dtype)
    inside = (pixel >= 0) & (pixel < length)
    weight = inside * weight
    # The mean moves towards what lies on the edge that moves: d mean / d high = (value at high - mean) / size.
    by_low = filled * (weight - inside * _bilinear(low - pixel)) / size
    by_high = filled * (inside * _bilinear(high - pixel) - weight) / size
    by_start = scale * (by_low * (1 - share[:-1]) + by_high * (1 - share[1:]))
    by_end = scale * (by_low * share[:-1] + by_high * share[1:])
    pixel = xp.fmin(xp.fmax(pixel, 0), length - 1)  # fmax also turns NaN into a pixel that exists
    return pixel.astype(np.int32), weight, by_start, by_end


def _most_pieces(stop, bins, longest):
    """Into how many pieces grid lines may cut a bin: looked up, or on a device those of a RoI as long as its map."""
    if array_module(stop) is np:
        return max(int(np.ceil(stop.max(initial=1))), 1)
    return min(-(-longest // bins), longest) + 1


def _bilinear(distance):
    """How much of a pixel is read at this distance from it."""
    xp = array_module(distance)
    return xp.maximum(1 - xp.abs(distance), 0)
