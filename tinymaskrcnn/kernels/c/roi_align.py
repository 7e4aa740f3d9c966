"""RoIAlign in C: each bin reads its few pixels where they lie, and backward finds them again; no matrix is kept."""

import ctypes
import itertools

import numpy as np

from ...devices import on_line
from ...kernel_lookup import register_kernel
from .. import roi_align as in_numpy
from ..threads import even_pieces, run, spans
from .library import ON_THE_LANE, Crops, Level, address, gapless, lane

SAMPLES, SIDES = 4, 64  # at most; roi_align.h says the same
BUDGET = 1 << 20  # numbers of crops that are worth a job


class Samples:
    """In the place of the text's matrix: `A.T @ dcrops` is what backward asks of it."""

    def __init__(self, rois, image_index, level, scales, about, shapes):
        self.rois, self.about, self.shapes = gapless(rois), about, shapes
        self.image_index, self.level = (np.ascontiguousarray(index, np.int64) for index in (image_index, level))
        self.scales = np.array(scales, np.float32)

    @property
    def T(self):
        return Transposed(self)

    def cut(self, back, crops, numbers, pixels, images):
        """Crops of some RoIs, by their numbers, from pixels of each level that lie so far apart from image to image."""
        levels = (Level * len(pixels))()
        for level, here, apart, (_, height, width, _) in zip(levels, pixels, images, self.shapes):
            level.pixels, level.image, level.height, level.width = address(here), apart, height, width
        about = Crops(len(numbers), *self.about)
        arrays = map(address, (crops, numbers, self.rois, self.image_index, self.level))
        structures = ctypes.addressof(levels), address(self.scales), ctypes.addressof(about)
        lane().roi_align(back, *arrays, *structures)


class Transposed:
    def __init__(self, A):
        self.A = A

    def __matmul__(self, dcrops):
        """dcrops (K*S*S, C)  ->  dpixels (N*P, C); every image is a job, so that no pixel belongs to two."""
        A, (rows, columns, channels, *_) = self.A, self.A.about
        if dcrops.shape != (len(A.rois) * rows * columns, channels):
            raise ValueError(f"crops of {len(A.rois)} RoIs, {rows}x{columns}, {channels} channels: got {dcrops.shape}")
        ends = list(itertools.accumulate(height * width for _, height, width, _ in A.shapes))
        dpixels, dcrops = np.zeros((A.shapes[0][0], ends[-1], channels), np.float32), gapless(np.float32(dcrops))
        levels = [dpixels[:, start:] for start in (0, *ends[:-1])]
        of_image = [np.flatnonzero(A.image_index == n) for n in range(len(dpixels))]
        apart = [ends[-1] * channels] * len(levels)
        run(lambda few=few: A.cut(1, dcrops, few, levels, apart) for few in of_image if len(few))
        return dpixels.reshape(-1, channels)


def _takes_pyramid(pyramid, **data):
    return in_numpy._takes_pyramid(pyramid, **data) and _is_known(**data)


def _is_known(*, rois, output_size, samples=2, **data):
    return rois.dtype == np.float32 and 1 <= samples <= SAMPLES and max(in_numpy._pair(output_size)) <= SIDES


@register_kernel("pyramid_roi_align_forward", module=ON_THE_LANE, first=True, applies=_takes_pyramid)
def pyramid_roi_align_forward(pyramid, *, rois, image_index, level, output_size, scales, samples=2, aligned=True):
    """Fast twin of ops.roi_align.pyramid_roi_align_forward; the backward is the text's, with what is in the cache."""
    shapes, sides = [features.shape for features in pyramid], in_numpy._pair(output_size)
    A = Samples(rois, image_index, level, scales, (*sides, shapes[0][3], samples, bool(aligned)), shapes)
    crops = on_line((len(rois), *sides, shapes[0][3]))
    pixels, numbers = [gapless(features) for features in pyramid], np.arange(len(rois))
    apart = [features[0].size for features in pixels]
    few = (numbers[some] for some in spans(len(rois), even_pieces(crops.size, BUDGET)))
    run(lambda some=some: A.cut(0, crops, some, pixels, apart) for some in few)
    return crops, (A, shapes)


def _takes(features, rois, **settings):
    return in_numpy._takes(features, rois, **settings) and _is_known(rois=rois, **settings)


@register_kernel("roi_align_forward", module=ON_THE_LANE, first=True, applies=_takes)
def roi_align_forward(features, rois, *, scale, box_gradient=False, **settings):
    """Fast twin of ops.roi_align.roi_align_forward: a pyramid of one level."""
    level = np.zeros(len(rois), np.int64)
    crops, (A, shapes) = pyramid_roi_align_forward([features], rois=rois, level=level, scales=[scale], **settings)
    return crops, (A, shapes[0], None)
