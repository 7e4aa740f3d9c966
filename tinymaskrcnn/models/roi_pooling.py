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
        config = self.config
        cut, unused = pyramid[: self.levels], pyramid[self.levels :]
        limits = dict(lowest=2, highest=1 + len(cut))
        level = assign_levels(
            rois, canonical_size=config.canonical_size, canonical_level=config.canonical_level, **limits
        )
        crops, cache = roi_align.pyramid_roi_align_forward(
            cut,
            rois=rois,
            image_index=image_index,
            level=level - 2,
            output_size=self.output_size,
            scales=[1.0 / 2 ** (2 + i) for i in range(len(cut))],
            samples=config.sampling_ratio,
            aligned=config.aligned,
        )
        return crops, self.keep((cache, [p.shape for p in unused]))

    def backward(self, dcrops, cache):
        c_align, unused = cache
        dpyramid = roi_align.pyramid_roi_align_backward(dcrops, c_align)
        return dpyramid + [array_module(dcrops).zeros(shape, dcrops.dtype) for shape in unused]
