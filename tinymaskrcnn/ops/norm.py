"""Normalisation: bring activations to mean 0 and variance 1, then let the layer learn its own shift and scale.

y = xhat * weight + bias  with  xhat = (x - mean) / sqrt(var + eps). Here the mean is that of a channel over the batch;
in more_norms.py it is a stored one, or that of a group of channels within one image.
"""

from ..backend import array_module, has_kernel
from ..contract import checked
from ..errors import ArgumentError
from .common import column_sum


@checked
@has_kernel
def batch_norm2d_forward(x, weight, bias, *, running_mean=None, running_var=None, momentum=0.1, eps=1e-5):
    """Normalise each channel by its own mean and variance over the batch (Ioffe and Szegedy 2015).

    x (N, H, W, C), weight (C,), bias (C,), running_mean (C,) float, running_var (C,) float  ->  y (N, H, W, C)

    The running statistics, when given, are updated IN PLACE, the one exception to "never write into what you
    received": running = (1 - momentum) running + momentum batch, with the unbiased variance. A batch without a single
    pixel leaves them alone.
    """
    _check_batch_norm(running_mean, running_var, momentum, eps)
    xp = array_module(x)
    N, H, W, _ = x.shape
    M = max(N * H * W, 1)

    mean = column_sum(x) / M
    centred = x - mean
    var = column_sum(centred * centred) / M
    inv_std = 1 / xp.sqrt(var + eps)
    y = centred * (inv_std * weight)
    y += bias

    if running_mean is not None and x.size:
        running_mean += momentum * (mean - running_mean)
        running_var += momentum * (var * (M / max(M - 1, 1)) - running_var)
    return y, (centred, inv_std, weight)


@checked
@has_kernel
def batch_norm2d_backward(dy, cache):
    """Mirror of batch_norm2d_forward.

    dy (N, H, W, C)  ->  dx (N, H, W, C), dweight (C,), dbias (C,)

    Every pixel also moves the mean and the variance of its channel. Through them the average of dy and the part of dy
    along xhat are taken away: y does not notice when a channel of x is shifted or, but for eps, stretched.
    """
    centred, inv_std, weight = cache
    N, H, W, _ = dy.shape
    M = max(N * H * W, 1)

    dbias = column_sum(dy)
    dweight = column_sum(dy * centred) * inv_std
    # dx = weight * inv_std * (dy - dbias / M - xhat * dweight / M), with as few passes over the pixels as possible
    dx = centred * (inv_std * dweight / -M)
    dx += dy
    dx -= dbias / M
    dx *= weight * inv_std
    return dx, dweight, dbias


def _check_batch_norm(running_mean, running_var, momentum, eps):
    check_eps("batch_norm2d_forward", eps)
    if (running_mean is None) != (running_var is None):
        raise ArgumentError("batch_norm2d_forward: running_mean and running_var must be given together; got only one")
    if not 0 <= momentum <= 1:
        raise ArgumentError(f"batch_norm2d_forward: momentum must lie between 0 and 1; got {momentum!r}")


def check_eps(function, eps):
    if not eps > 0:
        raise ArgumentError(f"{function}: eps must be above 0, for channels without variance; got {eps!r}")
