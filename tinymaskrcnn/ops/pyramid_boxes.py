"""RoIAlign over a pyramid whose RoIs learn, too: the same crops, and a gradient for the edges of every RoI."""

from ..contract import checked
from . import roi_align
from .common import as_pair
from .roi_align_boxes import edge_gradient, moving_taps


@checked
def pyramid_roi_align_boxes_forward(pyramid, rois, *, image_index, level, output_size, scales, samples=2, aligned=True):
    """`pyramid_roi_align_forward`, with RoIs that are not data; which level each is cut from still is.

    pyramid [(N, H, W, C)] * L, rois (K, 4), image_index (K,) int, level (K,) int  ->  crops (K, S, S, C)
    """
    roi_align.check_pyramid("pyramid_roi_align_boxes_forward", pyramid, rois, scales)
    settings = dict(image_index=image_index, level=level, output_size=output_size, scales=scales)
    settings |= dict(samples=samples, aligned=aligned)
    crops, cache = roi_align.pyramid_roi_align_forward(pyramid, rois=rois, **settings)
    return crops, (cache, pyramid, rois, settings)


@checked
def pyramid_roi_align_boxes_backward(dcrops, cache):
    """Mirror of pyramid_roi_align_boxes_forward.

    dcrops (K, S, T, C)  ->  dpyramid [(N, H, W, C)] * L, drois (K, 4)
    """
    c_align, pyramid, rois, settings = cache
    dpyramid = roi_align.pyramid_roi_align_backward(dcrops, c_align)
    return dpyramid, _edges(dcrops, pyramid, rois, **settings)


def _edges(dcrops, pyramid, rois, *, image_index, level, output_size, scales, samples, aligned):
    """The pixels of all levels lie one after another, as for the crops themselves: drois (K, 4)."""
    shapes = [features.shape for features in pyramid]
    place = roi_align.find_maps("pyramid_roi_align", rois, image_index, level, shapes=shapes, scales=scales)
    rows, columns = as_pair("pyramid_roi_align", "output_size", output_size, at_least=1)
    settings = dict(scale=place["scale"], samples=samples, aligned=aligned)
    y = moving_taps(rois[:, 1], rois[:, 3], rows, place["height"], **settings)
    x = moving_taps(rois[:, 0], rois[:, 2], columns, place["width"], **settings)
    pixels = roi_align.join_levels(pyramid)
    return edge_gradient(dcrops, pixels, y, x, start=place["start"], width=place["width"])
