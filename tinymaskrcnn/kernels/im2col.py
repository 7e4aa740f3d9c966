"""Convolution by columns, block by block: a block's columns stay in the cache and are never seen by the next layer.

A correlation is described by its `origin`, where in the image (counted from its first pixel) the first window begins:
minus the padding on the way forward, and whatever is needed on the way back.
"""

import numpy as np

from ..devices import Workspace
from .products import product
from .windows import blocks, copy_window, strided

BUDGET = 1 << 20  # bytes of columns at a time: about the cache that a core has to itself

_workspace = Workspace()


def correlate_jobs(y, x, weight, bias, *, stride, origin, dilation):
    """Jobs that fill y (N, HO, WO, O) with the correlation of x (N, H, W, C) and weight (KH, KW, C, O)."""
    KH, KW, C, O = weight.shape
    matrix = weight.reshape(KH * KW * C, O)
    geometry = (KH, KW), stride, origin, dilation

    def job(images, rows):
        out = y[images, rows].reshape(-1, O)
        product(_columns(x[images], rows, y.shape[2], *geometry), matrix, out=out)
        if bias is not None:
            out += bias

    return [lambda block=block: job(*block) for block in _blocks(y, KH * KW * C)]


def dweight_jobs(x, dy, kernel, *, stride, origin, dilation, lanes):
    """Jobs that each return the gradient for the weight from some of the pixels, as (KH*KW*C, O) and (O,)."""
    width, O = dy.shape[2:]
    C = x.shape[3]

    def job(lane):
        dmatrix = np.zeros((kernel[0] * kernel[1] * C, O), np.float32)
        dbias = np.zeros(O, np.float32)
        part = _workspace.take("dmatrix", dmatrix.shape)
        for images, rows in lane:
            columns = _columns(x[images], rows, width, kernel, stride, origin, dilation)
            dout = dy[images, rows].reshape(-1, O)
            dmatrix += product(columns.T, dout, out=part)
            dbias += product(np.ones(len(dout), np.float32), dout)
        return dmatrix, dbias

    return [lambda lane=lane: job(lane) for lane in deal(_blocks(dy, kernel[0] * kernel[1] * C), lanes)]


def scatter_jobs(dx, dy, weight, *, stride, origin, dilation):
    """Jobs that fill dx (N, H, W, C) when windows are more than one pixel apart: each adds to the pixels it saw."""
    KH, KW, C, O = weight.shape
    N, H, W, _ = dx.shape
    HO, WO = dy.shape[1:3]
    transposed = [row.reshape(KW * C, O).T for row in weight]  # one row of the kernel at a time: a third of the memory
    size = tuple((n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip((HO, WO), stride, (KH, KW), dilation))

    def job(images):
        dout = dy[images].reshape(-1, O)
        dcolumns = _workspace.take("columns", (len(dout), KW * C))
        seen = _workspace.take("seen", (len(dy[images]), *size, C))  # all that any window reads
        seen[...] = 0
        for i in range(KH):
            product(dout, transposed[i], out=dcolumns)
            rows = slice(i * dilation[0], i * dilation[0] + HO * stride[0], stride[0])
            for j in range(KW):
                columns = slice(j * dilation[1], j * dilation[1] + WO * stride[1], stride[1])
                seen[:, rows, columns] += dcolumns.reshape(-1, HO, WO, KW, C)[:, :, :, j]
        copy_window(dx[images], seen, -origin[0], -origin[1])

    whole = blocks(N, 1, HO * WO * KH * KW * C * 4, BUDGET)
    return [lambda images=images: job(images) for images, _ in whole]


def deal(blocks, lanes):
    """Deal blocks out to at most that many lanes of neighbours; a lane is one job and adds up its own blocks."""
    lanes = min(lanes, len(blocks))
    edges = [len(blocks) * i // lanes for i in range(lanes + 1)]
    return [blocks[a:b] for a, b in zip(edges, edges[1:])]


def _blocks(y, column_length):
    return blocks(y.shape[0], y.shape[1], y.shape[2] * column_length * 4, BUDGET)


def _columns(x, rows, width, kernel, stride, origin, dilation):
    """What the windows of some output rows see: x (n, H, W, C) -> (n * rows * width, KH*KW*C), in the workspace."""
    n, _, _, C = x.shape
    KH, KW = kernel
    (sh, sw), (dh, dw) = stride, dilation
    height = rows.stop - rows.start
    size = (height - 1) * sh + (KH - 1) * dh + 1, (width - 1) * sw + (KW - 1) * dw + 1
    seen = _workspace.take("seen", (n, *size, C))
    copy_window(seen, x, origin[0] + rows.start * sh, origin[1])
    columns = _workspace.take("columns", (n, height, width, KH, KW, C))
    if C == 1:  # runs of KW numbers are too short to copy: go offset by offset, along the rows of the image
        for i, j in np.ndindex(KH, KW):
            columns[:, :, :, i, j] = seen[:, i * dh :: sh, j * dw :: sw][:, :height, :width]
    else:
        a, b, c, d = seen.strides
        np.copyto(columns, strided(seen, columns.shape, (a, sh * b, sw * c, dh * b, dw * c, d)))
    return columns.reshape(n * height * width, KH * KW * C)
