"""Average pooling: of each window, or of the whole image, the mean goes on, channel by channel."""

from ..backend import array_module, has_kernel
from ..contract import checked
from ..errors import ArgumentError
from .common import add_border, remove_border, taps
from .pool import pool_geometry


@checked
@has_kernel
def avg_pool2d_forward(x, *, kernel, stride=None, padding=0):
    """The mean below each window; the zeros of the border count (as with torch's count_include_pad=True).

    x (N, H, W, C)  ->  y (N, HO, WO, C)

    Sizes and errors as in max_pool2d_forward.
    """
    kernel, stride, padding, windows = pool_geometry("avg_pool2d_forward", x, kernel, stride, padding)
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
