"""Adaptive sampling on a device, which is not asked how many points the largest bin takes: that would be a wait."""

import numpy as np

from ..backend import array_module
from ..kernel_lookup import register_kernel


def on_a_device(module):
    return module is not np


@register_kernel("adaptive_weights", module=on_a_device)
def adaptive_weights(start, end, bins, lengths, *, longest, aligned):
    """Device twin of ops.roi_align.adaptive_weights: each bin takes as many points as the longest axis could ask for.

    Those beyond its own count weigh nothing.
    """
    xp, dtype = array_module(start), start.dtype
    start, end, length = start[:, None, None], end[:, None, None], lengths.astype(dtype)[:, None, None]
    size = end - start if aligned else xp.where(end - start < 1, 1, end - start)
    count = xp.ceil(size / bins)
    point = xp.arange(-(-longest // bins), dtype=dtype)
    along = (xp.arange(bins, dtype=dtype)[:, None] + (point + 0.5) / xp.maximum(count, 1)) / bins
    position = (start - (0.5 if aligned else 0)) + along * size  # (K, S, n)
    use = ((point < count) / xp.maximum(count, 1)).astype(dtype) * ((position >= -1) & (position <= length))

    position = xp.fmin(xp.fmax(position, 0), length - 1)
    low = xp.floor(position)
    share = position - low
    weights, row = xp.zeros((len(start) * bins, longest), dtype), xp.arange(len(start) * bins)
    for pixel, weight in ((low, use * (1 - share)), (xp.minimum(low + 1, length - 1), use * share)):
        pixel = pixel.astype(np.int32)
        for n in range(len(point)):  # one pixel for each bin at a time: nothing is added to the same place twice
            weights[row, pixel[:, :, n].reshape(-1)] += weight[:, :, n].reshape(-1)
    return weights.reshape(len(start), bins, longest)
