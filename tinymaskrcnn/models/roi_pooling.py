"""RoIAlign over a pyramid: every RoI is cut from the level that fits its size (FPN paper, equation 1)."""

import numpy as np

from ..backend import array_module
from ..nn.module import Module
from ..ops import boxes, roi_align


def assign_levels(rois, *, canonical_size, canonical_level, lowest, highest):
    """floor(canonical_level + log2(sqrt(area) / canonical_size)), clamped to lowest .. highest.

    rois (K, 4) in pixels  ->  level (K,) int

    The papers' canonical size of 224 px is a photograph's: with it, every RoI up to 111 px is cut from P2, and in
    pictures of digits the pyramid does nothing.
    """
    xp = array_module(rois)
    side = xp.sqrt(xp.maximum(boxes.area(rois), 1e-12))
    level = xp.floor(canonical_level + xp.log2(side / canonical_size) + 1e-6)
    return xp.clip(level, lowest, highest).astype(np.int64)


class PyramidRoIAlign(Module):
    """Cut an S x S crop of features for every RoI.

    pyramid [(N, H, W, C)] * L from P2 upwards, rois (K, 4), image_index (K,)  ->  crops (K, S, S, C)
    """

    def __init__(self, output_size, config, *, levels=4):
        self.output_size = output_size
        self.config = config
        self.levels = levels  # P2 .. P5; P6 serves the RPN only

    def forward(self, pyramid, *, rois, image_index):
        xp = array_module(rois)
        level_of = assign_levels(
            rois,
            canonical_size=self.config.canonical_size,
            canonical_level=self.config.canonical_level,
            lowest=2,
            highest=1 + self.levels,
        )
        size = self.output_size
        crops = xp.zeros((len(rois), size, size, pyramid[0].shape[-1]), pyramid[0].dtype)
        caches = []
        for i, features in enumerate(pyramid[: self.levels]):
            rows = xp.flatnonzero(level_of == 2 + i)
            crops[rows], cache = roi_align.roi_align_forward(
                features,
                rois[rows],
                image_index=image_index[rows],
                output_size=size,
                scale=1.0 / 2 ** (2 + i),
                samples=self.config.sampling_ratio,
                aligned=self.config.aligned,
            )
            caches.append((rows, cache))
        return crops, self.keep((caches, [p.shape for p in pyramid]))

    def backward(self, dcrops, cache):
        caches, shapes = cache
        xp = array_module(dcrops)
        dpyramid = [roi_align.roi_align_backward(dcrops[rows], c_level)[0] for rows, c_level in caches]
        unused = [xp.zeros(shape, dcrops.dtype) for shape in shapes[self.levels :]]
        return dpyramid + unused
