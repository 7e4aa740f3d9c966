"""Homework 2, second part: convolution."""

import numpy as np

from ...ops.conv import conv2d_backward, conv2d_forward
from ..exercise import Call, Case, Exercise, GradientCase, Mistake
from ._drawn import MANY, window_cases
from ._hw02_columns import ASSIGNS
from ._shared import cache_proven_by


def _conv(x, weight, *, bias=True, dtype=np.float64, scale=1.0, **options):
    """The arguments of conv2d_forward for arrays of these shapes."""

    def make(rng):
        arrays = [(scale * rng.standard_normal(shape)).astype(dtype) for shape in (x, weight, weight[3:])]
        return Call((*arrays[:2], arrays[2] if bias else None), options)

    return make


def _whole(shape, kernel, **options):
    """As _conv, with one output more than inputs."""
    return _conv(shape, (*kernel, shape[3], shape[3] + 1), **options)


def _small_conv(rng):
    x = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)
    weight = np.array([[1.0, 2.0], [0.0, -1.0]]).reshape(2, 2, 1, 1)
    return Call((x, weight, np.array([10.0])), {})


NO_BIAS = "bias may be None, and nothing is added then: ask before you add"
ALL = _conv((2, 7, 8, 4), (2, 3, 4, 5), stride=(2, 3), padding=(1, 2), dilation=(2, 1))

CONV = Exercise(
    id="hw02.conv2d_forward",
    title="Convolution is one matrix product",
    points=3,
    lesson="02",
    recipe="""
        Every output channel is a weighted sum of what a window sees, plus its bias. Above the blank all sizes are
        known, and stride, padding and dilation are pairs.
        1. columns = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO)) has shape (N, HO, WO, KH,
           KW, C). Make one row of it for each window: (N*HO*WO, KH*KW*C).
        2. The weight (KH, KW, C, O) has its places and channels in the same order: it is a matrix (KH*KW*C, O).
        3. One matrix product does all windows and all output channels. Reshape to (N, HO, WO, O).
        4. Add the bias, unless it is None.
        5. Return y and the cache (x, weight, bias is not None, stride, padding, dilation, groups); groups is 1
           here, what is more was dealt with above. The columns are not kept: they are KH*KW times as large as x.
    """,
    returns=("y", "cache"),
    results=cache_proven_by(
        conv2d_forward,
        conv2d_backward,
        ("dx", "dweight", "dbias"),
        "(x, weight, bias is not None, stride, padding, dilation, groups)",
    ),
    cases=(
        Case("a kernel of four numbers", "value", _small_conv),
        Case("two channels in, three out", "value", _conv((2, 4, 4, 2), (3, 3, 2, 3))),
        Case("float32 stays float32", "shape", _conv((1, 4, 5, 2), (3, 3, 2, 2), dtype=np.float32, padding=1)),
        Case("1x1", "shape", _conv((2, 3, 4, 3), (1, 1, 3, 2)), "a fully connected layer at every pixel"),
        Case(
            "stride, with a rest",
            "adversarial",
            _conv((1, 6, 5, 2), (3, 3, 2, 2), stride=2),
            "the stride does not divide: the last row is read by no window",
        ),
        Case(
            "pairs of all kinds",
            "adversarial",
            _conv((1, 6, 7, 2), (2, 3, 2, 2), stride=(1, 2), padding=(0, 2), dilation=(2, 1)),
            "rows and columns differ in kernel, stride, padding and dilation",
        ),
        Case("many channels", "adversarial", _whole((1, 3, 2, MANY), (2, 1)), f"{MANY} channels in"),
        *window_cases(_whole),
        Case("no bias", "adversarial", _conv((1, 4, 4, 2), (3, 3, 2, 3), bias=False), "bias is None"),
        Case("no pictures", "adversarial", _conv((0, 4, 4, 2), (3, 3, 2, 3)), "a batch of none is normal"),
        Case("x, weight and bias stay as they were", "ownership", _conv((1, 4, 4, 2), (3, 3, 2, 3), padding=1)),
        GradientCase(
            "against differences",
            "forward",
            "tinymaskrcnn.ops.conv:conv2d_backward",
            _conv((2, 4, 3, 2), (3, 2, 2, 2), stride=2, padding=1),
        ),
        Case("all of it", "value", ALL, hidden=True),
    ),
    mistakes=(
        Mistake("the bias is not added", (("y += bias", "pass"),)),
        Mistake(
            "the kernel is turned around: that is the convolution of mathematics; deep learning's leaves the kernel "
            "as it is (a cross-correlation)",
            (("matrix = weight.reshape(", "matrix = weight[::-1, ::-1].reshape("),),
        ),
        Mistake(
            "the weight is reshaped with the output channels first: they are its last axis, (KH, KW, C, O), and "
            "reshape only lays the numbers out anew, it moves no axis",
            (("weight.reshape(KH * KW * C, O)", "weight.reshape(O, KH * KW * C).T"),),
        ),
        Mistake(
            "rows and columns of the kernel are swapped: the weight is (KH, KW, C, O)",
            (("matrix = weight.reshape(", "matrix = weight.transpose(1, 0, 2, 3).reshape("),),
        ),
        Mistake(
            "the stride is not used: the windows must lie stride pixels apart",
            (("stride, padding, dilation, (HO", "(1, 1), padding, dilation, (HO"),),
        ),
        Mistake(
            "the dilation is not used: neighbours in the kernel lie dilation pixels apart",
            (("padding, dilation, (HO", "padding, (1, 1), (HO"),),
        ),
        Mistake(NO_BIAS, (("if bias is not None:", "if True:"),)),
        Mistake(NO_BIAS, (("if bias is not None:", "if True:"), ("y += bias", "y = y + bias"))),
        Mistake(
            "the cache holds the bias where the backward wants to know only whether there is one: bias is not None",
            (("weight, bias is not None,", "weight, bias,"),),
        ),
    ),
)


