"""When boxes learn, too: how the crops of RoIAlign change when an edge of a RoI moves."""

from ..backend import array_module
from .common import as_pair
from .roi_samples import matrix, neighbours, sample_points


def box_gradient(dcrops, features, rois, settings):
    """How the loss changes when an edge of a RoI moves; settings: the others of `roi_align_forward`.

    dcrops (K, S, T, C), features (N, H, W, C), rois (K, 4)  ->  drois (K, 4)
    Moving an edge moves the sample points, which changes the weights along one axis: the derivative of a crop by an
    edge is again a sparse matrix, with the weights of that axis replaced by their derivatives.
    """
    n, height, width, channels = features.shape
    rows, columns = as_pair("roi_align_backward", "output_size", settings["output_size"], at_least=1)
    points = dict(scale=float(settings["scale"]), samples=settings["samples"], aligned=settings["aligned"])
    x1, y1, x2, y2 = rois[:, 0], rois[:, 1], rois[:, 2], rois[:, 3]
    y, y_by_top, y_by_bottom = _slopes(y1, y2, rows, height, **points)
    x, x_by_left, x_by_right = _slopes(x1, x2, columns, width, **points)
    place = dict(start=settings["image_index"] * (height * width), width=width, num_pixels=n * height * width)
    pixels = features.reshape(-1, channels)
    drois = []
    for of_rows, of_columns in ((y, x_by_left), (y_by_top, x), (y, x_by_right), (y_by_bottom, x)):
        by_edge = matrix(of_rows, of_columns, **place) @ pixels
        drois.append((dcrops * by_edge.reshape(dcrops.shape)).sum(axis=(1, 2, 3)))
    return array_module(rois).stack(drois, axis=1)


def _slopes(start, end, bins, length, *, scale, **settings):
    """The taps of an axis, and how their weights change when the start of a RoI moves, and when its end does."""
    xp = array_module(start)
    position, use, along = sample_points(start, end, bins, scale=scale, **settings)
    pixel, weight = neighbours(position, use, length)
    use = use * ((position > 0) & (position < length - 1))  # at the border the value does not follow the point
    moves = use * (scale - along * scale), use * (along * scale)
    return (pixel, weight), *((pixel, xp.concatenate([-move, move], axis=2)) for move in moves)
