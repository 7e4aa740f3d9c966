"""conv2d and conv_transpose2d on threads; `choose` is the measured table of which way suits which shape."""

import math

import numpy as np

from ..kernel_lookup import register_kernel
from . import im2col, matmul, winograd
from .common import is_float32, is_gradient_of_convolution, is_pair, output_shape, output_size, paint_matrix, pair
from .filters import turned_round
from .products import least, product
from .threads import even_pieces, run, single_threaded_blas, spans

LEAST = least(2 << 20)  # multiplications: below, a kernel's preparations take longer than the text
POINTS = 1 << 18  # the same of 1x1 convolutions, of which the text makes columns, too
FEWEST = 256  # pixels: likewise
SMALL = 1 << 20  # numbers in the columns of a picture of one channel
FEW = 512  # pixels: below, tiles hold too few rows for their products
REPAY = 16  # pixels per channel that the larger filters of 4x4 tiles need
LANES = 8  # gradients for a weight are added up in at most this many sums, which are then added in order

# ---------------------------------------------------------------- which way


def choose(images, size, kernel, channels, *, stride, padding, dilation):
    """The way to compute a convolution: "matmul", "im2col", or the tile size 2 or 4 of Winograd's.

    images N, size (HO, WO), channels (C, O)
    """
    if kernel == (1, 1) and padding == (0, 0):
        return "matmul"
    pixels = images * size[0] * size[1]
    if kernel != (3, 3) or stride != (1, 1) or dilation != (1, 1) or min(channels) < 32 or pixels < FEW:
        return "im2col"
    small, large = (_tiles(size, m) * (m + 2) ** 2 for m in (2, 4))  # multiplications, for one channel of one image
    return 4 if large < 0.7 * small and pixels >= REPAY * max(channels) else 2


