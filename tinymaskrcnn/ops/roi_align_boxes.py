"""When boxes learn, too: how the crops of RoIAlign change when an edge of a RoI moves."""

import numpy as np

from ..backend import array_module, has_kernel
from .common import as_pair
from .roi_samples import neighbours, sample_points

TAPS = 1 << 22  # pairs of a bin and a pixel's channel that are looked at together, 16 MB


@has_kernel
def edge_gradient(dcrops, pixels, y, x, *, start, width):
    """How the loss changes when an edge of a RoI moves, for every operator that weighs pixels along rows and columns.

    dcrops (K, S, T, C), pixels (P, C), start (K,) the first pixel of each RoI's map, width the length of its rows, a
    number or (K, 1, 1)  ->  drois (K, 4)
    y and x say of an axis which pixels each bin reads, how much of each, and how these weights change when the RoI's
    start moves and when its end does: pixel (K, S, t) int, weight, by_start, by_end (K, S, t).

    Backwards through crop = sum(row_weight * column_weight * pixel): first what the loss would gain from every weight.
    """
    xp, (k, rows, columns, channels) = array_module(dcrops), dcrops.shape
    together = max(TAPS // max(rows * columns * y[0].shape[2] * x[0].shape[2] * channels, 1), 1)
    drois = xp.zeros((k, 4), dcrops.dtype)
    for begin in range(0, k, together):
        few = slice(begin, begin + together)
        row, row_weight, by_top, by_bottom = (part[few] for part in y)
        column, column_weight, by_left, by_right = (part[few] for part in x)
        first = start[few, None, None] + row * (width if isinstance(width, int) else width[few])
        place = first.astype(np.int64)[:, :, None, :, None] + column[:, None, :, None, :]
        read = pixels[place]  # (k, S, T, t, t, C)
        gain = (dcrops[few, :, :, None, None] * read).sum(axis=5)  # by the product of both weights
        drow = (gain * column_weight[:, None, :, None, :]).sum(axis=(2, 4))  # (k, S, t)
        dcolumn = (gain * row_weight[:, :, None, :, None]).sum(axis=(1, 3))  # (k, T, t)
        edges = (dcolumn, by_left), (drow, by_top), (dcolumn, by_right), (drow, by_bottom)
        drois[few] = xp.stack([(dweight * by).sum(axis=(1, 2)) for dweight, by in edges], axis=1)
    return drois


def moving_taps(start, end, bins, length, *, scale, samples, aligned):
    """The taps of RoIAlign along an axis, and how their weights change when a RoI's start moves, and when its end does.

    start (K,), end (K,)  ->  pixel (K, S, t) int, weight (K, S, t), by_start (K, S, t), by_end (K, S, t)
    A point at `along` of the RoI moves by scale * (1 - along) with the start and by scale * along with the end. As it
    moves, the pixel behind it gains what the one before it loses. Where the number of points is adapted, it is kept.
    """
    xp = array_module(start)
    position, use, along = sample_points(start, end, bins, scale=scale, samples=samples, aligned=aligned)
    pixel, weight = neighbours(position, use, length)
    use = use * ((position > 0) & (position < length - 1))  # at the border the value does not follow the point
    moves = use * (scale - along * scale), use * (along * scale)
    return pixel, weight, *(xp.concatenate([-move, move], axis=2) for move in moves)


def box_gradient(dcrops, features, rois, settings):
    """How the loss changes when an edge of a RoI moves; settings: the others of `roi_align_forward`.

    dcrops (K, S, T, C), features (N, H, W, C), rois (K, 4)  ->  drois (K, 4)
    """
    n, height, width, channels = features.shape
    start, scale = settings["image_index"] * (height * width), float(settings["scale"])
    y, x = _both_axes(rois, settings["output_size"], height, width, scale, settings["samples"], settings["aligned"])
    return edge_gradient(dcrops, features.reshape(-1, channels), y, x, start=start, width=width)


def _both_axes(rois, output_size, height, width, scale, samples, aligned):
    rows, columns = as_pair("roi_align_backward", "output_size", output_size, at_least=1)
    settings = dict(scale=scale, samples=samples, aligned=aligned)
    y = moving_taps(rois[:, 1], rois[:, 3], rows, height, **settings)
    return y, moving_taps(rois[:, 0], rois[:, 2], columns, width, **settings)
