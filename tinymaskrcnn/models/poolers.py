"""Other ways to cut a crop out of a pyramid than RoIAlign, to see what it is worth; `RoIConfig.pooling` names one."""

from ..backend import array_module
from ..ops import pool, prroi_pool, pyramid_boxes, roi_pool, roi_warp
from .roi_heads import PyramidRoIAlign, assign_levels


class PyramidPool(PyramidRoIAlign):
    """PyramidRoIAlign with another operator, `cut` and its mirror `cut_backward`, and a gradient for boxes if asked.

    pyramid [(N, H, W, C)] * L from the lowest upwards, rois (K, 4), image_index (K,)  ->  crops (K, S, S, C)
    Which level a RoI is cut from is a decision and has no gradient.
    """

    def __init__(self, output_size, config, *, box_gradient=False, **levels):
        super().__init__(output_size, config, **levels)
        self.box_gradient = box_gradient

    def forward(self, pyramid, rois, *, image_index):
        config = self.config
        seen, unused = pyramid[: self.levels], pyramid[self.levels :]
        limits = dict(lowest=self.lowest, highest=self.lowest + len(seen) - 1)
        level = assign_levels(
            rois, canonical_size=config.canonical_size, canonical_level=config.canonical_level, **limits
        )
        place = dict(image_index=image_index, level=level - self.lowest, box_gradient=self.box_gradient)
        scales = [1.0 / 2 ** (self.lowest + i) for i in range(len(seen))]
        crops, cache = self.cut(seen, rois, output_size=self.output_size, scales=scales, **place)
        return crops, self.keep((cache, [p.shape for p in unused], self.box_gradient))

    def backward(self, dcrops, cache):
        """Mirror of forward: dpyramid [(N, H, W, C)] * L or, with box_gradient, dpyramid and drois (K, 4)."""
        c_cut, unused, box_gradient = cache
        dpyramid, drois = self.cut_backward(dcrops, c_cut)
        dpyramid += [array_module(dcrops).zeros(shape, dcrops.dtype) for shape in unused]  # no RoI was cut from these
        return (dpyramid, drois) if box_gradient else dpyramid


class PyramidRoIPool(PyramidPool):
    """The largest value of each bin of whole pixels (Fast R-CNN); the gradient for boxes is zero, edges are rounded.

    pyramid [(N, H, W, C)] * L from the lowest upwards, rois (K, 4), image_index (K,)  ->  crops (K, S, S, C)
    """

    def cut(self, pyramid, rois, **place):
        return roi_pool.pyramid_roi_pool_forward(pyramid, rois, **place)

    def cut_backward(self, dcrops, cache):
        return roi_pool.pyramid_roi_pool_backward(dcrops, cache)


class PyramidRoIWarp(PyramidPool):
    """A crop twice as fine, one point for each of its bins, and of every 2 x 2 the largest (MNC, section 3.2).

    pyramid [(N, H, W, C)] * L from the lowest upwards, rois (K, 4), image_index (K,)  ->  crops (K, S, S, C)
    """

    def cut(self, pyramid, rois, *, output_size, **place):
        place |= dict(output_size=2 * output_size, aligned=self.config.aligned)
        fine, c_warp = roi_warp.pyramid_roi_warp_forward(pyramid, rois, **place)
        crops, c_largest = pool.max_pool2d_forward(fine, kernel=2)
        return crops, (c_warp, c_largest)

    def cut_backward(self, dcrops, cache):
        c_warp, c_largest = cache
        return roi_warp.pyramid_roi_warp_backward(pool.max_pool2d_backward(dcrops, c_largest), c_warp)


class PyramidPrRoIPool(PyramidPool):
    """The mean over each bin, without sample points (IoU-Net).

    pyramid [(N, H, W, C)] * L from the lowest upwards, rois (K, 4), image_index (K,)  ->  crops (K, S, S, C)
    """

    def cut(self, pyramid, rois, **place):
        return prroi_pool.pyramid_prroi_pool_forward(pyramid, rois, aligned=self.config.aligned, **place)

    def cut_backward(self, dcrops, cache):
        return prroi_pool.pyramid_prroi_pool_backward(dcrops, cache)


class PyramidRoIAlignBoxes(PyramidPool):
    """PyramidRoIAlign for RoIs that learn, too: the same crops.

    pyramid [(N, H, W, C)] * L from the lowest upwards, rois (K, 4), image_index (K,)  ->  crops (K, S, S, C)
    """

    def cut(self, pyramid, rois, *, box_gradient, **place):
        settings = dict(samples=self.config.sampling_ratio, aligned=self.config.aligned)
        return pyramid_boxes.pyramid_roi_align_boxes_forward(pyramid, rois, **place, **settings)

    def cut_backward(self, dcrops, cache):
        return pyramid_boxes.pyramid_roi_align_boxes_backward(dcrops, cache)


POOLERS = {"align": PyramidRoIAlign, "pool": PyramidRoIPool, "warp": PyramidRoIWarp, "prroi": PyramidPrRoIPool}


def pooler(output_size, config, *, box_gradient=False, **levels):
    """What cuts crops of this size for a head, as RoIConfig.pooling names it, with a gradient for boxes if asked."""
    if not box_gradient:
        return POOLERS[config.pooling](output_size, config, **levels)
    kind = {**POOLERS, "align": PyramidRoIAlignBoxes}[config.pooling]
    return kind(output_size, config, box_gradient=True, **levels)