def _tiles(size, m):
    return -(-size[0] // m) * -(-size[1] // m)


# ---------------------------------------------------------------- convolution


def _takes_forward(x, weight, bias, **options):
    """Whether the kernel knows the case; everything doubtful goes to the text, which has the messages."""
    shape = output_shape(x, weight, bias, **options)
    return shape is not None and _is_worth_it(math.prod(shape[:3]), weight)


def _is_worth_it(pixels, weight):
    """Whether a kernel's preparations pay; and what of a single channel stays in the cache, the text moves as fast."""
    one_channel = weight.shape[2] == 1 and pixels * weight.shape[0] * weight.shape[1] < SMALL
    fewest = min(POINTS, LEAST) if weight.shape[:2] == (1, 1) else LEAST
    return pixels >= FEWEST and pixels * weight.size >= fewest and not one_channel


@register_kernel("conv2d_forward", applies=_takes_forward)
@single_threaded_blas()
def conv2d_forward(x, weight, bias, *, stride=1, padding=0, dilation=1, groups=1):
    """Fast twin of ops.conv.conv2d_forward, for float32 and one group."""
    stride, padding, dilation = pair(stride), pair(padding), pair(dilation)
    size = output_size(x.shape, weight.shape, stride, padding, dilation)
    y = np.empty((x.shape[0], *size, weight.shape[3]), np.float32)
    way = choose(len(x), size, weight.shape[:2], weight.shape[2:], stride=stride, padding=padding, dilation=dilation)
    if way == "matmul":
        pixels = x[:, :: stride[0], :: stride[1]]
        jobs = matmul.product_jobs(_rows(y), _rows(pixels), weight[0, 0], bias)
    else:
        jobs = _correlate_jobs(way, y, x, weight, bias, stride, (-padding[0], -padding[1]), dilation)
    run(jobs)
    return y, (x, weight, bias is not None, stride, padding, dilation, groups)


def _takes_backward(dy, cache):
    return is_gradient_of_convolution(dy, cache) and _is_worth_it(math.prod(dy.shape[:3]), cache[1])


@register_kernel("conv2d_backward", applies=_takes_backward)
@single_threaded_blas()
def conv2d_backward(dy, cache):
    """Fast twin of ops.conv.conv2d_backward: the jobs of all three gradients go to the threads together."""
    x, weight, has_bias, stride, padding, dilation, _ = cache
    kernel = weight.shape[:2]
    way = choose(len(x), dy.shape[1:3], kernel, weight.shape[2:], stride=stride, padding=padding, dilation=dilation)
    if way == "matmul":
        dx, dweight, dbias = _pointwise_backward(dy, x, weight[0, 0], stride)
        return dx, dweight.reshape(weight.shape), dbias if has_bias else None

    origin = -padding[0], -padding[1]
    if way == "im2col":
        jobs = im2col.dweight_jobs(x, dy, kernel, stride=stride, origin=origin, dilation=dilation, lanes=LANES)
    else:
        jobs = winograd.dweight_jobs(x, dy, origin=origin, m=way, lanes=LANES)
    lanes = len(jobs)
    dx = np.empty(x.shape, np.float32)
    jobs += _dx_jobs(way, dx, dy, weight, stride, origin, dilation)
    dweight, dbias = matmul.add_up(run(jobs)[:lanes])
    dweight = dweight.reshape(weight.shape) if way == "im2col" else winograd.weight_gradient(dweight, way)
    return dx, dweight, dbias if has_bias else None


def _correlate_jobs(way, y, x, weight, bias, stride, origin, dilation, *, turned=False):
    """turned: correlate with the weight turned round, its channels exchanged."""
    if way != "im2col":
        filters = winograd.transformed_weight(weight, way, turned=turned)
        return winograd.correlate_jobs(y, x, filters, bias, origin=origin, m=way)
    if turned:
        weight = turned_round(weight)
    return im2col.correlate_jobs(y, x, weight, bias, stride=stride, origin=origin, dilation=dilation)


def _dx_jobs(way, dx, dy, weight, stride, origin, dilation):
    """Windows one pixel apart: dx is the correlation of dy with the weight turned round. Further apart: scatter."""
    if stride != (1, 1):
        return im2col.scatter_jobs(dx, dy, weight, stride=stride, origin=origin, dilation=dilation)
    back = tuple(-d * (k - 1) - o for d, k, o in zip(dilation, weight.shape[:2], origin))
    return _correlate_jobs(way, dx, dy, weight, None, stride, back, dilation, turned=True)


# ---------------------------------------------------------------- one pixel at a time: matrix products


def _rows(x):
    return x.reshape(-1, x.shape[-1])


def _pointwise_backward(dy, x, matrix, stride):
    """Of a 1x1 convolution; pixels between the strides were never read, their gradient is zero."""
    pixels = x[:, :: stride[0], :: stride[1]]
    dpixels, dmatrix, dbias = matmul.backward(_rows(dy), _rows(pixels), matrix)
    if stride == (1, 1):
        return dpixels.reshape(x.shape), dmatrix, dbias
    dx = np.zeros(x.shape, np.float32)
    dx[:, :: stride[0], :: stride[1]] = dpixels.reshape(pixels.shape)
    return dx, dmatrix, dbias


def _takes_transpose(x, weight, bias, *, stride=1, padding=0):
    """Only kernels that paint side by side: as wide as the stride, and nothing cut away."""
    return (
        is_float32(x, weight, bias)
        and is_pair(stride, 1)
        and padding in (0, (0, 0))
        and pair(stride) == weight.shape[:2]
        and weight.shape[2] == x.shape[3]
    )


@register_kernel("conv_transpose2d_forward", applies=_takes_transpose)
@single_threaded_blas()
def conv_transpose2d_forward(x, weight, bias, *, stride=1, padding=0):
    """Fast twin of ops.conv.conv_transpose2d_forward for stride = kernel: no two pixels paint the same spot."""
    KH, KW, C, O = weight.shape
    N, H, W, _ = x.shape
    y = np.empty((N, H * KH, W * KW, O), np.float32)
    painted = y.reshape(N, H, KH, W, KW, O).transpose(0, 1, 3, 2, 4, 5)  # (N, H, W, KH, KW, O)
    run(matmul.paint_jobs(painted, x, paint_matrix(weight), bias))
    return y, (x, weight, bias is not None, pair(stride), pair(padding))


def _takes_transpose_backward(dy, cache):
    x, weight, _, stride, padding = cache
    (N, H, W, _), (KH, KW, _, O) = x.shape, weight.shape
    painted = stride == (KH, KW) and padding == (0, 0) and dy.shape == (N, H * KH, W * KW, O)
    return painted and is_float32(dy, x, weight)


@register_kernel("conv_transpose2d_backward", applies=_takes_transpose_backward)
@single_threaded_blas()
def conv_transpose2d_backward(dy, cache):
    """Fast twin of ops.conv.conv_transpose2d_backward for stride = kernel."""
    x, weight, has_bias, _, _ = cache
    KH, KW, C, O = weight.shape
    N, H, W, _ = x.shape
    painted = np.ascontiguousarray(dy).reshape(N, H, KH, W, KW, O).transpose(0, 1, 3, 2, 4, 5)
    dx = np.empty(x.shape, np.float32)
    dmatrix, dbias = matmul.add_up(run(matmul.unpaint_jobs(dx, painted, x, paint_matrix(weight))))
    dweight = dmatrix.reshape(C, KH, KW, O).transpose(1, 2, 0, 3)
    return dx, dweight, dbias if has_bias else None


# ---------------------------------------------------------------- 1x1 convolution, one channel per map


def _takes_select(x, weight, bias, *, channel):
    """Channels out of range go to the text, which has the message."""
    return is_float32(x, weight, bias) and channel.min() >= 0 and channel.max() < weight.shape[3]


def _map_spans(x):
    return spans(len(x), even_pieces(x.size, 1 << 19))


@register_kernel("select_conv1x1_forward", applies=_takes_select)
@single_threaded_blas()
def select_conv1x1_forward(x, weight, bias, *, channel):
    """Fast twin of ops.conv.select_conv1x1_forward: a few maps per job."""
    K, H, W, C = x.shape
    one_hot = (channel[:, None] == np.arange(weight.shape[3])).astype(np.float32)  # (K, O)
    chosen = one_hot @ weight[0, 0].T  # (K, C)
    y = np.empty((K, H, W), np.float32)
    pixels, shift = x.reshape(K, H * W, C), (one_hot @ bias)[:, None, None]

    def job(maps):
        product(pixels[maps], chosen[maps, :, None], out=y[maps].reshape(-1, H * W, 1))
        y[maps] += shift[maps]

    run(lambda maps=maps: job(maps) for maps in _map_spans(x))
    return y, (x, chosen, one_hot)


@register_kernel("select_conv1x1_backward", applies=lambda dy, cache: is_float32(dy, *cache))
@single_threaded_blas()
def select_conv1x1_backward(dy, cache):
    """Fast twin of ops.conv.select_conv1x1_backward."""
    x, chosen, one_hot = cache
    K, H, W, C = x.shape
    dbias = dy.sum(axis=(1, 2)) @ one_hot
    dx, dchosen = np.empty(x.shape, np.float32), np.empty((K, 1, C), np.float32)
    pixels, rows = x.reshape(K, H * W, C), dy.reshape(K, 1, H * W)

    def job(maps):
        product(rows[maps], pixels[maps], out=dchosen[maps])
        np.multiply(dy[maps, :, :, None], chosen[maps, None, None, :], out=dx[maps])

    run(lambda maps=maps: job(maps) for maps in _map_spans(x))
    dweight = (dchosen[:, 0].T @ one_hot).reshape(1, 1, C, -1)
    return dx, dweight, dbias
