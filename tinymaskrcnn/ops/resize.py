"""Resizing: each output row is a weighted sum of input rows, and each output column one of input columns.

So both ways of resizing are two small matrices around the image, `rows @ x @ columns.T` on paper, and their backward is
the same with both matrices transposed. What differs is only how the matrices are filled.
"""

from ..backend import array_module, has_kernel
from ..contract import checked
from ..errors import ArgumentError
from .common import as_pair


def _apply(rows, x, columns):
    """rows (P, H) @ x (N, H, W, C) @ columns.T (W, Q)  ->  y (N, P, Q, C)."""
    N, H, W, C = x.shape
    y = (rows @ x.reshape(N, H, W * C)).reshape(N, rows.shape[0], W, C)
    return columns @ y  # over the last two axes: (Q, W) @ (N, P, W, C)


# ---------------------------------------------------------------- nearest neighbour


@checked
@has_kernel
def upsample_nearest2d_forward(x, *, factor=None, size=None):
    """Repeat pixels: output row i shows input row floor(i * H / HO), and columns alike.

    x (N, H, W, C)  ->  y (N, HO, WO, C)

    Either factor, an int or a pair (h, w) to multiply the size with, or size, the wanted (HO, WO), which need not be a
    multiple: pyramids of odd-sized images need that. Raises ArgumentError unless exactly one is given.
    """
    xp = array_module(x)
    H, W = _input_size("upsample_nearest2d_forward", x)
    if (factor is None) == (size is None):
        raise ArgumentError(
            f"upsample_nearest2d_forward: factor or size must be given, and only one of them; "
            f"got factor={factor!r}, size={size!r}"
        )
    if size is None:
        factor = as_pair("upsample_nearest2d_forward", "factor", factor, at_least=1)
        size = H * factor[0], W * factor[1]
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
    return _apply(rows, dy, columns)


# ---------------------------------------------------------------- bilinear


@checked
@has_kernel
def resize_bilinear_forward(x, *, size):
    """Interpolate between the four nearest pixel centres (torch's align_corners=False, without antialiasing).

    x (N, H, W, C)  ->  y (N, HO, WO, C)

    size is (HO, WO) or one int. Output centre i + 1/2 lies at (i + 1/2) H / HO of the input; outside the outermost
    centres the border pixels go on.
    """
    H, W = _input_size("resize_bilinear_forward", x)
    HO, WO = as_pair("resize_bilinear_forward", "size", size, at_least=1)
    xp = array_module(x)
    rows = _tent_weights(xp, HO, H).astype(x.dtype)
    columns = _tent_weights(xp, WO, W).astype(x.dtype)
    return _apply(rows, x, columns), (rows, columns)


@checked
@has_kernel
def resize_bilinear_backward(dy, cache):
    """Mirror of resize_bilinear_forward.

    dy (N, HO, WO, C)  ->  dx (N, H, W, C)
    """
    rows, columns = cache
    return _apply(rows.T, dy, columns.T)


def _tent_weights(xp, outputs, inputs):
    """How much each output takes from each input, (outputs, inputs): a tent of width 1 around its source position."""
    source = (xp.arange(outputs) + 0.5) * (inputs / outputs) - 0.5
    source = xp.minimum(xp.maximum(source, 0), inputs - 1)
    return xp.maximum(0, 1 - abs(source[:, None] - xp.arange(inputs)))


def _input_size(function, x):
    H, W = x.shape[1:3]
    if min(H, W) < 1:
        raise ArgumentError(f"{function}: x must have at least one pixel; got {tuple(x.shape)}")
    return H, W
