"""conv2d in C; `choose` says which way suits which shape, and `_is_worth_it` what is left to the kernels in NumPy."""

import functools
import math

import numpy as np

from ...devices import on_line
from ...kernel_lookup import register_kernel
from .. import winograd as numpy_winograd
from ..common import is_float32, is_gradient_of_convolution, output_shape, output_size, pair
from ..matmul import add_up
from ..threads import run, single_threaded_blas
from . import correlate, winograd
from .library import ON_THE_LANE, aligned, gapless

FEWEST = 128  # pixels: below, the weights are most of the way back, and the text is as fast
FEW = 256  # pixels: below, transforms cost more than they save
NARROW = 8  # channels: with fewer, most of a vector would be zeros on the way back
REPAY = 16  # pixels per channel that the larger filters of 4x4 tiles need
WIDE = 64  # channels from which 2x2 tiles, and the gradient for a weight by tiles, gain
LANES = 4  # gradients for a weight are added up in at most this many sums, which are then added in order


def choose(images, size, kernel, channels, *, stride, dilation):
    """The ways to compute a convolution and the gradient for its weight: 1 directly, 2 or 4 in tiles of that size.

    images N, size (HO, WO), channels (C, O)
    """
    tiled = kernel == (3, 3) and stride == (1, 1) and dilation == (1, 1) and all(c % 16 == 0 for c in channels)
    pixels = images * size[0] * size[1]
    if not tiled or pixels < FEW or min(size) < 2:
        return 1, 1
    small, large = (-(-size[0] // m) * -(-size[1] // m) * (m + 2) ** 2 for m in (2, 4))  # multiplications
    fewer = large / small if pixels >= REPAY * max(channels) else 1
    if min(channels) < WIDE:
        return 4 if fewer < 0.7 else 1, 1
    return (4, 4) if fewer < 0.75 else (2, 2)  # of 14x14 crops it is 0.73


# ---------------------------------------------------------------- convolution


def _takes_forward(x, weight, bias, **options):
    """Whether the kernel knows the case; everything doubtful goes to the text, which has the messages."""
    return _is_worth_it(FEWEST, weight) and output_shape(x, weight, bias, **options) is not None


def _is_worth_it(pixels, weight):
    """A 1x1 convolution is one product, and BLAS's own."""
    return pixels >= FEWEST and weight.shape[:2] != (1, 1)


@register_kernel("conv2d_forward", module=ON_THE_LANE, first=True, applies=_takes_forward)
def conv2d_forward(x, weight, bias, *, stride=1, padding=0, dilation=1, groups=1):
    """Fast twin of ops.conv.conv2d_forward, for float32 and one group."""
    stride, padding, dilation = pair(stride), pair(padding), pair(dilation)
    return _convolved(x, weight, bias, {}, stride, padding, dilation)


def _takes_all(x, weight, bias, *, scale=None, added=None, rectified=False, **options):
    shape = output_shape(x, weight, bias, **options)
    return (
        shape is not None
        and (scale is None or (scale.shape == shape[3:] and is_float32(scale)))
        and (added is None or (added.shape == shape and is_float32(added)))
    )


@register_kernel("convolution", module=ON_THE_LANE, applies=_takes_all)
def convolution(x, weight, bias, *, stride, padding, dilation, groups, **then):
    """Fast twin of nn.fused.convolution: what is done to the sums is done before they are stored."""
    return _convolved(x, weight, bias, then, pair(stride), pair(padding), pair(dilation))


def _convolved(x, weight, bias, then, stride, padding, dilation):
    """y and its cache; then: what else is done to the sums, as for `correlate.finish`."""
    size = output_size(x.shape, weight.shape, stride, padding, dilation)
    y = on_line((x.shape[0], *size, weight.shape[3]))
    way, _ = choose(len(x), size, weight.shape[:2], weight.shape[2:], stride=stride, dilation=dilation)
    pixels, becomes, origin = gapless(x), correlate.finish(y, bias, **then), (-padding[0], -padding[1])
    if way == 1:
        place = {"stride": stride, "origin": origin, "dilation": dilation}
        jobs = correlate.correlate_jobs(y, pixels, gapless(weight), becomes, **place)
    else:
        filters = winograd.filters_of(aligned(weight), way)
        jobs = winograd.correlate_jobs(y, pixels, lambda: filters, becomes, origin=origin, m=way)
    run(jobs)
    return y, (x, weight, bias is not None, stride, padding, dilation, 1)


def _takes_backward(dy, cache):
    if not is_gradient_of_convolution(dy, cache) or min(cache[1].shape[2:]) < NARROW:
        return False
    return _is_worth_it(math.prod(dy.shape[:3]), cache[1])


@register_kernel("conv2d_backward", module=ON_THE_LANE, first=True, applies=_takes_backward)
@single_threaded_blas()
def conv2d_backward(dy, cache):
    """Fast twin of ops.conv.conv2d_backward: the jobs of all three gradients go to the threads together."""
    x, weight, has_bias, stride, padding, dilation, _ = cache
    dy, x, weight = gapless(dy), gapless(x), aligned(weight)
    kernel, origin = weight.shape[:2], (-padding[0], -padding[1])
    way, way_back = choose(len(x), dy.shape[1:3], kernel, weight.shape[2:], stride=stride, dilation=dilation)
    place = {"stride": stride, "origin": origin, "dilation": dilation}
    if way_back == 1:
        lanes = correlate.dweight_jobs(x, dy, kernel, **place, lanes=LANES)
    else:
        lanes = winograd.dweight_jobs(x, dy, origin=origin, m=way_back, lanes=LANES)
    dx = np.empty(x.shape, np.float32)
    if way == 1:
        jobs = correlate.gather_jobs(dx, dy, weight, **place)
    else:
        # a job asks for the filters, so that another thread need not wait for them
        back = padding[0] - 2, padding[1] - 2  # the correlation of dy with the weight turned round
        filters = functools.cache(lambda: winograd.filters_of(weight, way, turned=True))
        jobs = winograd.correlate_jobs(dx, dy, filters, correlate.PLAIN, origin=back, m=way)
    long, short = sorted((lanes, jobs), key=len)  # either is about as much work: the fewer jobs are the longer ones
    dweight, dbias = add_up([part for part in run(long + short) if part is not None])
    dweight = dweight.reshape(weight.shape) if way_back == 1 else numpy_winograd.weight_gradient(dweight, way_back)
    return dx, dweight, dbias if has_bias else None