def _conv_back(x, weight, **options):
    """dy and the cache of a convolution of these shapes."""

    def make(rng):
        call = _conv(x, weight, **options)(rng)
        return _back_of(call, rng)

    return make


def _whole_back(*args, **options):
    draw = _whole(*args, **options)
    return lambda rng: _back_of(draw(rng), rng)


def _back_of(call, rng):
    y, cache = conv2d_forward(*call.args, **call.data)
    return Call((rng.standard_normal(y.shape).astype(y.dtype), cache))


def _small_conv_back(rng):
    _, cache = conv2d_forward(*_small_conv(rng).args)
    return Call((np.array([[1.0, 0.0], [0.0, 2.0]]).reshape(1, 2, 2, 1), cache))


SIZES = """sizes = [
        (n - 1) * s + d * (k - 1) + 1 - 2 * p
        for n, s, d, k, p in zip((HO, WO), stride, dilation, (KH, KW), padding)
    ]
    dx = _columns_to_image(dcolumns, sizes, stride, padding, dilation)"""
OVERWRITING = """dx = np.zeros((N, H + 2 * padding[0], W + 2 * padding[1], C), dy.dtype)
    for i, j, below, beside in {order}:
        dx[:, below, beside] = dcolumns[:, :, :, i, j]
    dx = remove_border(dx, padding)"""
SCATTER = "dx = _columns_to_image(dcolumns, (H, W), stride, padding, dilation)"
TAPS = "taps((KH, KW), stride, (HO, WO), dilation)"

