"""Pools whose RoIs learn, too: the same crops, and a gradient for every box."""

from ..backend import array_module
from ..ops import pyramid_boxes
from .roi_heads import PyramidRoIAlign, assign_levels


class PyramidRoIAlignBoxes(PyramidRoIAlign):
    """PyramidRoIAlign with a gradient for the RoIs; which level each is cut from is a decision and has none.

    pyramid [(N, H, W, C)] * L from the lowest upwards, rois (K, 4), image_index (K,)  ->  crops (K, S, S, C)
    """

    def forward(self, pyramid, rois, *, image_index):
        config = self.config
        cut, unused = pyramid[: self.levels], pyramid[self.levels :]
        limits = dict(lowest=self.lowest, highest=self.lowest + len(cut) - 1)
        level = assign_levels(
            rois, canonical_size=config.canonical_size, canonical_level=config.canonical_level, **limits
        )
        crops, cache = pyramid_boxes.pyramid_roi_align_boxes_forward(
            cut,
            rois,
            image_index=image_index,
            level=level - self.lowest,
            output_size=self.output_size,
            scales=[1.0 / 2 ** (self.lowest + i) for i in range(len(cut))],
            samples=config.sampling_ratio,
            aligned=config.aligned,
        )
        return crops, self.keep((cache, [p.shape for p in unused]))

    def backward(self, dcrops, cache):
        """Mirror of forward: dpyramid [(N, H, W, C)] * L, drois (K, 4)."""
        c_align, unused = cache
        dpyramid, drois = pyramid_boxes.pyramid_roi_align_boxes_backward(dcrops, c_align)
        nothing = [array_module(dcrops).zeros(shape, dcrops.dtype) for shape in unused]  # no RoI was cut from these
        return dpyramid + nothing, drois
