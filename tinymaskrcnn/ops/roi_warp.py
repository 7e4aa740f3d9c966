"""RoIWarp: one bilinear point for each bin, so that a crop moves smoothly with its box (Dai, He & Sun 2016, MNC).

The first RoI operator with a gradient for the box; its authors use it twice as finely as the crop and then take the
maximum of every 2 x 2 points. This is the formula of their paper; their code also rounded the corners of a RoI.
"""

import functools

import numpy as np

from ..backend import array_module
from ..contract import checked
from .roi_weights import weighted_crops, weighted_gradients


@checked
def roi_warp_forward(features, rois, *, image_index, output_size, scale, aligned=True, box_gradient=False):
    """Read the map at the first corner of each bin of each RoI, bilinearly; outside the map it is 0 (MNC, equation 2).

    features (N, H, W, C), rois (K, 4), image_index (K,) int  ->  crops (K, S, S, C)
    rois are in image pixels; `scale` is the size of the feature map over that of the image. output_size is S or (rows,
    columns). aligned sees the centre of pixel i at i + 0.5; without it, as in the paper, at i.
    The gradient for rois is None unless box_gradient is set: usual training treats proposals as data.
    """
    place = dict(image_index=image_index, level=None, scales=[scale])
    settings = dict(output_size=output_size, box_gradient=box_gradient, **place)
    return weighted_crops("roi_warp_forward", _along(aligned), [features], rois, **settings)


@checked
def roi_warp_backward(dcrops, cache):
    """Mirror of roi_warp_forward.

    dcrops (K, S, T, C)  ->  dfeatures (N, H, W, C), drois (K, 4) or None
    """
    (dfeatures,), drois = weighted_gradients(dcrops, cache)
    return dfeatures, drois


@checked
def pyramid_roi_warp_forward(
    pyramid, rois, *, image_index, level, output_size, scales, aligned=True, box_gradient=False
):
    """RoIWarp in which every RoI is cut from a level of its own.

    pyramid [(N, H, W, C)] * L, rois (K, 4) float, image_index (K,) int, level (K,) int  ->  crops (K, S, S, C)
    level is a position in the list `pyramid`, and scales has one entry per level; all else as in roi_warp_forward.
    """
    place = dict(image_index=image_index, level=level, scales=scales)
    settings = dict(output_size=output_size, box_gradient=box_gradient, **place)
    return weighted_crops("pyramid_roi_warp_forward", _along(aligned), pyramid, rois, **settings)


@checked
def pyramid_roi_warp_backward(dcrops, cache):
    """Mirror of pyramid_roi_warp_forward.

    dcrops (K, S, T, C)  ->  dpyramid [(N, H, W, C)] * L, drois (K, 4) or None
    """
    return weighted_gradients(dcrops, cache)


def _along(aligned):
    return functools.partial(warp_weights, aligned=aligned)


def warp_weights(start, end, bins, length, *, scale, aligned, longest=None):
    """Which pixels of an axis the point of each bin lies between; weighted_crops says what is wanted.

    start (K,), end (K,)  ->  pixel (K, S, 2) int, weight (K, S, 2), by_start (K, S, 2), by_end (K, S, 2)
    """
    xp = array_module(start)
    start, end = (edge[:, None, None] * scale - (0.5 if aligned else 0) for edge in (start, end))
    share = xp.arange(bins, dtype=start.dtype)[:, None] / bins  # of the RoI that lies before the point
    position = start + share * (end - start)  # (K, S, 1)
    low = xp.floor(position)
    pixel = xp.concatenate([low, low + 1], axis=2)
    inside = (pixel >= 0) & (pixel < length)
    weight = inside * xp.concatenate([1 - (position - low), position - low], axis=2)
    slope = inside * xp.asarray([-1, 1], start.dtype)  # of the weights when the point moves
    pixel = xp.fmin(xp.fmax(pixel, 0), length - 1)  # fmax also turns NaN into a pixel that exists
    return pixel.astype(np.int32), weight, slope * (1 - share) * scale, slope * share * scale
