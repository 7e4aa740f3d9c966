"""Convolution in groups: each run of O/G output channels sees its own run of C/G input channels (ResNeXt: 32 groups).

Only the matrix product in the middle of a convolution differs from the plain one: there is one for each group. With as
many groups as channels (depthwise) every channel is a picture of its own.
"""

from ..errors import ArgumentError, ShapeError
from .common import column_sum


def grouped_conv(image_to_columns, x, weight, bias, geometry, groups, windows):
    """conv2d_forward with more than one group: stride, padding and dilation, and how many windows there are."""
    y = grouped_product(image_to_columns(x, weight.shape[:2], *geometry, windows), weight, groups)
    return y if bias is None else y + bias, (x, weight, bias is not None, *geometry, groups)


def grouped_conv_backward(image_to_columns, columns_to_image, dy, cache):
    """Mirror of grouped_conv."""
    x, weight, has_bias, *geometry, groups = cache
    columns = image_to_columns(x, weight.shape[:2], *geometry, dy.shape[1:3])
    dcolumns, dweight = grouped_product_backward(dy, columns, weight, groups)
    dx = columns_to_image(dcolumns, x.shape[1:3], *geometry)
    return dx, dweight, column_sum(dy) if has_bias else None


def grouped_product(columns, weight, groups):
    """What the windows see times the weights, group by group.

    columns (N, HO, WO, KH, KW, C), weight (KH, KW, C/G, O)  ->  y (N, HO, WO, O)
    """
    N, HO, WO, KH, KW, C = columns.shape
    rows = _split(columns.reshape(N * HO * WO, KH * KW, C), groups)  # (G, N*HO*WO, KH*KW*C/G)
    return _join(rows @ _weight_matrices(weight, groups), 1).reshape(N, HO, WO, weight.shape[3])


def grouped_product_backward(dy, columns, weight, groups):
    """Mirror of grouped_product.

    dy (N, HO, WO, O)  ->  dcolumns (N, HO, WO, KH, KW, C), dweight (KH, KW, C/G, O)
    """
    N, HO, WO, KH, KW, C = columns.shape
    rows = _split(columns.reshape(N * HO * WO, KH * KW, C), groups)
    drows_out = _split(dy.reshape(N * HO * WO, 1, dy.shape[3]), groups)  # (G, N*HO*WO, O/G)
    dmatrices = rows.transpose(0, 2, 1) @ drows_out
    dweight = dmatrices.transpose(1, 0, 2).reshape(weight.shape)
    drows = drows_out @ _weight_matrices(weight, groups).transpose(0, 2, 1)
    return _join(drows, KH * KW).reshape(columns.shape), dweight


def _split(rows, groups):
    """Deal the channels out to the groups: rows (M, T, C) -> (G, M, T * C/G)."""
    M, T, C = rows.shape
    return rows.reshape(M, T, groups, C // groups).transpose(2, 0, 1, 3).reshape(groups, M, T * (C // groups))


def _join(parts, T):
    """Mirror of _split: parts (G, M, T * C/G) -> rows (M, T, C)."""
    G, M, _ = parts.shape
    C = parts.shape[2] // T * G
    return parts.reshape(G, M, T, C // G).transpose(1, 2, 0, 3).reshape(M, T, C)


def _weight_matrices(weight, groups):
    """One matrix per group: weight (KH, KW, C/G, O) -> (G, KH*KW*C/G, O/G)."""
    KH, KW, C, O = weight.shape
    return weight.reshape(KH * KW * C, groups, O // groups).transpose(1, 0, 2)


def check_groups(x, weight, groups):
    """Raises ArgumentError unless groups divide both channels, ShapeError unless the weight fits them."""
    C, O = x.shape[3], weight.shape[3]
    if not isinstance(groups, int) or groups < 1 or C % groups or O % groups:
        raise ArgumentError(
            f"conv2d_forward: groups must be an int that divides the input channels C = {C} and the output channels "
            f"O = {O}; got {groups!r}"
        )
    if weight.shape[2] != C // groups:
        raise ShapeError(
            f"conv2d_forward: weight must be (KH, KW, C/groups, O) with C/groups = {C // groups} to fit x "
            f"{tuple(x.shape)} with groups = {groups}; got {tuple(weight.shape)}"
        )
