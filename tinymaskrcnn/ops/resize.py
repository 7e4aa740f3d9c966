"""Nearest upsampling: repeat pixels, and on the way back add up the gradients of the copies."""

from ..backend import array_module, has_kernel
from ..contract import checked
from ..errors import ArgumentError
from .common import as_pair


@checked
@has_kernel
def upsample_nearest2d_forward(x, *, size):
    """Repeat pixels: output row i shows input row floor(i * H / HO), and columns alike.

    x (N, H, W, C)  ->  y (N, HO, WO, C)

    size is the wanted (HO, WO), which need not be a multiple: pyramids of odd-sized images need that.
    """
    xp = array_module(x)
    H, W = input_size("upsample_nearest2d_forward", x)
    HO, WO = as_pair("upsample_nearest2d_forward", "size", size, at_least=1)
    row, column = xp.arange(HO) * H // HO, xp.arange(WO) * W // WO  # the source of each output row and column
    y = x[:, row][:, :, column]
    return y, (row, column, (H, W))


@checked
@has_kernel
def upsample_nearest2d_backward(dy, cache):
    """Mirror of upsample_nearest2d_forward: a pixel adds up the gradients of all its copies.

    dy (N, HO, WO, C)  ->  dx (N, H, W, C)
    """
    row, column, (H, W) = cache
    xp = array_module(dy)
    rows = (row == xp.arange(H)[:, None]).astype(dy.dtype)  # (H, HO), one where input row h is the source
    columns = (column == xp.arange(W)[:, None]).astype(dy.dtype)  # (W, WO)
    return weighted_sums(rows, dy, columns)


def weighted_sums(rows, x, columns):
    """Each output row a weighted sum of input rows, each output column one of columns.

    rows (P, H) @ x (N, H, W, C) @ columns.T (W, Q)  ->  y (N, P, Q, C)
    """
    N, H, W, C = x.shape
    y = (rows @ x.reshape(N, H, W * C)).reshape(N, rows.shape[0], W, C)
    return columns @ y  # over the last two axes: (Q, W) @ (N, P, W, C)


def input_size(function, x):
    """(H, W) of x (N, H, W, C); raises ArgumentError when there is no pixel."""
    H, W = x.shape[1:3]
    if min(H, W) < 1:
        raise ArgumentError(f"{function}: x must have at least one pixel; got {tuple(x.shape)}")
    return H, W
