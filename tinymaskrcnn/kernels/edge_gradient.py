"""What the loss gains when an edge of a RoI moves, in windows: a RoI reads few pixels, and its bins read them often."""

import functools

import numpy as np

from ..kernel_lookup import register_kernel
from .threads import run

STEP = 4  # windows are rounded up to multiples of it, so that there are few kinds of them
GAINS = 1 << 19  # products of a bin and a pixel that a job holds, 2 MB


@register_kernel("edge_gradient", applies=lambda dcrops, pixels, y, x, **place: dcrops.size > 0)
def edge_gradient(dcrops, pixels, y, x, *, start, width):
    """Fast twin of ops.roi_align_boxes.edge_gradient: one matrix product of the bins and the pixels of each window."""
    k, rows, columns, _ = dcrops.shape
    top, height = _window(y[0])
    left, breadth = _window(x[0])
    width = np.broadcast_to(np.asarray(width, np.int64).reshape(-1), k)
    drois = np.empty((k, 4), dcrops.dtype)

    def job(few, h, w):
        first = (start[few] + top[few] * width[few] + left[few])[:, None, None]
        window = first + np.arange(h)[:, None] * width[few][:, None, None] + np.arange(w)  # (k, h, w)
        read = pixels[np.minimum(window, len(pixels) - 1).reshape(len(few), h * w)]  # beyond it weights are 0
        bins = dcrops[few].reshape(len(few), rows * columns, -1)
        gain = (bins @ read.transpose(0, 2, 1)).reshape(len(few), rows, columns, h, w)
        of_rows, row = _dense(y, few, top, h)
        of_columns, column = _dense(x, few, left, w)
        drow = np.take_along_axis(np.einsum("kijyx,kjx->kiy", gain, of_columns), row, axis=2)  # (k, S, t)
        dcolumn = np.take_along_axis(np.einsum("kijyx,kiy->kjx", gain, of_rows), column, axis=2)
        edges = (dcolumn, x[2]), (drow, y[2]), (dcolumn, x[3]), (drow, y[3])
        for i, (dweight, by) in enumerate(edges):
            drois[few, i] = (dweight * by[few]).sum(axis=(1, 2))

    jobs = []
    for h, w in sorted({*zip(height.tolist(), breadth.tolist())}):
        mine = np.flatnonzero((height == h) & (breadth == w))
        together = max(GAINS // (rows * columns * h * w), 1)
        for begin in range(0, len(mine), together):
            jobs.append(functools.partial(job, mine[begin : begin + together], h, w))
    run(jobs)
    return drois


def _window(pixel):
    """pixel (K, S, t)  ->  first pixel (K,) that each RoI reads along an axis, and how many (K,), rounded up."""
    first = pixel.min(axis=(1, 2))
    return first, -(-(pixel.max(axis=(1, 2)) - first + 1) // STEP) * STEP


def _dense(axis, few, first, length):
    """The weights of some RoIs over their windows (k, S, length), and where in it each tap lies (k, S, t)."""
    place = axis[0][few] - first[few][:, None, None]
    weights = np.zeros((*place.shape[:2], length), axis[1].dtype)
    of, along = np.arange(len(few))[:, None], np.arange(place.shape[1])
    for tap in range(place.shape[2]):  # one pixel for each bin at a time: nothing is added to the same place twice
        weights[of, along, place[:, :, tap]] += axis[1][few, :, tap]
    return weights, place
