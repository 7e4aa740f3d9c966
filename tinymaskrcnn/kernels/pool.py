"""Max pooling by bands of rows: of the rows below a window first, then of the columns of what is left.

A 3x3 window with stride 2 then compares 6 numbers instead of 9, and a band stays in the cache from one comparison to
the next. No border is laid around the picture: windows at its edge have fewer pixels.
"""

import numpy as np

from ..devices import Workspace, on_line
from ..kernel_lookup import register_kernel
from .common import is_float32, is_pair, output_size, pair
from .threads import run
from .windows import blocks

LEAST = 1 << 18  # numbers: below, the text is as fast
BUDGET = 1 << 19  # bytes of a band

_workspace = Workspace()


def _takes(x, *, kernel, stride=None, padding=0):
    """Whether it is worth it; what the text would refuse goes there."""
    stride = kernel if stride is None else stride
    if x.ndim != 4 or not is_float32(x) or not (is_pair(kernel, 1) and is_pair(stride, 1) and is_pair(padding, 0)):
        return False
    fits = all(2 * p <= k for p, k in zip(pair(padding), pair(kernel)))
    return fits and min(output_size(x.shape, pair(kernel), pair(stride), pair(padding), (1, 1))) > 0 and _is_worth_it(x)


def _is_worth_it(x):
    return x.size >= LEAST


@register_kernel("max_pool2d_forward", applies=_takes)
def max_pool2d_forward(x, *, kernel, stride=None, padding=0):
    """Fast twin of ops.pool.max_pool2d_forward."""
    kernel, padding = pair(kernel), pair(padding)
    stride = kernel if stride is None else pair(stride)
    N, _, W, C = x.shape
    y = on_line((N, *output_size(x.shape, kernel, stride, padding, (1, 1)), C))

    def job(images, band):
        rows = _workspace.take("rows", (len(x[images]), band.stop - band.start, W, C))
        _largest(rows, x[images], 1, kernel[0], stride[0], band.start * stride[0] - padding[0])
        _largest(y[images, band], rows, 2, kernel[1], stride[1], -padding[1])

    run(lambda block=block: job(*block) for block in blocks(*y.shape[:2], 4 * W * C, BUDGET))
    return y, (x, y, kernel, stride, padding)


def _largest(y, x, axis, kernel, stride, begin):
    """Fill y with the largest number of each window along an axis of x; the first window begins at `begin`."""
    y.fill(-np.inf)
    before = (slice(None),) * axis
    for first in range(begin, begin + kernel):
        low = max(-(first // stride), 0)  # windows whose pixel lies inside
        high = min((x.shape[axis] - 1 - first) // stride + 1, y.shape[axis])
        if low < high:
            inside = y[(*before, slice(low, high))]
            np.maximum(inside, x[(*before, slice(first + low * stride, first + high * stride, stride))], out=inside)
