"""Layers that the default model has no use for: other norms, other activations, other ways to another size."""

from ..ops import activation, average_pool, more_norms, pool, resize, softmax
from ..ops.common import as_pair
from .init import ones, zeros
from .module import Buffer, Module, Parameter


class FrozenBatchNorm2d(Module):
    """A fixed scale and shift per channel: batch normalisation whose statistics and weights are all constants."""

    def __init__(self, channels, *, eps=1e-5):
        self.weight = Buffer(ones(channels))
        self.bias = Buffer(zeros(channels))
        self.running_mean = Buffer(zeros(channels))
        self.running_var = Buffer(ones(channels))
        self.eps = eps

    def forward(self, x):
        mean, var = self.running_mean.value, self.running_var.value
        y, (_, _, inv_std, weight) = more_norms.frozen_batch_norm2d_forward(
            x, self.weight.value, self.bias.value, mean=mean, var=var, eps=self.eps
        )
        return y, self.keep(inv_std * weight)  # nothing here learns, so x need not be kept

    def backward(self, dy, cache):
        return dy * cache


class GroupNorm(Module):
    """Normalisation over groups of channels of one image: independent of the batch size (Wu and He 2018)."""

    def __init__(self, groups, channels, *, eps=1e-5):
        self.weight = Parameter(ones(channels), decay=False)
        self.bias = Parameter(zeros(channels), decay=False)
        self.groups = groups
        self.eps = eps

    def forward(self, x):
        y, cache = more_norms.group_norm_forward(
            x, self.weight.value, self.bias.value, groups=self.groups, eps=self.eps
        )
        return y, self.keep(cache)

    def backward(self, dy, cache):
        dx, dweight, dbias = more_norms.group_norm_backward(dy, cache)
        self.weight.grad += dweight
        self.bias.grad += dbias
        return dx


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x):
        y, cache = activation.sigmoid_forward(x)
        return y, self.keep(cache)

    def backward(self, dy, cache):
        return activation.sigmoid_backward(dy, cache)


class Softmax(Module):
    """Probabilities over the last axis."""

    def forward(self, x):
        y, cache = softmax.softmax_forward(x)
        return y, self.keep(cache)

    def backward(self, dy, cache):
        return softmax.softmax_backward(dy, cache)


class MaxPool2d(Module):
    """The largest value of each window."""

    def __init__(self, kernel, *, stride=None, padding=0):
        self.options = {"kernel": kernel, "stride": stride, "padding": padding}

    def forward(self, x):
        y, cache = pool.max_pool2d_forward(x, **self.options)
        return y, self.keep(cache)

    def backward(self, dy, cache):
        return pool.max_pool2d_backward(dy, cache)


class AvgPool2d(Module):
    """The mean of each window."""

    def __init__(self, kernel, *, stride=None, padding=0):
        self.options = {"kernel": kernel, "stride": stride, "padding": padding}

    def forward(self, x):
        y, cache = average_pool.avg_pool2d_forward(x, **self.options)
        return y, self.keep(cache)

    def backward(self, dy, cache):
        return average_pool.avg_pool2d_backward(dy, cache)


class GlobalAvgPool2d(Module):
    """The mean of each channel: (N, H, W, C) -> (N, C)."""

    def forward(self, x):
        y, cache = average_pool.global_avg_pool2d_forward(x)
        return y, self.keep(cache)

    def backward(self, dy, cache):
        return average_pool.global_avg_pool2d_backward(dy, cache)


class UpsampleNearest2d(Module):
    """Every pixel repeated factor x factor times, or that of a pair (h, w)."""

    def __init__(self, factor=2):
        self.factor = as_pair("UpsampleNearest2d", "factor", factor, at_least=1)

    def forward(self, x):
        size = x.shape[1] * self.factor[0], x.shape[2] * self.factor[1]
        y, cache = resize.upsample_nearest2d_forward(x, size=size)
        return y, self.keep(cache)

    def backward(self, dy, cache):
        return resize.upsample_nearest2d_backward(dy, cache)
