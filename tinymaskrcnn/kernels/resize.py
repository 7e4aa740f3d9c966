"""Nearest upsampling by whole factors: a view of the large image with an axis for the copies of each pixel.

Bilinear resizing of pictures: all but two numbers in a row of the text's matrices are 0, and none is multiplied by 0.
"""

import numpy as np

from ..devices import on_line
from ..kernel_lookup import register_kernel
from .common import is_pair, pair
from .threads import even_pieces, run, spans

COPIES = 1 << 19  # numbers that are worth a job


def _is_multiple(large, small):
    return all(a >= b > 0 and a % b == 0 for a, b in zip(large, small))


def _takes_forward(x, *, size):
    return is_pair(size, 1) and _is_multiple(pair(size), x.shape[1:3])


@register_kernel("upsample_nearest2d_forward", applies=_takes_forward)
def upsample_nearest2d_forward(x, *, size):
    """Fast twin of ops.resize.upsample_nearest2d_forward for whole factors."""
    N, H, W, C = x.shape
    HO, WO = pair(size)
    y = on_line((N, HO, WO, C), x.dtype)
    copies = _copies(y, H, W)

    def job(rows):
        copies[:, rows] = x[:, rows, None, :, None]

    run(lambda rows=rows: job(rows) for rows in spans(H, even_pieces(y.size, COPIES)))
    return y, (np.arange(HO) * H // HO, np.arange(WO) * W // WO, (H, W))


@register_kernel(
    "upsample_nearest2d_backward", applies=lambda dy, cache: _is_multiple(dy.shape[1:3], cache[2]) and dy.size > 0
)
def upsample_nearest2d_backward(dy, cache):
    """Fast twin of ops.resize.upsample_nearest2d_backward for whole factors."""
    copies = _copies(dy, *cache[2])
    first, *others = [copies[:, :, i, :, j] for i in range(copies.shape[2]) for j in range(copies.shape[4])]
    dx = first.copy()
    for other in others:
        dx += other
    return dx


def _copies(y, H, W):
    """y (N, HO, WO, C)  ->  the same memory as (N, H, HO/H, W, WO/W, C)."""
    N, HO, WO, C = y.shape
    return y.reshape(N, H, HO // H, W, WO // W, C)


# ---------------------------------------------------------------- bilinear

BAND = 1 << 17  # numbers of an image that are interpolated together, half a megabyte
SMALL = 128  # up to this side a product with the whole matrix is as fast


def _takes_bilinear(x, *, size):
    return isinstance(size, tuple) and is_pair(size, 1) and x.size > 0 and max(x.shape[1:3]) > SMALL


@register_kernel("resize_bilinear_forward", applies=_takes_bilinear)
def resize_bilinear_forward(x, *, size):
    """Fast twin of ops.bilinear.resize_bilinear_forward for pictures."""
    N, H, W, C = x.shape
    HO, WO = size
    rows, columns = _between(HO, H, x.dtype), _between(WO, W, x.dtype)
    y = np.empty((N, HO, WO, C), x.dtype)
    height = max(1, BAND // (W * C))
    for n in range(N):
        for top in range(0, HO, height):
            band = slice(top, top + height)
            few = _mixed(x[n], [part[band] for part in rows])  # (height, W, C)
            _mixed(few.swapaxes(0, 1), columns, out=y[n, band].swapaxes(0, 1))
    return y, (_matrix(rows, H), _matrix(columns, W))


def _between(outputs, inputs, dtype):
    """The two inputs that each output lies between, and how much it takes of each: four arrays (outputs,)."""
    source = np.clip((np.arange(outputs) + 0.5) * (inputs / outputs) - 0.5, 0, inputs - 1)
    low = source.astype(np.intp)
    weights = [(1 - abs(source - at)).astype(dtype) for at in (low, low + 1)]
    return low, np.minimum(low + 1, inputs - 1), *weights


def _mixed(x, taps, out=None):
    """x (A, ...)  ->  its rows mixed, two for each of B outputs: (B, ...)"""
    low, high, of_low, of_high = taps
    around = (slice(None), *[None] * (x.ndim - 1))
    y = np.multiply(x[low], of_low[around], out=out)
    y += x[high] * of_high[around]
    return y


def _matrix(taps, inputs):
    """The text's matrix (outputs, inputs)."""
    low, high, of_low, of_high = taps
    matrix = np.zeros((len(low), inputs), of_low.dtype)
    row = np.arange(len(low))
    matrix[row, low] = of_low
    matrix[row, high] += of_high
    return matrix
