"""Crops that are weighted sums of pixels, on a device: what a sparse matrix was to be made of stands in its place.

CuPy waits for its sparse matrices three or four times, and adds up their products in no fixed order.
"""

from dataclasses import dataclass

import numpy as np

from ...backend import array_module
from ...devices import DEVICE
from ...kernel_lookup import register_kernel
from .launch import MOST, contiguous, fits, launch

LANES = 4  # as in taps.cu: channels that a thread serves


@dataclass(frozen=True)
class Taps:
    """A (K*S*T, P), as the operators use it: `A @ pixels`, and `A.T.tocsr() @ dcrops`."""

    axes: tuple  # down, down_weight (K, S, t), across, across_weight (K, T, u)
    start: object  # (K,)
    width: object  # (K,), or None where all rows have `row` pixels
    row: int
    num_pixels: int

    @property
    def T(self):
        return Collected(self)

    def sizes(self):
        down, across = self.axes[0], self.axes[2]
        return self.row, down.shape[1], across.shape[1], down.shape[2], across.shape[2]

    def __matmul__(self, pixels):
        """Every bin reads its pixels: pixels (P, C)  ->  crops (K*S*T, C)"""
        xp, C = array_module(pixels), pixels.shape[1]
        _, S, T, _, _ = sizes = self.sizes()
        crops = xp.empty((len(self.start) * S * T, C), np.float32)
        threads = len(crops) * -(-C // LANES)
        arrays = contiguous(pixels), *self.axes, self.start, self.width, crops
        launch("taps", "read_taps", threads, threads, *arrays, *sizes, C)
        return crops


@dataclass(frozen=True)
class Collected:
    """The transposed matrix."""

    taps: Taps

    def tocsr(self):
        return self

    def __matmul__(self, dcrops):
        """Every pixel collects from the bins that read it: dcrops (K*S*T, C)  ->  dpixels (P, C)"""
        taps, K, C = self.taps, len(self.taps.start), dcrops.shape[1]
        xp, sizes = array_module(dcrops), self.taps.sizes()
        bounds, dpixels = xp.empty((K, 4), np.int32), xp.empty((taps.num_pixels, C), np.float32)
        launch("taps", "tap_bounds", K, K, *taps.axes, bounds, *sizes[1:])
        threads = taps.num_pixels * -(-C // LANES)
        arrays = contiguous(dcrops), *taps.axes, taps.start, taps.width, bounds, dpixels
        launch("taps", "collect_taps", threads, threads, *arrays, K, *sizes, C)
        return dpixels


def _takes(y, x, *, start, width, num_pixels):
    taps = all(len(axis) == 2 and axis[0].ndim == 3 and fits(axis[1]) for axis in (y, x))
    return taps and 0 < num_pixels < MOST and y[0].shape[1] * x[0].size < MOST


@register_kernel("matrix", module=DEVICE, applies=_takes)
def matrix(y, x, *, start, width, num_pixels):
    """Device twin of ops.roi_samples.matrix, for one product in either direction."""
    (down, down_weight), (across, across_weight) = y, x
    whole = (_int32(array) for array in (down, across, start))
    down, across, start = whole
    same = isinstance(width, int)
    axes = down, contiguous(down_weight), across, contiguous(across_weight)
    wide = None if same else _int32(width.reshape(-1))
    return Taps(axes, start, wide, width if same else 0, num_pixels)


def _int32(array):
    return contiguous(array if array.dtype == np.int32 else array.astype(np.int32))
