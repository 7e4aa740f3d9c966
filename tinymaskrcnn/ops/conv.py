"""Convolution: a small window slides over the image, and one matrix product serves all its positions.

The pixels below each window are laid out as one row of a matrix of columns ("im2col"); every output channel is then a
weighted sum of that row. The way back scatters the rows to the pixels they came from, adding where windows overlap.
"""

from ..backend import array_module, has_kernel
from ..contract import checked
from ..errors import ArgumentError
from .common import add_border, as_pair, check_index, column_sum, count_windows, remove_border, taps
from .grouped_conv import check_groups, grouped_conv, grouped_conv_backward

# ---------------------------------------------------------------- windows as rows, and back


def _image_to_columns(x, kernel, stride, padding, dilation, windows):
    """Copy what each window sees: x (N, H, W, C) -> columns (N, HO, WO, KH, KW, C)."""
    # BEGIN SOLUTION hw02.image_to_columns
    padded = add_border(x, padding)
    columns = array_module(x).empty((x.shape[0], *windows, *kernel, x.shape[3]), x.dtype)
    for i, j, rows, cols in taps(kernel, stride, windows, dilation):
        columns[:, :, :, i, j] = padded[:, rows, cols]
    return columns
    # END SOLUTION


def _columns_to_image(columns, size, stride, padding, dilation):
    """Mirror of _image_to_columns: columns (N, HO, WO, KH, KW, C) -> x (N, H, W, C), overlaps added.

    Pixels that no window read, as at the lower border when the stride does not divide, stay zero.
    """
    # BEGIN SOLUTION hw02.columns_to_image
    N, HO, WO, KH, KW, C = columns.shape
    shape = (N, size[0] + 2 * padding[0], size[1] + 2 * padding[1], C)
    padded = array_module(columns).zeros(shape, columns.dtype)
    for i, j, rows, cols in taps((KH, KW), stride, (HO, WO), dilation):
        padded[:, rows, cols] += columns[:, :, :, i, j]
    return remove_border(padded, padding)
    # END SOLUTION


# ---------------------------------------------------------------- convolution


@checked
@has_kernel
def conv2d_forward(x, weight, bias, *, stride=1, padding=0, dilation=1, groups=1):
    """Weighted sum over a sliding window (a cross-correlation, as everywhere in deep learning).

    x (N, H, W, C), weight (KH, KW, C/groups, O), bias (O,)  ->  y (N, HO, WO, O)

    HO = floor((H + 2 padding - dilation (KH-1) - 1) / stride) + 1. stride, padding and dilation are an int or a pair
    (h, w). bias may be None. Raises ArgumentError when no window fits. groups: see grouped_conv.py.
    """
    stride = as_pair("conv2d_forward", "stride", stride, at_least=1)
    padding = as_pair("conv2d_forward", "padding", padding, at_least=0)
    dilation = as_pair("conv2d_forward", "dilation", dilation, at_least=1)
    N, H, W, C = x.shape
    KH, KW, C_of_weight, O = weight.shape
    if groups != 1 or C_of_weight != C:
        check_groups(x, weight, groups)
    HO, WO = count_windows("conv2d_forward", "weight", (H, W), (KH, KW), stride, padding, dilation)
    if groups > 1:
        return grouped_conv(_image_to_columns, x, weight, bias, (stride, padding, dilation), groups, (HO, WO))

    # BEGIN SOLUTION hw02.conv2d_forward
    columns = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO))
    rows = columns.reshape(N * HO * WO, KH * KW * C)  # what each window sees
    matrix = weight.reshape(KH * KW * C, O)
    y = (rows @ matrix).reshape(N, HO, WO, O)
    if bias is not None:
        y += bias
    return y, (x, weight, bias is not None, stride, padding, dilation, groups)
    # END SOLUTION


@checked
@has_kernel
def conv2d_backward(dy, cache):
    """Mirror of conv2d_forward.

    dy (N, HO, WO, O)  ->  dx (N, H, W, C), dweight (KH, KW, C/groups, O), dbias (O,)

    The columns are made again instead of being kept: at stride 1 they are KH*KW times larger than x. dbias is None
    without a bias.
    """
    x, weight, has_bias, stride, padding, dilation, groups = cache
    N, H, W, C = x.shape
    KH, KW, _, O = weight.shape
    _, HO, WO, _ = dy.shape
    if groups > 1:
        return grouped_conv_backward(_image_to_columns, _columns_to_image, dy, cache)

    # BEGIN SOLUTION hw02.conv2d_backward
    dbias = column_sum(dy) if has_bias else None  # every window was shifted by the same bias

    columns = _image_to_columns(x, (KH, KW), stride, padding, dilation, (HO, WO))
    rows = columns.reshape(N * HO * WO, KH * KW * C)
    matrix = weight.reshape(KH * KW * C, O)
    dout = dy.reshape(N * HO * WO, O)
    dweight = (rows.T @ dout).reshape(weight.shape)

    drows = dout @ matrix.T
    dcolumns = drows.reshape(N, HO, WO, KH, KW, C)
    dx = _columns_to_image(dcolumns, (H, W), stride, padding, dilation)
    return dx, dweight, dbias
    # END SOLUTION


