"""Max pooling: of each window only the largest value goes on, channel by channel."""

from ..backend import array_module, has_kernel
from ..contract import checked
from ..errors import ArgumentError
from .common import add_border, as_pair, count_windows, remove_border, taps


@checked
@has_kernel
def max_pool2d_forward(x, *, kernel, stride=None, padding=0):
    """The largest value below each window.

    x (N, H, W, C)  ->  y (N, HO, WO, C)

    HO = floor((H + 2 padding - kernel) / stride) + 1; stride is kernel unless given; the border is minus infinity.
    kernel, stride, padding: an int or a pair (h, w), padding at most half the kernel. Raises ArgumentError when no
    window fits.
    """
    kernel, stride, padding, windows = pool_geometry("max_pool2d_forward", x, kernel, stride, padding)
    # BEGIN SOLUTION hw02.max_pool2d_forward
    xp = array_module(x)
    padded = add_border(x, padding, -xp.inf)
    y = xp.full((x.shape[0], *windows, x.shape[3]), -xp.inf, x.dtype)
    for _, _, rows, columns in taps(kernel, stride, windows):
        xp.maximum(y, padded[:, rows, columns], out=y)
    return y, (x, y, kernel, stride, padding)
    # END SOLUTION


@checked
@has_kernel
def max_pool2d_backward(dy, cache):
    """Mirror of max_pool2d_forward: the pixel that won a window receives the gradient of that window.

    dy (N, HO, WO, C)  ->  dx (N, H, W, C)

    A pixel that wins several overlapping windows adds up their gradients. In a tie the first pixel, row by row, wins.
    """
    # BEGIN SOLUTION hw02.max_pool2d_backward
    x, y, kernel, stride, padding = cache
    xp = array_module(x)
    padded = add_border(x, padding, -xp.inf)
    dpadded = xp.zeros(padded.shape, dy.dtype)
    open_windows = xp.ones(y.shape, bool)  # windows whose winner is still to be found
    for _, _, rows, columns in taps(kernel, stride, y.shape[1:3]):
        winner = (padded[:, rows, columns] == y) & open_windows
        open_windows ^= winner
        dpadded[:, rows, columns] += dy * winner
    return remove_border(dpadded, padding)
    # END SOLUTION


def pool_geometry(function, x, kernel, stride, padding):
    """kernel, stride and padding as pairs, and how many windows there are; raises ArgumentError when they cannot be."""
    kernel = as_pair(function, "kernel", kernel, at_least=1)
    stride = kernel if stride is None else as_pair(function, "stride", stride, at_least=1)
    padding = as_pair(function, "padding", padding, at_least=0)
    if 2 * padding[0] > kernel[0] or 2 * padding[1] > kernel[1]:
        raise ArgumentError(
            f"{function}: padding must be at most half the kernel {kernel}, or a window may hold no pixel at all; "
            f"got {padding}"
        )
    return kernel, stride, padding, count_windows(function, "kernel", x.shape[1:3], kernel, stride, padding)
