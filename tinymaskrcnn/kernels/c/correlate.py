"""Jobs for the correlations of correlate.h and weights.h: which pixels a job fills, and where its windows begin.

A correlation is described as in ../im2col.py: its `origin` is where in the image the first window begins.
"""

import ctypes

import numpy as np

from ...devices import Workspace
from ..im2col import deal
from ..windows import blocks
from .library import Correlation, address, lane, plain

BUDGET = 1 << 19  # bytes of input at a time: they stay in the cache while every panel of weights passes

_workspace = Workspace()


def packed(weight):
    """Weights (taps, run, O), with any strides, in the panels that `correlate` reads."""
    c = lane()
    out = np.empty(weight.shape[0] * weight.shape[1] * (-(-weight.shape[2] // c.lanes) * c.lanes), np.float32)
    c.pack(address(out), address(weight), *weight.shape, *(stride // 4 for stride in weight.strides))
    return out


def correlate_jobs(y, x, weight, bias, *, stride, origin, dilation):
    """Jobs that fill y (N, HO, WO, O) with the correlation of x (N, H, W, C) and weight (KH, KW, C, O)."""
    weight, rows, columns = _stretches(weight, dilation)
    filters = packed(weight)
    reach = _reach(rows, columns, x.shape[3], weight.shape[1])

    def job(images, band):
        size = len(y[images]), band.stop - band.start, y.shape[2]
        top = origin[0] + band.start * stride[0]
        seen, (image, row, pixel) = _seen(x[images], size[1:], (top, origin[1]), stride, reach)
        steps = image, stride[0] * row, stride[1] * pixel
        _correlate(y[images, band], seen, filters, bias, (rows, columns), weight.shape, size, steps)

    return [lambda block=block: job(*block) for block in _blocks(y.shape[:3], x.shape[3], stride)]


def gather_jobs(dx, dy, weight, bias=None, *, stride, origin, dilation):
    """Jobs that fill dx (N, H, W, C) with what every pixel of dy (N, HO, WO, O) gives back to the window it saw.

    weight (KH, KW, C, O). Pixels of dx that lie `stride` apart were seen by the same taps of the kernel: each such
    phase is a correlation of dy by itself. A transposed convolution is the same, with a bias.
    """
    KH, KW, C, O = weight.shape
    along = [_phases(k, s, d, o, n) for k, s, d, o, n in zip((KH, KW), stride, dilation, origin, dx.shape[1:3])]
    phases = []
    for a, (i, rows, top) in enumerate(along[0]):
        for b, (j, columns, left) in enumerate(along[1]):
            some = weight if len(i) == KH and len(j) == KW else weight[np.ix_(i, j)]
            some = some.reshape(len(i) * len(j), C, O).transpose(0, 2, 1)
            place = [row for row in rows for _ in columns], columns * len(rows)
            phases.append(((a, b), place, (top, left), some.shape, packed(some)))

    def job(images, band):
        for (a, b), (rows, columns), (top, left), shape, filters in phases:
            out = dx[images, band.start * stride[0] + a : band.stop * stride[0] : stride[0], b :: stride[1]]
            if out.size == 0:
                continue
            reach = max(rows, default=0) + 1, max(columns, default=0) + 1
            seen, steps = _seen(dy[images], out.shape[1:3], (top + band.start, left), (1, 1), reach)
            _correlate(out, seen, filters, bias, (rows, columns), shape, out.shape[:3], steps)

    grid = dx.shape[0], *(-(-n // s) for n, s in zip(dx.shape[1:3], stride))
    return [lambda block=block: job(*block) for block in _blocks(grid, max(dy.shape[3], C), (1, 1))]


def dweight_jobs(x, dy, kernel, *, stride, origin, dilation, lanes):
    """Jobs that each return the gradient for the weight from some of the pixels, as (KH*KW*C, O) and (O,)."""
    C, O = x.shape[3], dy.shape[3]
    (taps, run, _), rows, columns = _shape_of_stretches((*kernel, C, O), dilation)
    reach = _reach(rows, columns, C, run)

    def job(lane_of_blocks):
        dmatrix, dbias = np.zeros((taps * run, O), np.float32), np.zeros(O, np.float32)
        for images, band in lane_of_blocks:
            size = len(dy[images]), band.stop - band.start, dy.shape[2]
            top = origin[0] + band.start * stride[0]
            seen, (image, row, pixel) = _seen(x[images], size[1:], (top, origin[1]), stride, reach)
            dout = dy[images, band]
            places = _places(seen, rows, columns)
            steps = image, stride[0] * row, stride[1] * pixel
            about = Correlation(*size, *steps, *_steps(dout), taps, run, O)
            lane().weight_gradient(
                address(dmatrix), address(dbias), address(seen), address(dout), address(places), ctypes.addressof(about)
            )
        return dmatrix, dbias

    dealt = deal(_blocks(dy.shape[:3], C, stride), lanes)
    return [lambda some=some: job(some) for some in dealt]


# ---------------------------------------------------------------- one call


def _correlate(out, seen, filters, bias, taps, shape, size, steps):
    """Fill out (n, h, w, O), a view with any strides, from windows of seen that lie `steps` floats apart."""
    places = _places(seen, *taps)
    about = Correlation(*size, *steps, *_steps(out), shape[0], shape[1], shape[2])
    lane().correlate(
        address(out), address(seen), address(filters), address(bias), address(places), ctypes.addressof(about)
    )


def _steps(x):
    """Strides of images, rows and pixels in floats."""
    return tuple(stride // 4 for stride in x.strides[:3])


def _places(seen, rows, columns):
    """How far behind the beginning of a window each tap lies, in floats."""
    _, row, pixel = _steps(seen)
    return np.array(rows, np.int64) * row + np.array(columns, np.int64) * pixel


# ---------------------------------------------------------------- taps


def _stretches(weight, dilation):
    """Weight (KH, KW, C, O) as (taps, run, O), and rows and columns of the taps."""
    KH, KW, C, O = weight.shape
    shape, rows, columns = _shape_of_stretches(weight.shape, dilation)
    return weight.reshape(shape), rows, columns


def _shape_of_stretches(shape, dilation):
    """Pixels of a window's row lie side by side, one stretch of memory, unless columns are passed over."""
    KH, KW, C, O = shape
    if dilation[1] == 1 or KW == 1:
        return (KH, KW * C, O), [i * dilation[0] for i in range(KH)], [0] * KH
    pairs = [(i, j) for i in range(KH) for j in range(KW)]
    return (KH * KW, C, O), [i * dilation[0] for i, _ in pairs], [j * dilation[1] for _, j in pairs]


def _reach(rows, columns, C, run):
    """Rows and columns from the first pixel of a window to its last."""
    return max(rows) + 1, max(columns) + run // C


def _phases(kernel, stride, dilation, origin, length):
    """For each remainder of a place by the stride: its taps, where these lie, and where the first window begins."""
    phases = []
    for a in range(min(stride, length)):
        taps = [i for i in range(kernel) if (a - origin - i * dilation) % stride == 0]
        places = [(a - origin - i * dilation) // stride for i in taps]
        first = min(places, default=0)
        phases.append((taps, [place - first for place in places], first))
    return phases


# ---------------------------------------------------------------- pixels


def _blocks(grid, channels, stride):
    """Cut a grid of pixels (N, H, W) into blocks whose input, with so many channels, is within the budget."""
    N, H, W = grid
    return blocks(N, H, W * channels * 4 * stride[0] * stride[1], BUDGET)


def _seen(x, grid, corner, stride, reach):
    """What the windows of a grid of pixels see, from a corner of x (n, H, W, C), and the strides in floats.

    x itself where all windows lie inside it, else a copy in the workspace with zeros around.
    """
    n, H, W, C = x.shape
    size = tuple((m - 1) * s + r for m, s, r in zip(grid, stride, reach))
    (top, left), (height, width) = corner, size
    if top >= 0 and left >= 0 and top + height <= H and left + width <= W:
        return x[:, top:, left:], _steps(x)
    seen = _workspace.take("seen", (n, height, width, C))
    x = plain(x)
    lane().window(address(seen), address(x), n, H, W, C, height, width, top, left)
    return seen, _steps(seen)
