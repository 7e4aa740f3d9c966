"""Convolution on a device: a kernel lays windows out as rows, cuBLAS multiplies, a kernel gathers the way back."""

from typing import NamedTuple

import numpy as np

from ...backend import array_module
from ...devices import DEVICE
from ...kernel_lookup import register_kernel
from ..common import is_pair, paint_matrix, pair
from ..conv import output_size
from .launch import MOST, contiguous, fits, launch, ones

WORKSPACE = 256 << 20  # bytes of columns at a time; more images than that are done in turn

# ---------------------------------------------------------------- windows as rows, and back


class Windows(NamedTuple):
    """How windows lie on images (H, W, C): everything the kernels of im2col.cu ask."""

    image: tuple  # H, W, C
    count: tuple  # HO, WO
    kernel: tuple  # KH, KW
    stride: tuple
    padding: tuple
    dilation: tuple

    @property
    def row(self):
        """Numbers under one window: KH * KW * C."""
        return self.kernel[0] * self.kernel[1] * self.image[2]

    @property
    def rows(self):
        """Windows of one image: HO * WO."""
        return self.count[0] * self.count[1]

    @property
    def is_pixel(self):
        """Whether every window is a pixel of its own, so that the image is its own matrix of columns."""
        ones = (1, 1)
        return self.kernel == ones and self.stride == ones and self.padding == (0, 0)

    def numbers(self):
        """The arguments that both kernels end with."""
        return *self.image, *self.count, *self.kernel, *self.stride, *self.padding, *self.dilation

    def pieces(self, images):
        """Slices of images whose columns fit the workspace."""
        step = max(1, WORKSPACE // (4 * self.rows * self.row))
        return [slice(first, min(first + step, images)) for first in range(0, images, step)]

    def columns(self, x):
        """What each window sees: x (n, H, W, C) -> columns (n * HO * WO, KH * KW * C)."""
        if self.is_pixel:
            return x.reshape(-1, self.row)
        columns = array_module(x).empty((len(x) * self.rows, self.row), x.dtype)
        launch("im2col", "image_to_columns", columns.size, columns.size, x, columns, *self.numbers())
        return columns

    def gather(self, columns, x, bias=None):
        """Mirror of columns: every pixel of x (n, H, W, C) becomes the sum of its places in columns, plus bias (C,)."""
        launch("im2col", "columns_to_image", x.size, x.size, columns, bias, x, *self.numbers())


def _within_reach(windows):
    """Whether even one image's columns can be counted."""
    return windows.rows * windows.row < MOST


# ---------------------------------------------------------------- convolution


def _takes_forward(x, weight, bias, *, stride=1, padding=0, dilation=1, groups=1):
    if not (groups == 1 and fits(x, weight, bias) and weight.shape[2] == x.shape[3]):
        return False
    if not (is_pair(stride, 1) and is_pair(padding, 0) and is_pair(dilation, 1)):
        return False
    windows = _windows(x, weight, pair(stride), pair(padding), pair(dilation))
    return min(windows.count) > 0 and len(x) * windows.rows * weight.shape[3] < MOST and _within_reach(windows)


def _windows(x, weight, stride, padding, dilation):
    count = output_size(x.shape, weight.shape, stride, padding, dilation)
    return Windows(tuple(x.shape[1:]), count, tuple(weight.shape[:2]), stride, padding, dilation)


@register_kernel("conv2d_forward", module=DEVICE, applies=_takes_forward)
def conv2d_forward(x, weight, bias, *, stride=1, padding=0, dilation=1, groups=1):
    """Device twin of ops.conv.conv2d_forward: one launch, one product and the bias, for each piece of the images."""
    xp = array_module(x)
    windows = _windows(x, weight, pair(stride), pair(padding), pair(dilation))
    cache = x, weight, bias is not None, windows.stride, windows.padding, windows.dilation, groups
    x, matrix = contiguous(x), weight.reshape(windows.row, -1)
    pieces = windows.pieces(len(x))
    if len(pieces) == 1:
        y = windows.columns(x) @ matrix
    else:
        y = xp.empty((len(x) * windows.rows, matrix.shape[1]), x.dtype)
        for images in pieces:
            xp.matmul(windows.columns(x[images]), matrix, out=_rows(y, images, windows))
    if bias is not None:
        y += bias
    return y.reshape(len(x), *windows.count, -1), cache


def _rows(y, images, windows):
    """The rows of a matrix (N * HO * WO, O) that belong to some of the images."""
    return y[images.start * windows.rows : images.stop * windows.rows]


def _takes_backward(dy, cache):
    x, weight, _, stride, padding, dilation, groups = cache
    return groups == 1 and fits(dy, x, weight) and _within_reach(_windows(x, weight, stride, padding, dilation))


@register_kernel("conv2d_backward", module=DEVICE, applies=_takes_backward)
def conv2d_backward(dy, cache):
    """Device twin of ops.conv.conv2d_backward; the columns' memory is used again for their gradient."""
    x, weight, has_bias, stride, padding, dilation, _ = cache
    xp = array_module(dy)
    windows = _windows(x, weight, stride, padding, dilation)
    x, matrix = contiguous(x), weight.reshape(windows.row, -1)
    dy = dy.reshape(-1, matrix.shape[1])
    dbias = ones(xp, len(dy)) @ dy if has_bias else None
    if windows.is_pixel:
        return (dy @ matrix.T).reshape(x.shape), (windows.columns(x).T @ dy).reshape(weight.shape), dbias

    dx, dmatrix = xp.empty(x.shape, x.dtype), None
    for images in windows.pieces(len(x)):
        drows = _rows(dy, images, windows)
        columns = windows.columns(x[images])
        dpiece = columns.T @ drows
        dmatrix = dpiece if dmatrix is None else dmatrix + dpiece
        xp.matmul(drows, matrix.T, out=columns)
        windows.gather(columns, dx[images])
    return dx, dmatrix.reshape(weight.shape), dbias


# ---------------------------------------------------------------- transposed convolution


def _takes_transpose(x, weight, bias, *, stride=1, padding=0):
    if not (fits(x, weight, bias) and weight.shape[2] == x.shape[3] and is_pair(stride, 1) and is_pair(padding, 0)):
        return False
    windows = _painted(x, weight, pair(stride), pair(padding))
    return min(windows.image) > 0 and len(x) * np.prod(windows.image) < MOST and _within_reach(windows)


def _painted(x, weight, stride, padding):
    """The windows that a convolution's way back paints: each pixel of x is one, on the larger image that comes out."""
    (_, H, W, _), (KH, KW, _, O) = x.shape, weight.shape
    size = (H - 1) * stride[0] + KH - 2 * padding[0], (W - 1) * stride[1] + KW - 2 * padding[1]
    return Windows((*size, O), (H, W), (KH, KW), stride, padding, (1, 1))


@register_kernel("conv_transpose2d_forward", module=DEVICE, applies=_takes_transpose)
def conv_transpose2d_forward(x, weight, bias, *, stride=1, padding=0):
    """Device twin of ops.conv.conv_transpose2d_forward: one product, and one launch that also adds the bias."""
    windows = _painted(x, weight, pair(stride), pair(padding))
    y = array_module(x).empty((len(x), *windows.image), x.dtype)
    matrix = paint_matrix(weight)
    for images in windows.pieces(len(x)):
        windows.gather(x[images].reshape(-1, len(matrix)) @ matrix, y[images], bias)
    return y, (x, weight, bias is not None, windows.stride, windows.padding)


def _takes_transpose_backward(dy, cache):
    x, weight, _, stride, padding = cache
    return fits(dy, x, weight) and _within_reach(_painted(x, weight, stride, padding))


@register_kernel("conv_transpose2d_backward", module=DEVICE, applies=_takes_transpose_backward)
def conv_transpose2d_backward(dy, cache):
    """Device twin of ops.conv.conv_transpose2d_backward."""
    x, weight, has_bias, stride, padding = cache
    KH, KW, C, O = weight.shape
    xp = array_module(dy)
    windows, matrix = _painted(x, weight, stride, padding), paint_matrix(weight)
    dy = contiguous(dy)
    flat = dy.reshape(-1, O)
    dbias = ones(xp, len(flat)) @ flat if has_bias else None

    dx, dmatrix = [], None
    for images in windows.pieces(len(x)):
        dcolumns = windows.columns(dy[images])
        dpiece = x[images].reshape(-1, C).T @ dcolumns
        dmatrix = dpiece if dmatrix is None else dmatrix + dpiece
        dx.append(dcolumns @ matrix.T)
    dx = dx[0] if len(dx) == 1 else xp.concatenate(dx)
    return dx.reshape(x.shape), dmatrix.reshape(C, KH, KW, O).transpose(1, 2, 0, 3), dbias
