"""Batch norm and ReLU in C, in as few sweeps over the pixels as can be: batch norm takes three forward and two back."""

import functools

import numpy as np

from ...devices import on_line
from ...kernel_lookup import register_kernel
from ..common import is_float32
from ..threads import even_pieces, run, spans
from .library import ON_THE_LANE, address, gapless, lane

LEAST = 1 << 16  # numbers: of fewer, NumPy's dozen sweeps take as long as the calls here
JOB = 1 << 18  # numbers that are worth a job


def sweep(shape, *, out=None, x=None, scale=None, shift=None, dy=None, y=None, factor=None, **how):
    """One sweep over shape = (M, C), as sweep.h says.

    rectified: what is below 0 is stored as 0; summed: returns the sums (2, C), those of some pixels at a time, in order
    """
    M, C = shape
    begins, of_channels = [*map(address, (out, x, dy, y))], [*map(address, (scale, shift, factor))]
    jobs = [functools.partial(_some, some, C, begins, of_channels, **how) for some in spans(M, even_pieces(M * C, JOB))]
    return functools.reduce(np.add, run(jobs)) if how.get("summed") else run(jobs)


def _some(some, C, begins, of_channels, *, rectified=False, summed=False):
    sums = np.zeros((2, C), np.float32) if summed else None
    out, x, dy, y = (begin and begin + 4 * C * some.start for begin in begins)
    scale, shift, factor = of_channels
    lane().sweep(out, address(sums), x, scale, shift, dy, y, factor, rectified, some.stop - some.start, C)
    return sums


# ---------------------------------------------------------------- batch norm


def _takes(x, weight, bias, *, running_mean=None, running_var=None, momentum=0.1, eps=1e-5):
    """Whether the kernel knows the case; everything doubtful goes to the text, which has the messages."""
    statistics = () if running_mean is None and running_var is None else (running_mean, running_var)
    fits = all(getattr(array, "shape", None) == x.shape[3:] for array in (weight, bias, *statistics))
    known = is_float32(x, weight, bias, *statistics) and x.ndim == 4 and fits and 0 <= momentum <= 1 and eps > 0
    return known and x.size >= LEAST


@register_kernel("batch_norm2d_forward", module=ON_THE_LANE, applies=_takes)
def batch_norm2d_forward(x, weight, bias, **data):
    """Fast twin of ops.norm.batch_norm2d_forward."""
    return _forward(x, weight, bias, rectified=False, **data)


@register_kernel("batch_norm2d_relu_forward", module=ON_THE_LANE, applies=_takes)
def batch_norm2d_relu_forward(x, weight, bias, **data):
    """Fast twin of ops.more_norms.batch_norm2d_relu_forward."""
    y, cache = _forward(x, weight, bias, rectified=True, **data)
    return y, (cache, y)


def _forward(x, weight, bias, *, rectified, running_mean=None, running_var=None, momentum=0.1, eps=1e-5):
    M, C = shape = x.size // x.shape[3], x.shape[3]
    x, bias, centred, y = gapless(x), gapless(bias), on_line(x.shape), on_line(x.shape)
    mean = sweep(shape, dy=x, summed=True)[0] / M
    var = sweep(shape, out=centred, x=x, scale=np.ones(C, np.float32), shift=-mean, summed=True)[1] / M
    inv_std = 1 / np.sqrt(var + eps)
    sweep(shape, out=y, x=centred, scale=inv_std * weight, shift=bias, rectified=rectified)
    if running_mean is not None:
        running_mean += momentum * (mean - running_mean)
        running_var += momentum * (var * (M / max(M - 1, 1)) - running_var)
    return y, (centred, inv_std, weight)


def _takes_backward(dy, cache):
    centred, inv_std, weight = cache
    fits = dy.ndim == 4 and dy.shape == centred.shape and inv_std.shape == weight.shape == dy.shape[3:]
    return fits and is_float32(dy, *cache) and dy.size >= LEAST


@register_kernel("batch_norm2d_backward", module=ON_THE_LANE, applies=_takes_backward)
def batch_norm2d_backward(dy, cache):
    """Fast twin of ops.norm.batch_norm2d_backward."""
    return _backward(dy, None, cache)


def _takes_relu_backward(dy, cache):
    c_norm, y = cache
    return _takes_backward(dy, c_norm) and y.shape == dy.shape and is_float32(y)


@register_kernel("batch_norm2d_relu_backward", module=ON_THE_LANE, applies=_takes_relu_backward)
def batch_norm2d_relu_backward(dy, cache):
    """Fast twin of ops.more_norms.batch_norm2d_relu_backward."""
    c_norm, y = cache
    return _backward(dy, gapless(y), c_norm)


def _backward(dy, y, cache):
    """y: what the ReLU behind the norm made; None without one."""
    centred, inv_std, weight = cache
    M, _ = shape = dy.size // dy.shape[3], dy.shape[3]
    dy, centred, dx = gapless(dy), gapless(centred), on_line(dy.shape)
    dbias, along = sweep(shape, dy=dy, y=y, x=centred, summed=True)
    dweight, factor = along * inv_std, weight * inv_std
    scale, shift = factor * inv_std * dweight / -M, factor * dbias / -M
    sweep(shape, out=dx, x=centred, scale=scale, shift=shift, dy=dy, y=y, factor=factor)
    return dx, dweight, dbias


# ---------------------------------------------------------------- ReLU


def _takes_relu(dy, cache):
    return dy.ndim > 0 and dy.shape == cache.shape and is_float32(dy, cache)


@register_kernel("relu_backward", module=ON_THE_LANE, applies=_takes_relu)
def relu_backward(dy, cache):
    """Fast twin of ops.activation.relu_backward."""
    dx, C = np.empty(dy.shape, np.float32), dy.shape[-1]
    still = np.full(C, -0.0, np.float32)  # added to what is -0, 0 would make it 0
    places = {"scale": still, "shift": still, "factor": np.ones(C, np.float32)}
    sweep((dy.size // C, C), out=dx, dy=gapless(dy), y=gapless(cache), **places)
    return dx
