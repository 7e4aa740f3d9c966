"""Pooling: summarise each window by its maximum or its mean, channel by channel."""

from ..backend import array_module, has_kernel
from ..contract import checked
from ..errors import ArgumentError
from .common import add_border, as_pair, count_windows, remove_border, taps

# ---------------------------------------------------------------- maximum


@checked
@has_kernel
def max_pool2d_forward(x, *, kernel, stride=None, padding=0):
    """The largest value below each window.

    x (N, H, W, C)  ->  y (N, HO, WO, C)

    HO = floor((H + 2 padding - kernel) / stride) + 1; stride is kernel unless given; the border is minus infinity.
    kernel, stride, padding: an int or a pair (h, w), padding at most half the kernel. Raises ArgumentError when no
    window fits.
    """
    kernel, stride, padding, windows = _pool_geometry("max_pool2d_forward", x, kernel, stride, padding)
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


# ---------------------------------------------------------------- mean


@checked
@has_kernel
def avg_pool2d_forward(x, *, kernel, stride=None, padding=0):
    """The mean below each window; the zeros of the border count (as with torch's count_include_pad=True).

    x (N, H, W, C)  ->  y (N, HO, WO, C)

    Sizes and errors as in max_pool2d_forward.
    """
    kernel, stride, padding, windows = _pool_geometry("avg_pool2d_forward", x, kernel, stride, padding)
    xp = array_module(x)
    padded = add_border(x, padding)
    y = xp.zeros((x.shape[0], *windows, x.shape[3]), x.dtype)
    for _, _, rows, columns in taps(kernel, stride, windows):
        y += padded[:, rows, columns]
    y /= kernel[0] * kernel[1]
    return y, (x.shape, kernel, stride, padding)


@checked
@has_kernel
def avg_pool2d_backward(dy, cache):
    """Mirror of avg_pool2d_forward: every pixel of a window receives the same share of its gradient.

    dy (N, HO, WO, C)  ->  dx (N, H, W, C)
    """
    # BEGIN SOLUTION hw02.avg_pool2d_backward
    (N, H, W, C), kernel, stride, padding = cache
    share = dy / (kernel[0] * kernel[1])
    dpadded = array_module(dy).zeros((N, H + 2 * padding[0], W + 2 * padding[1], C), dy.dtype)
    for _, _, rows, columns in taps(kernel, stride, dy.shape[1:3]):
        dpadded[:, rows, columns] += share
    return remove_border(dpadded, padding)
    # END SOLUTION


@checked
@has_kernel
def global_avg_pool2d_forward(x):
    """The mean of each channel over the whole image.

    x (N, H, W, C)  ->  y (N, C)
    """
    N, H, W, C = x.shape
    if H * W == 0:
        raise ArgumentError(f"global_avg_pool2d_forward: x must have at least one pixel; got {tuple(x.shape)}")
    y = x.reshape(N, H * W, C).mean(axis=1)
    return y, x.shape


@checked
@has_kernel
def global_avg_pool2d_backward(dy, cache):
    """Mirror of global_avg_pool2d_forward.

    dy (N, C)  ->  dx (N, H, W, C)
    """
    N, H, W, C = cache
    share = dy / (H * W)
    return array_module(dy).broadcast_to(share[:, None, None, :], (N, H, W, C)).copy()


def _pool_geometry(function, x, kernel, stride, padding):
    kernel = as_pair(function, "kernel", kernel, at_least=1)
    stride = kernel if stride is None else as_pair(function, "stride", stride, at_least=1)
    padding = as_pair(function, "padding", padding, at_least=0)
    if 2 * padding[0] > kernel[0] or 2 * padding[1] > kernel[1]:
        raise ArgumentError(
            f"{function}: padding must be at most half the kernel {kernel}, or a window may hold no pixel at all; "
            f"got {padding}"
        )
    return kernel, stride, padding, count_windows(function, "kernel", x.shape[1:3], kernel, stride, padding)
