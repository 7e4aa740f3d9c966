"""Matrix products cut into blocks of rows: fully connected layers, 1x1 convolutions, the mask head's deconvolution."""

import numpy as np

from ..devices import Workspace
from ..kernel_lookup import register_kernel
from .common import is_float32
from .products import least, product
from .threads import even_pieces, run, single_threaded_blas, spans

WORK = 16 << 20  # multiplications worth a job of their own, some 0.2 ms
LEAST = least(16 << 20)  # multiplications: below, the text is done sooner
ROWS = 256  # a product with fewer rows spends its time on packing the other matrix
LANES = 8

_workspace = Workspace()


def _row_spans(rows, work_per_row, at_most=1 << 20):
    pieces = even_pieces(rows * work_per_row, WORK)
    return spans(rows, min(pieces, 2 * max(rows // ROWS // 2, 1), at_most))


def add_up(parts):
    """The sum of partial gradients, in their order: [(dweight, dbias), ...] -> dweight, dbias."""
    dweight, dbias = parts[0]
    for more_weight, more_bias in parts[1:]:
        dweight += more_weight
        dbias += more_bias
    return dweight, dbias


# ---------------------------------------------------------------- y = x @ matrix + bias


def product_jobs(y, x, matrix, bias):
    """Jobs that fill y (K, O) with x (K, C) @ matrix (C, O) + bias."""

    def job(rows):
        product(x[rows], matrix, out=y[rows])
        if bias is not None:
            y[rows] += bias

    return [lambda rows=rows: job(rows) for rows in _row_spans(len(x), matrix.size)]


def backward(dy, x, matrix):
    """Gradients of x @ matrix + bias: dy (K, O) -> dx (K, C), dmatrix (C, O), dbias (O,)."""
    dx = np.empty(x.shape, np.float32)
    jobs = product_jobs(dx, dy, matrix.T, None)
    if len(matrix) >= len(x):  # a wide layer: every job does some rows of dmatrix
        dmatrix = np.empty(matrix.shape, np.float32)
        run(jobs + product_jobs(dmatrix, x.T, dy, None))
        return dx, dmatrix, product(np.ones(len(dy), np.float32), dy)

    def lane_job(rows):
        return product(x[rows].T, dy[rows]), product(np.ones(len(dy[rows]), np.float32), dy[rows])

    lanes = _row_spans(len(x), matrix.size, LANES)  # many pixels: every job adds up some of them
    results = run(jobs + [lambda rows=rows: lane_job(rows) for rows in lanes])
    return dx, *add_up(results[len(jobs) :])


def _takes_forward(x, weight, bias):
    return is_float32(x, weight, bias) and len(x) * weight.size >= LEAST


@register_kernel("linear_forward", applies=_takes_forward)
@single_threaded_blas()
def linear_forward(x, weight, bias):
    """Fast twin of ops.linear.linear_forward."""
    y = np.empty((len(x), weight.shape[1]), np.float32)
    run(product_jobs(y, x, weight, bias))
    return y, (x, weight)


def _takes_backward(dy, cache):
    return is_float32(dy, *cache) and len(dy) * cache[1].size >= LEAST


@register_kernel("linear_backward", applies=_takes_backward)
@single_threaded_blas()
def linear_backward(dy, cache):
    """Fast twin of ops.linear.linear_backward."""
    x, weight = cache
    return backward(dy, x, weight)


# ---------------------------------------------------------------- every pixel paints its own KH x KW spot


def paint_jobs(painted, x, matrix, bias):
    """Jobs that fill painted (N, H, W, KH, KW, O), a view of an image, with x (N, H, W, C) @ matrix (C, KH*KW*O)."""
    N, H, W, KH, KW, O = painted.shape
    matrix_bias = None if bias is None else np.tile(bias, KH * KW)

    def job(images):
        pixels = x[images].reshape(-1, x.shape[3])
        out = _workspace.take("painted", (len(pixels), KH * KW * O))
        product(pixels, matrix, out=out)
        if bias is not None:
            out += matrix_bias
        painted[images] = out.reshape(-1, H, W, KH, KW, O)

    return [lambda images=images: job(images) for images in _image_spans(painted, matrix)]


def _image_spans(painted, matrix):
    N, H, W = painted.shape[:3]
    return spans(N, even_pieces(N * H * W * matrix.size, WORK))


def unpaint_jobs(dx, dpainted, x, matrix):
    """Jobs that fill dx (N, H, W, C) and return partial gradients (C, KH*KW*O) and (O,)."""
    N, H, W, KH, KW, O = dpainted.shape

    def job(lane):
        dmatrix, dbias = np.zeros(matrix.shape, np.float32), np.zeros(KH * KW * O, np.float32)
        for images in lane:
            dout = _workspace.take("painted", (len(x[images]) * H * W, KH * KW * O))
            dout.reshape(-1, H, W, KH, KW, O)[...] = dpainted[images]
            product(dout, matrix.T, out=dx[images].reshape(len(dout), -1))
            dmatrix += product(x[images].reshape(len(dout), -1).T, dout)
            dbias += product(np.ones(len(dout), np.float32), dout)
        return dmatrix, dbias.reshape(-1, O).sum(axis=0)

    pieces = _image_spans(dpainted, matrix)
    lanes = [pieces[lane] for lane in spans(len(pieces), LANES)]
    return [lambda lane=lane: job(lane) for lane in lanes]
