"""A balanced random sample on a device: one sort by the random keys, and one launch that counts off."""

import numpy as np

from ...backend import array_module
from ...devices import DEVICE
from ...kernel_lookup import register_kernel
from .launch import BLOCK, contiguous, fits, launch


def _takes(label, keys, *, count, positive_fraction):
    return label.ndim == 2 and label.shape == keys.shape and fits(label, dtype=np.int64) and count > 0


@register_kernel("balanced_sample", module=DEVICE, applies=_takes)
def balanced_sample(label, keys, *, count, positive_fraction):
    """Device twin of targets.matcher.balanced_sample, for keys that are all different."""
    xp, (N, K) = array_module(label), label.shape
    order, chosen = xp.argsort(-keys, axis=1), xp.empty(label.shape, bool)
    quota = int(count * positive_fraction)
    launch("sample", "balanced_sample", N * BLOCK, K, contiguous(label), order, chosen, count, quota)
    return chosen
