"""Norms with another mean than the batch's: a stored one, or that of a group of channels."""

from ..backend import array_module, has_kernel
from ..contract import checked
from ..errors import ArgumentError
from .activation import relu_backward
from .common import column_sum
from .norm import batch_norm2d_backward, batch_norm2d_forward, check_eps

# ---------------------------------------------------------------- frozen statistics


@checked
@has_kernel
def frozen_batch_norm2d_forward(x, weight, bias, *, mean, var, eps=1e-5):
    """Normalise each channel by a stored mean and variance: batch normalisation in inference, or never trained again.

    x (N, H, W, C), weight (C,), bias (C,), mean (C,) float, var (C,) float  ->  y (N, H, W, C)

    eps may be 0: torchvision's COCO weights are meant that way.
    """
    if not eps >= 0:
        raise ArgumentError(f"frozen_batch_norm2d_forward: eps must be 0 or above; got {eps!r}")
    xp = array_module(x)
    mean = mean.astype(x.dtype, copy=False)
    inv_std = (1 / xp.sqrt(var + eps)).astype(x.dtype, copy=False)
    y = x * (inv_std * weight)
    y += bias - mean * (inv_std * weight)
    return y, (x, mean, inv_std, weight)


@checked
@has_kernel
def frozen_batch_norm2d_backward(dy, cache):
    """Mirror of frozen_batch_norm2d_forward; the statistics are data, so dx is a mere scaling.

    dy (N, H, W, C)  ->  dx (N, H, W, C), dweight (C,), dbias (C,)
    """
    x, mean, inv_std, weight = cache
    dbias = column_sum(dy)
    dweight = column_sum(dy * (x - mean)) * inv_std
    dx = dy * (inv_std * weight)
    return dx, dweight, dbias


# ---------------------------------------------------------------- group normalisation


@checked
@has_kernel
def group_norm_forward(x, weight, bias, *, groups, eps=1e-5):
    """Normalise each image on its own, over all pixels of a group of C/groups channels (Wu and He 2018).

    x (N, H, W, C), weight (C,), bias (C,)  ->  y (N, H, W, C)

    Raises ArgumentError when groups do not divide C.
    """
    check_eps("group_norm_forward", eps)
    xp = array_module(x)
    N, H, W, C = x.shape
    if not isinstance(groups, int) or groups < 1 or C % groups:
        raise ArgumentError(f"group_norm_forward: groups must be an int that divides C = {C}; got {groups!r}")

    pixels = x.reshape(N, H * W, C)
    centred = pixels - _group_mean(_pixel_sum(pixels), H * W, groups)
    var = _group_mean(_pixel_sum(centred * centred), H * W, groups)  # (N, 1, C)
    inv_std = 1 / xp.sqrt(var + eps)
    y = centred * (inv_std * weight)
    y += bias
    return y.reshape(x.shape), (centred, inv_std, weight, groups)


@checked
@has_kernel
def group_norm_backward(dy, cache):
    """Mirror of group_norm_forward.

    dy (N, H, W, C)  ->  dx (N, H, W, C), dweight (C,), dbias (C,)

    As in batch normalisation, the mean of dxhat and its part along xhat are taken away, here within each group.
    """
    centred, inv_std, weight, groups = cache
    N, HW, C = centred.shape
    dpixels = dy.reshape(N, HW, C)
    dbias_of_image = _pixel_sum(dpixels)  # (N, 1, C)
    dweight_of_image = _pixel_sum(dpixels * centred) * inv_std  # (N, 1, C)
    dbias = dbias_of_image.sum(axis=(0, 1))
    dweight = dweight_of_image.sum(axis=(0, 1))

    mean = _group_mean(dbias_of_image * weight, HW, groups)  # of dxhat = dy * weight
    slope = _group_mean(dweight_of_image * weight, HW, groups)  # of dxhat * xhat
    # dx = inv_std * (dxhat - mean - xhat * slope)
    dx = dpixels * (weight * inv_std)
    dx -= centred * (inv_std * inv_std * slope)
    dx -= inv_std * mean
    return dx.reshape(dy.shape), dweight, dbias


def _pixel_sum(pixels):
    """Sum over the pixels of each image, as a product with ones: pixels (N, H*W, C) -> (N, 1, C)."""
    N, HW, C = pixels.shape
    return (array_module(pixels).ones(HW, pixels.dtype) @ pixels).reshape(N, 1, C)


def _group_mean(sums, HW, groups):
    """From sums per channel to the mean of the channel's group, given back to each channel: (N, 1, C) -> (N, 1, C)."""
    N, _, C = sums.shape
    members = C // groups
    means = sums.reshape(N, groups, members).sum(axis=2) / max(HW * members, 1)
    return means.repeat(members, axis=1).reshape(N, 1, C)


# ---------------------------------------------------------------- batch normalisation and ReLU


@checked
@has_kernel
def batch_norm2d_relu_forward(x, weight, bias, *, running_mean=None, running_var=None, momentum=0.1, eps=1e-5):
    """Batch normalisation and ReLU under one name, since each pass over the pixels counts.

    x (N, H, W, C), weight (C,), bias (C,), running_mean (C,) float, running_var (C,) float  ->  y (N, H, W, C)
    """
    statistics = {"running_mean": running_mean, "running_var": running_var, "momentum": momentum}
    y, c_norm = batch_norm2d_forward(x, weight, bias, **statistics, eps=eps)
    y = array_module(y).maximum(y, 0, out=y)  # in place: y is new and in no cache
    return y, (c_norm, y)


@checked
@has_kernel
def batch_norm2d_relu_backward(dy, cache):
    """Mirror of batch_norm2d_relu_forward.

    dy (N, H, W, C)  ->  dx (N, H, W, C), dweight (C,), dbias (C,)
    """
    c_norm, y = cache
    return batch_norm2d_backward(relu_backward(dy, y), c_norm)
