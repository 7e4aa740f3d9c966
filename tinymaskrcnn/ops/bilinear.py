"""Bilinear resizing: each output pixel is a weighted sum of the four input pixels around its place.

So it is two small matrices around the image, `rows @ x @ columns.T` on paper, and its backward is the same with both
matrices transposed.
"""

from ..backend import array_module, has_kernel
from ..contract import checked
from .common import as_pair
from .resize import input_size, weighted_sums


@checked
@has_kernel
def resize_bilinear_forward(x, *, size):
    """Interpolate between the four nearest pixel centres (torch's align_corners=False, without antialiasing).

    x (N, H, W, C)  ->  y (N, HO, WO, C)

    size is (HO, WO) or one int. Output centre i + 1/2 lies at (i + 1/2) H / HO of the input; outside the outermost
    centres the border pixels go on.
    """
    H, W = input_size("resize_bilinear_forward", x)
    HO, WO = as_pair("resize_bilinear_forward", "size", size, at_least=1)
    xp = array_module(x)
    rows = _tent_weights(xp, HO, H).astype(x.dtype)
    columns = _tent_weights(xp, WO, W).astype(x.dtype)
    return weighted_sums(rows, x, columns), (rows, columns)


@checked
@has_kernel
def resize_bilinear_backward(dy, cache):
    """Mirror of resize_bilinear_forward.

    dy (N, HO, WO, C)  ->  dx (N, H, W, C)
    """
    rows, columns = cache
    return weighted_sums(rows.T, dy, columns.T)


def _tent_weights(xp, outputs, inputs):
    """How much each output takes from each input, (outputs, inputs): a tent of width 1 around its source position."""
    source = (xp.arange(outputs) + 0.5) * (inputs / outputs) - 0.5
    source = xp.minimum(xp.maximum(source, 0), inputs - 1)
    return xp.maximum(0, 1 - abs(source[:, None] - xp.arange(inputs)))