CONV_BACK = Exercise(
    id="hw02.conv2d_backward",
    title="The way back through a convolution",
    points=4,
    lesson="02",
    recipe="""
        The forward was a matrix product, y = rows @ matrix + bias, between two reshapings; the backward undoes
        them from the end. Above the blank the cache is unpacked, and all sizes are known.
        Helpers: see exercise 3.
        1. dbias (O,): every window was shifted by the same bias. column_sum(dy) sums over all axes but the last.
           Without a bias (has_bias is False) dbias is None.
        2. Make rows and matrix again, just as the forward did: keeping them would have cost KH*KW times the
           memory of x.
        3. dy has a row for each window as well: (N*HO*WO, O).
        4. dweight and drows: the way back through a product of matrices is that of linear_backward. dweight has
           the shape of weight.
        5. dx: reshape drows to columns (N, HO, WO, KH, KW, C), and _columns_to_image(dcolumns, (H, W), stride,
           padding, dilation) carries them to their pixels. H and W are those of x: they do not follow from the
           windows when the stride does not divide.
        6. Return dx, dweight, dbias.
    """,
    returns=("dx", "dweight", "dbias"),
    cases=(
        Case("a kernel of four numbers", "value", _small_conv_back),
        Case("two channels in, three out", "value", _conv_back((2, 4, 4, 2), (3, 3, 2, 3))),
        Case("float32 stays float32", "shape", _conv_back((1, 4, 5, 2), (3, 3, 2, 2), dtype=np.float32, padding=1)),
        Case(
            "the stride does not divide",
            "adversarial",
            _conv_back((1, 6, 8, 1), (3, 3, 1, 2), stride=(2, 3)),
            "(H - KH) % stride is 1 and (W - KW) % stride is 2: no window reads the last row and the last two "
            "columns, whose gradient is 0",
        ),
        Case(
            "a border and a rest",
            "adversarial",
            _conv_back((2, 4, 6, 2), (3, 3, 2, 2), stride=2, padding=1),
            "(H + 2 padding - KH) % stride is 1: what no window reads is a row of the border, and the last row of the "
            "picture has a gradient",
        ),
        Case(
            "pairs of all kinds",
            "adversarial",
            _conv_back((1, 6, 7, 2), (2, 3, 2, 2), stride=(1, 2), padding=(0, 2), dilation=(2, 1)),
            "rows and columns differ in kernel, stride, padding and dilation",
        ),
        Case(
            "gaps between the windows",
            "adversarial",
            _conv_back((1, 6, 6, 2), (1, 1, 2, 2), stride=3),
            "a stride larger than the kernel: most pixels are read by no window",
        ),
        Case("many channels", "adversarial", _whole_back((1, 3, 2, MANY), (2, 1)), f"{MANY} channels in"),
        *window_cases(_whole_back),
        Case("no bias", "adversarial", _conv_back((1, 4, 4, 2), (3, 3, 2, 3), bias=False), "then dbias is None"),
        Case("no pictures", "adversarial", _conv_back((0, 4, 4, 2), (3, 3, 2, 3)), "a batch of none: gradients of 0"),
        Case("nothing is written into", "ownership", _conv_back((1, 4, 4, 2), (3, 3, 2, 3))),
        GradientCase(
            "against differences, with a rest",
            "backward",
            "tinymaskrcnn.ops.conv:conv2d_forward",
            _conv((2, 4, 4, 2), (3, 2, 2, 2), stride=(2, 3), padding=(1, 0)),
        ),
        Case("all of it", "value", lambda rng: _back_of(ALL(rng), rng), hidden=True),
        Case(
            "a rest of two",
            "adversarial",
            _conv_back((2, 9, 8, 2), (2, 2, 2, 3), stride=4, padding=1),
            "(H + 2 padding - KH) % stride is 1 below and 0 beside",
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the size of dx is computed from the windows: where the stride does not divide, the last rows and columns "
            "were read by no window, but they are there; dx has the shape of x, so take H and W from x",
            ((SCATTER, SIZES),),
        ),
        Mistake(
            "dx is shifted where the stride does not divide: the rows and columns that no window reads are the last "
            "ones, below and to the right, not the first",
            (
                (
                    SCATTER,
                    SIZES + "\n    dx = np.pad(dx, ((0, 0), (H - dx.shape[1], 0), (W - dx.shape[2], 0), (0, 0)))",
                ),
            ),
        ),
        Mistake(
            "the last rows and columns of dx are set to 0 wherever the stride does not divide: with padding it is the "
            "border that no window reads, and the last row of the picture has a gradient",
            (
                (
                    SCATTER,
                    SIZES + "\n    dx = np.pad(dx, ((0, 0), (0, H - dx.shape[1]), (0, W - dx.shape[2]), (0, 0)))",
                ),
            ),
        ),
        Mistake(ASSIGNS, ((SCATTER, OVERWRITING.format(order=TAPS)),)),
        Mistake(ASSIGNS, ((SCATTER, OVERWRITING.format(order=f"[*{TAPS}][::-1]")),)),
        Mistake(
            "dbias is the mean over the windows: every window was shifted by the same bias, so take the sum",
            (("column_sum(dy) if", "column_sum(dy) / max(N * HO * WO, 1) if"),),
        ),
        Mistake(
            "dbias is a gradient although there was no bias: return None then",
            (("column_sum(dy) if has_bias else None", "column_sum(dy)"),),
        ),
        Mistake(
            "dweight is averaged over the pictures: the loss already says how they are weighted, the backward adds "
            "them up",
            (("reshape(weight.shape)", "reshape(weight.shape) / max(N, 1)"),),
        ),
        Mistake(
            "dweight is transposed before it is reshaped: rows.T @ dy has the places of the kernel along its rows and "
            "the output channels along its columns, as weight has",
            (("(rows.T @ dout).reshape(", "(dout.T @ rows).reshape("),),
        ),
        Mistake(
            "the kernel is turned around in dx: turning belongs to the way of writing dx as a convolution of dy; "
            "scattering columns needs the kernel as it is",
            (
                (
                    "matrix = weight.reshape(",
                    "matrix = weight[::-1, ::-1].reshape(",
                ),
            ),
        ),
        Mistake(
            "the stride is not used when dweight is computed: the rows must hold what the windows saw",
            (
                (
                    "columns = _image_to_columns(x, (KH, KW), stride,",
                    "columns = _image_to_columns(x, (KH, KW), (1, 1),",
                ),
            ),
        ),
    ),
)
