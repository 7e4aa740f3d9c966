"""Batch normalisation of a batch that lies on several machines: the same numbers as if it lay on one.

What a channel needs of the others' pixels are three sums on the way forward and two on the way back. Every machine may
have another number of pixels, or none: a head sees as many crops as there are objects.
"""

import numpy as np

from ..backend import array_module
from ..ops.common import column_sum
from .layers import BatchNorm2d


class SyncBatchNorm2d(BatchNorm2d):
    """A BatchNorm2d whose mean and variance are those of all ranks' pixels; in eval mode it is the usual one.

    ranks: what has `everybody(array) -> [array] * size`, see train/ranks/communicator.py
    """

    ranks = None

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        weight, xp, dtype = self.weight.value, array_module(x), x.dtype
        own = float(x.size // x.shape[3])
        own_mean = column_sum(x) / max(own, 1)
        centred = x - own_mean
        own_squares = column_sum(centred * centred)

        numbers = xp.stack([xp.full_like(own_mean, own, np.float64), own_mean.astype(np.float64), own_squares])
        counts, means, squares = xp.stack(self.ranks.everybody(numbers), axis=1)  # each (ranks, C)
        M = xp.maximum(counts.sum(axis=0), 1)
        mean = (counts * means).sum(axis=0) / M
        # around a mean that is not their own, the squares of each rank are larger (Chan et al. 1979)
        var = (squares + counts * xp.square(means - mean)).sum(axis=0) / M

        centred += own_mean - mean.astype(dtype)
        inv_std = (1 / xp.sqrt(var + self.eps)).astype(dtype)
        y = centred * (inv_std * weight) + self.bias.value
        follow = self.momentum * (counts.sum(axis=0) > 0)  # a batch without a single pixel leaves them alone
        unbiased = var * (M / xp.maximum(M - 1, 1))
        for running, batch in ((self.running_mean.value, mean), (self.running_var.value, unbiased)):
            running += (follow * (batch - running)).astype(running.dtype)
        return y, (centred, inv_std, weight, M)

    def backward(self, dy, cache):
        """The gradients of weight and bias are those of this rank's pixels: all gradients are added up in the end."""
        centred, inv_std, weight, M = cache
        xp, dtype = array_module(dy), dy.dtype
        own = xp.stack([column_sum(dy), column_sum(dy * centred)])  # (2, C)
        self.bias.grad += own[0]
        self.weight.grad += own[1] * inv_std
        sums = xp.stack(self.ranks.everybody(own.astype(np.float64))).sum(axis=0)
        mean_dy, mean_along = (sums / M).astype(dtype)
        dx = dy - mean_dy
        dx -= centred * (inv_std * inv_std * mean_along)
        dx *= weight * inv_std
        return dx


def synchronise(model, ranks):
    """Let every BatchNorm2d of a model take its statistics from all ranks; the layers stay the objects they are."""
    for _, module in model.named_modules():
        if type(module) is BatchNorm2d:
            module.__class__, module.ranks = SyncBatchNorm2d, ranks
    return model