# ---------------------------------------------------------------- transposed convolution


@checked
@has_kernel
def conv_transpose2d_forward(x, weight, bias, *, stride=1, padding=0):
    """Every pixel paints a weighted copy of the kernel onto a larger image: a convolution's way back, walked forwards.

    x (N, H, W, C), weight (KH, KW, C, O), bias (O,)  ->  y (N, HO, WO, O)

    HO = (H-1) stride + KH - 2 padding: padding cuts the border away. bias may be None. Raises ArgumentError when
    nothing is left.
    """
    stride = as_pair("conv_transpose2d_forward", "stride", stride, at_least=1)
    padding = as_pair("conv_transpose2d_forward", "padding", padding, at_least=0)
    N, H, W, C = x.shape
    KH, KW, _, O = weight.shape
    size = (H - 1) * stride[0] + KH - 2 * padding[0], (W - 1) * stride[1] + KW - 2 * padding[1]
    if min(size) < 1 or min(H, W, KH, KW) < 1:
        raise ArgumentError(
            f"conv_transpose2d_forward: padding must leave at least one output pixel of x {tuple(x.shape)} with kernel "
            f"{(KH, KW)} and stride {stride}; got {padding}, which leaves {size}"
        )

    columns = x.reshape(N * H * W, C) @ _paint_matrix(weight)  # (N*H*W, KH*KW*O)
    y = _columns_to_image(columns.reshape(N, H, W, KH, KW, O), size, stride, padding, (1, 1))
    if bias is not None:
        y += bias
    return y, (x, weight, bias is not None, stride, padding)


@checked
@has_kernel
def conv_transpose2d_backward(dy, cache):
    """Mirror of conv_transpose2d_forward, which makes it an ordinary convolution of dy.

    dy (N, HO, WO, O)  ->  dx (N, H, W, C), dweight (KH, KW, C, O), dbias (O,)
    """
    x, weight, has_bias, stride, padding = cache
    N, H, W, C = x.shape
    KH, KW, _, O = weight.shape
    dbias = column_sum(dy) if has_bias else None

    dcolumns = _image_to_columns(dy, (KH, KW), stride, padding, (1, 1), (H, W)).reshape(N * H * W, KH * KW * O)
    dmatrix = x.reshape(N * H * W, C).T @ dcolumns
    dweight = dmatrix.reshape(C, KH, KW, O).transpose(1, 2, 0, 3)
    dx = (dcolumns @ _paint_matrix(weight).T).reshape(x.shape)
    return dx, dweight, dbias


def _paint_matrix(weight):
    """What one pixel paints, channel by channel: weight (KH, KW, C, O) -> (C, KH*KW*O)."""
    KH, KW, C, O = weight.shape
    return weight.transpose(2, 0, 1, 3).reshape(C, KH * KW * O)


# ---------------------------------------------------------------- 1x1 convolution, one channel per map


@checked
@has_kernel
def select_conv1x1_forward(x, weight, bias, *, channel):
    """1x1 convolution of which each map needs a single output channel: its ground-truth class, in the mask head.

    x (K, H, W, C), weight (1, 1, C, O), bias (O,), channel (K,) int  ->  y (K, H, W)

    Equals `conv2d(x, weight, bias)[k, :, :, channel[k]]` without the other O - 1 channels. Raises ArgumentError for a
    channel outside 0 .. O-1 (on the host).
    """
    xp = array_module(x)
    K, H, W, C = x.shape
    O = weight.shape[3]
    check_index("select_conv1x1_forward", "channel", channel, O)
    one_hot = (channel[:, None] == xp.arange(O)).astype(x.dtype)  # (K, O)
    chosen = one_hot @ weight.reshape(C, O).T  # (K, C), the filter of each map
    y = (x.reshape(K, H * W, C) @ chosen[:, :, None]).reshape(K, H, W) + (one_hot @ bias)[:, None, None]
    return y, (x, chosen, one_hot)


@checked
@has_kernel
def select_conv1x1_backward(dy, cache):
    """Mirror of select_conv1x1_forward.

    dy (K, H, W)  ->  dx (K, H, W, C), dweight (1, 1, C, O), dbias (O,)

    Maps of one class share a filter; the product with the one-hot rows adds their gradients up in a fixed order.
    """
    x, chosen, one_hot = cache
    K, H, W, C = x.shape
    O = one_hot.shape[1]
    dbias = dy.sum(axis=(1, 2)) @ one_hot
    dchosen = (dy.reshape(K, 1, H * W) @ x.reshape(K, H * W, C)).reshape(K, C)
    dweight = (dchosen.T @ one_hot).reshape(1, 1, C, O)
    dx = dy[:, :, :, None] * chosen[:, None, None, :]
    return dx, dweight, dbias
