"""RoIAlign on a device, over one map or a pyramid: the matrix of the text is never written out."""

from dataclasses import dataclass

import numpy as np

from ...backend import array_module
from ...devices import DEVICE
from ...kernel_lookup import register_kernel
from ..common import is_pair, pair
from .launch import BLOCK, MOST, contiguous, fits, launch

LANES = 4  # as in roi_align.cu: channels that a thread serves


@dataclass(frozen=True)
class SampledBins:
    """Stands in a cache where the text keeps its sparse matrix: which bins read which maps, without the weights."""

    rois: object  # (K, 4)
    image_index: object  # (K,)
    level: object  # (K,), or None where there is a single one
    scales: list  # of the levels
    bins: tuple  # rows, columns
    samples: int
    aligned: bool

    def read(self, pyramid):
        """Every bin reads its pixels: pyramid [(N, H, W, C)] * L  ->  crops (K, S, T, C)."""
        crops = array_module(self.rois).empty((len(self.rois), *self.bins, pyramid[0].shape[3]), np.float32)
        for i, features in enumerate(pyramid):
            threads = _threads(crops)
            arrays = contiguous(features), *self.places(), crops
            launch("roi_align", "roi_align_forward", threads, threads, *arrays, i, *features.shape, *self.settings(i))
        return crops

    def collect(self, dcrops, shapes):
        """Every pixel collects from the bins that read it: dcrops (K, S, T, C)  ->  dpyramid [(N, H, W, C)] * L."""
        xp, dcrops = array_module(dcrops), contiguous(dcrops)
        N = shapes[0][0]
        spans = xp.empty((N, 2), np.int32)
        launch("roi_align", "roi_spans", N * BLOCK, len(self.rois), self.image_index, spans)
        dpyramid = [xp.empty(shape, np.float32) for shape in shapes]
        for i, dfeatures in enumerate(dpyramid):
            threads = _threads(dfeatures)
            arrays = dcrops, *self.places(), spans, dfeatures
            size = dfeatures.shape[1:]
            launch("roi_align", "roi_align_backward", threads, threads, *arrays, i, *size, *self.settings(i))
        return dpyramid

    def places(self):
        return self.rois, self.image_index, self.level

    def settings(self, i):
        return *self.bins, self.scales[i], self.samples, self.aligned


def _threads(x):
    """Some channels to each: x (..., C)."""
    C = x.shape[-1]
    return x.size // C * -(-C // LANES)


def _long(indices):
    return contiguous(indices if indices.dtype == np.int64 else indices.astype(np.int64))


# ---------------------------------------------------------------- the operators


def _takes_pyramid(pyramid, *, rois, image_index, level, output_size, scales, samples=2, aligned=True):
    return (
        len(pyramid) == len(scales)
        and all(len(f.shape) == 4 for f in pyramid)
        and len({(len(f), f.shape[3]) for f in pyramid}) == 1
        and fits(*pyramid)
        and _takes_map(pyramid[0], rois, output_size=output_size, samples=samples)
    )


def _takes_map(features, rois, *, output_size, samples=2, box_gradient=False, **data):
    if box_gradient or not (fits(features, rois) and is_pair(output_size, 1) and isinstance(samples, int)):
        return False
    rows, columns = pair(output_size)
    return samples >= 0 and len(rois) * rows * columns * features.shape[3] < MOST


def _takes_backward(dcrops, cache):
    return isinstance(cache[0], SampledBins)


@register_kernel("pyramid_roi_align_forward", module=DEVICE, applies=_takes_pyramid)
def pyramid_roi_align_forward(pyramid, *, rois, image_index, level, output_size, scales, samples=2, aligned=True):
    """Device twin of ops.roi_align.pyramid_roi_align_forward: one launch for each level."""
    bins = SampledBins(
        contiguous(rois), _long(image_index), _long(level), list(scales), pair(output_size), samples, aligned
    )
    return bins.read(pyramid), (bins, [features.shape for features in pyramid])


@register_kernel("pyramid_roi_align_backward", module=DEVICE, applies=_takes_backward)
def pyramid_roi_align_backward(dcrops, cache):
    """Device twin of ops.roi_align.pyramid_roi_align_backward, always in the same order."""
    bins, shapes = cache
    return bins.collect(dcrops, shapes)


@register_kernel("roi_align_forward", module=DEVICE, applies=_takes_map)
def roi_align_forward(features, rois, *, image_index, output_size, scale, samples=2, aligned=True, box_gradient=False):
    """Device twin of ops.roi_align.roi_align_forward: a pyramid of one level."""
    bins = SampledBins(contiguous(rois), _long(image_index), None, [float(scale)], pair(output_size), samples, aligned)
    return bins.read([features]), (bins, features.shape, None)


@register_kernel("roi_align_backward", module=DEVICE, applies=_takes_backward)
def roi_align_backward(dcrops, cache):
    """Device twin of ops.roi_align.roi_align_backward; the boxes' gradient is the text's."""
    bins, shape, _ = cache
    return bins.collect(dcrops, [shape])[0], None
