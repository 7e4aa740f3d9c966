"""Jobs for the correlations of correlate.h and weights.h: which pixels a job fills, and where its windows begin.

A correlation is described as in ../im2col.py: its `origin` is where in the image the first window begins.
"""

import ctypes
import functools
import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...devices import Workspace, on_line
from ..im2col import deal
from ..windows import blocks
from .library import Correlation, Finish, address, gapless, lane

BUDGET = 1 << 19  # bytes of input at a time: they stay in the cache while every panel of weights passes
WIDE = 256  # channels: rows of more lie in a page of their own each
MANY = 1024  # pixels that repay panels

_workspace = Workspace()


class Filters:
    """Weights (taps, run, O) as `correlate` reads them, and their Taps.

    In panels; or as they are, where rows without gaps are a multiple of a vector wide, and not many pixels repay it.
    """

    def __init__(self, weight, taps, pixels=0):
        lanes = lane().lanes
        self.taps = taps
        wide = weight.shape[2] > WIDE or pixels > MANY
        self.in_panels = wide or bool(weight.shape[2] % lanes) or not weight.flags.c_contiguous
        self.rows = weight
        if self.in_panels:
            self.rows = on_line((weight.shape[0] * weight.shape[1], -(-weight.shape[2] // lanes) * lanes))
            steps = (stride // 4 for stride in weight.strides)
            lane().pack(address(self.rows), address(weight), *weight.shape, *steps)


class Taps:
    """What a window reads: `count` stretches of `run` floats, at these rows and columns of its pixels."""

    def __init__(self, count, run, outs, rows, columns, channels):
        self.count, self.run, self.outs, self.rows, self.columns = count, run, outs, rows, columns
        self.reach = max(rows, default=0) + 1, max(columns, default=0) + max(run // channels, 1)

    def places(self, seen):
        """How far behind the beginning of a window each tap lies, in floats."""
        _, row, pixel = _steps(seen)
        return np.array(self.rows, np.int64) * row + np.array(self.columns, np.int64) * pixel

    def about(self, seen, out, stride, in_panels=False):
        image, row, pixel = _steps(seen)
        steps = image, stride[0] * row, stride[1] * pixel
        tap = self.count, self.run, self.outs
        return Correlation(*out.shape[:3], *steps, *_steps(out), *tap, in_panels, 0, self.outs)


@functools.lru_cache(maxsize=1024)
def taps_of(shape, dilation):
    """The Taps of a weight (KH, KW, C, O): pixels of a row lie side by side, unless columns are passed over."""
    KH, KW, C, O = shape
    if dilation[1] == 1 or KW == 1:
        return Taps(KH, KW * C, O, [i * dilation[0] for i in range(KH)], [0] * KH, C)
    pairs = [(i, j) for i in range(KH) for j in range(KW)]
    return Taps(KH * KW, C, O, [i * dilation[0] for i, _ in pairs], [j * dilation[1] for _, j in pairs], C)


def filters_of(weight, dilation, pixels=0):
    """The Filters of a contiguous weight (KH, KW, C, O), for so many pixels."""
    taps = taps_of(weight.shape, dilation)
    return Filters(weight.reshape(taps.count, taps.run, taps.outs), taps, pixels)


def finish(y, bias, *, scale=None, added=None, rectified=False):
    """What becomes of the sums that fill y (N, H, W, O): see shapes.h. bias, scale (O,), added (N, H, W, O)"""
    bias, scale, added = (None if array is None else gapless(array) for array in (bias, scale, added))
    ahead = 0 if added is None else (address(added) - address(y)) // 4
    about = Finish(address(scale) or 0, address(bias) or 0, ahead, rectified)
    about.arrays = bias, scale, added  # as long as somebody knows where they are
    return about


PLAIN = Finish(0, 0, 0, False)


# ---------------------------------------------------------------- one block


def correlate(out, x, filters, becomes, *, stride, corner):
    """Fill out (n, h, w, O), a view with any strides; the first window begins at a corner of x (n, H, W, C)."""
    seen = _seen(x, out.shape[1:3], corner, stride, filters.taps.reach)
    places, about = filters.taps.places(seen), filters.taps.about(seen, out, stride, filters.in_panels)
    lane().correlate(*map(address, (out, seen, filters.rows, places)), *map(ctypes.addressof, (about, becomes)))


def add_weight_gradient(dmatrix, dbias, x, dout, taps, *, stride, corner):
    """Add to dmatrix (taps * run, O) and dbias (O,) what the pixels of dout (n, h, w, O) say."""
    seen = _seen(x, dout.shape[1:3], corner, stride, taps.reach)
    places, about = taps.places(seen), taps.about(seen, dout, stride)
    lane().weight_gradient(*map(address, (dmatrix, dbias, seen, dout, places)), ctypes.addressof(about))


# ---------------------------------------------------------------- jobs


def correlate_jobs(y, x, weight, becomes, *, stride, origin, dilation):
    """Jobs that fill y (N, HO, WO, O) with the correlation of x (N, H, W, C) and weight (KH, KW, C, O).

    All arrays of jobs are without gaps: then where a job reads and writes depends on the shapes alone, and is known
    after the first.
    """
    filters, to, begin = filters_of(weight, dilation, math.prod(y.shape[:3])), address(y), address(x)
    plan = _plan(y.shape, x.shape, weight.shape, stride, origin, dilation, filters.in_panels)
    return [functools.partial(block.fill, to, begin, filters, becomes) for block in plan]


def gather_jobs(dx, dy, weight, *, stride, origin, dilation):
    """Jobs that fill dx (N, H, W, C) with what every pixel of dy (N, HO, WO, O) gives back to the window that it saw.

    Pixels of dx that lie `stride` apart were seen by the same taps of the kernel: each such phase is a correlation of
    dy by itself.
    """
    phases, plan = _gathering(dx.shape, dy.shape, weight.shape, stride, origin, dilation)
    filters = []
    for i, j, taps in phases:
        some = weight[i, j].reshape(taps.count, taps.outs, taps.run).transpose(0, 2, 1)
        filters.append(Filters(some, taps, MANY + 1))
    to, begin = address(dx), address(dy)

    def job(blocks):
        for phase, block in blocks:
            block.fill(to, begin, filters[phase], PLAIN)

    return [functools.partial(job, blocks) for blocks in plan]


def dweight_jobs(x, dy, kernel, *, stride, origin, dilation, lanes):
    """Jobs that each return the gradient for the weight from some of the pixels, as (KH*KW*C, O) and (O,)."""
    shape, begin, out = (*kernel, x.shape[3], dy.shape[3]), address(x), address(dy)

    def job(blocks):
        dmatrix, dbias = np.zeros((math.prod(shape[:3]), shape[3]), np.float32), np.zeros(shape[3], np.float32)
        for block in blocks:
            block.add_gradient(address(dmatrix), address(dbias), begin, out)
        return dmatrix, dbias

    dealt = deal(_plan(dy.shape, x.shape, shape, stride, origin, dilation, False, x.shape[3]), lanes)
    return [functools.partial(job, blocks) for blocks in dealt]


# ---------------------------------------------------------------- plans


@functools.lru_cache(maxsize=1024)
def _plan(out, image, kernel, stride, origin, dilation, in_panels, channels=None):
    """Blocks of a correlation by the shapes of y, x and weight; channels: that are read or written for a pixel of x."""
    y, x, taps = laid_out(out), laid_out(image), taps_of(kernel, dilation)
    blocks = []
    for few, band in _blocks(out[:3], channels or image[3] + -(-out[3] // math.prod(stride)), stride):
        corner = origin[0] + band.start * stride[0], origin[1]
        blocks.append(Block(y, y[few, band], x, x[few], taps, stride, corner, in_panels))
    return blocks


@functools.lru_cache(maxsize=1024)
def _gathering(image, out, kernel, stride, origin, dilation):
    """By the shapes of dx, dy and weight: of each phase its rows and columns of the kernel and its Taps; and the jobs.

    A job is a list of (phase, Block): all phases of some bands of `stride` rows each.
    """
    dx, dy, (KH, KW, C, O) = laid_out(image), laid_out(out), kernel
    grid = image[0], *(-(-n // s) for n, s in zip(image[1:3], stride))
    cut = _blocks(grid, max(O, C), (1, 1))
    phases, jobs = [], [[] for _ in cut]
    down, along = (_phases(*axis) for axis in zip((KH, KW), stride, dilation, origin, image[1:3]))
    for a, (i, rows, top) in enumerate(down):
        for b, (j, columns, left) in enumerate(along):
            taps = Taps(len(rows) * len(columns), O, C, [row for row in rows for _ in columns], columns * len(rows), O)
            some = dx[:, a :: stride[0], b :: stride[1]]
            for job, (few, band) in zip(jobs, cut):
                if some[few, band].size:
                    corner = top + band.start, left
                    block = Block(dx, some[few, band], dy, dy[few], taps, (1, 1), corner, True)
                    job.append((len(phases), block))
            phases.append((i, j, taps))
    return phases, jobs


class Block:
    """What one job does with the y and x that begin where it is told to: told in bytes behind those of all jobs.

    some_y, some_x: views of them that are this job's
    """

    def __init__(self, y, some_y, x, some_x, taps, stride, corner, in_panels):
        size, seen = _reached(some_y.shape[1:3], stride, taps.reach), some_x
        self.y, self.x = address(some_y) - address(y), address(some_x) - address(x)
        self.size = self.window = None
        if _inside(seen.shape, size, corner):
            self.x += corner[0] * seen.strides[1] + corner[1] * seen.strides[2]
        else:
            self.size, self.window = (len(seen), *size, seen.shape[3]), (*seen.shape, *size, *corner)
            seen = laid_out(self.size)
        self.places, self.about = taps.places(seen), taps.about(seen, some_y, stride, in_panels)
        self.told = address(self.places), ctypes.addressof(self.about)

    def fill(self, y, x, filters, becomes):
        """A correlation."""
        seen, rows = self._seen(x), address(filters.rows)
        lane().correlate(y + self.y, seen, rows, *self.told, ctypes.addressof(becomes))

    def add_gradient(self, dmatrix, dbias, x, dy):
        """What the pixels of dy say about the weight and the bias."""
        lane().weight_gradient(dmatrix, dbias, self._seen(x), dy + self.y, *self.told)

    def _seen(self, x):
        """Where the first window begins: in x, or in a copy with zeros around."""
        x += self.x
        if self.size is None:
            return x
        seen = address(_workspace.take("seen", self.size))
        lane().window(seen, x, *self.window)
        return seen


# ---------------------------------------------------------------- where things lie


def _steps(x):
    """Strides of images, rows and pixels in floats."""
    return tuple(stride // 4 for stride in x.strides[:3])


def _phases(kernel, stride, dilation, origin, length):
    """For each remainder of a place by the stride: its taps, where these lie, and where the first window begins."""
    phases, apart = [], stride // math.gcd(stride, dilation)
    for a in range(min(stride, length)):
        taps = [i for i in range(kernel) if (a - origin - i * dilation) % stride == 0]
        places = [(a - origin - i * dilation) // stride for i in taps]
        first = min(places, default=0)
        these = slice(taps[0], None, apart) if taps else slice(0)
        phases.append((these, [place - first for place in places], first))
    return phases


def _blocks(grid, channels, stride):
    """Cut a grid of pixels (N, H, W) into blocks whose input, with so many channels, is within the budget."""
    N, H, W = grid
    return blocks(N, H, W * channels * 4 * stride[0] * stride[1], BUDGET)


def _reached(grid, stride, reach):
    """Rows and columns that the windows of a grid of pixels see together."""
    return tuple((m - 1) * s + r for m, s, r in zip(grid, stride, reach))


def _inside(shape, size, corner):
    """Whether so many rows and columns from a corner lie inside images of a shape (n, H, W, C)."""
    return all(first >= 0 and first + length <= n for n, length, first in zip(shape[1:3], size, corner))


def laid_out(shape):
    """Strides of an array without gaps, on memory that nobody has: for finding out where its parts would lie."""
    return as_strided(np.empty(1, np.float32), shape, np.cumprod((4, *shape[:0:-1]))[::-1])


def _seen(x, grid, corner, stride, reach):
    """What the windows of a grid of pixels see, from a corner of x (n, H, W, C).

    A view of x where all windows lie inside it, else a copy in the workspace with zeros around.
    """
    size, (top, left) = _reached(grid, stride, reach), corner
    if _inside(x.shape, size, corner):
        return x[:, top:, left:]
    seen = _workspace.take("seen", (len(x), *size, x.shape[3]))
    x = gapless(x)
    lane().window(address(seen), address(x), *x.shape, *size, top, left)
    return seen
