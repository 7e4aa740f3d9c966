"""RoIAlign in blocks: the matrix of some RoIs is made and used while it is in the cache, on any thread."""

import functools
import itertools
from dataclasses import dataclass

import numpy as np

from ..backend import sparse
from ..devices import Workspace
from ..kernel_lookup import register_kernel
from .threads import even_pieces, run, spans

BINS = 16384  # rows of a block's matrix: some 330 RoIs of 7 x 7
JOINED = 32 << 20  # bytes of a pyramid that is copied into one array; a larger one is read level by level

_workspace = Workspace()


@dataclass(frozen=True)
class Block:
    """The matrix of some RoIs: their numbers (a slice, or indices), its images, and which of an image's pixels."""

    rois: object
    images: slice
    pixels: slice
    matrix: object  # csr (bins of these RoIs, these pixels of these images)


class BlockMatrix:
    """The matrix of the text, kept in blocks. Like there, `A.T @ dcrops` is what backward asks of it."""

    def __init__(self, blocks, rois, images, pixels):
        self.blocks, self.rois, self.images, self.pixels = blocks, rois, images, pixels

    @property
    def T(self):
        return Transposed(self)


class Transposed:
    def __init__(self, A):
        self.A = A

    def __matmul__(self, dcrops):
        """dcrops (K*S*S, C)  ->  dpixels (N*P, C); what several blocks give to a pixel is added in their order."""
        A, channels = self.A, dcrops.shape[1]
        dcrops = dcrops.reshape(A.rois, -1, channels)

        def job(block):
            return block.matrix.T @ dcrops[block.rois].reshape(-1, channels)

        parts = run(lambda block=block: job(block) for block in A.blocks)
        if len(parts) == 1 and len(parts[0]) == A.images * A.pixels:
            return parts[0]
        dpixels = np.zeros((A.images, A.pixels, channels), dcrops.dtype)
        for block, part in zip(A.blocks, parts):
            there = dpixels[block.images, block.pixels]
            there += part.reshape(there.shape)
        return dpixels.reshape(-1, channels)


# ---------------------------------------------------------------- the operators


def _takes_pyramid(pyramid, *, rois, image_index, level, output_size, scales, samples=2, aligned=True):
    """Whether there is something to do, and nothing for the text to complain about."""
    shapes = [(len(features), *features.shape[3:]) for features in pyramid]
    return (
        len(rois) > 0
        and samples >= 0
        and len(shapes) == len(scales) > 0
        and len(set(shapes)) == 1
        and all(features.dtype == rois.dtype for features in pyramid)
        and all(isinstance(side, int) and side > 0 for side in _pair(output_size))
        and 0 <= image_index.min()
        and image_index.max() < len(pyramid[0])
        and 0 <= level.min()
        and level.max() < len(pyramid)
    )


@register_kernel("pyramid_roi_align_forward", applies=_takes_pyramid)
def pyramid_roi_align_forward(pyramid, *, rois, image_index, level, output_size, scales, samples=2, aligned=True):
    """Fast twin of ops.roi_align.pyramid_roi_align_forward; the backward is the text's, with this matrix."""
    shapes = [features.shape for features in pyramid]
    n, _, _, channels = shapes[0]
    starts = list(itertools.accumulate((height * width for _, height, width, _ in shapes), initial=0))
    sides = _pair(output_size)
    maps = np.array([(*shape[1:3], scale) for shape, scale in zip(shapes, scales)], rois.dtype)  # (L, 3)
    crops = np.empty((len(rois), *sides, channels), rois.dtype)

    def job(few, features, first_pixel):
        """Cut some RoIs: features (N, P, C) are these P pixels of every image, from first_pixel on."""
        pixels, image, where = features.shape[1], image_index[few], level[few]
        first, last = int(image.min()), int(image.max()) + 1
        begin = (image - first) * pixels + (np.array(starts)[where] - first_pixel)
        A = _matrix(rois[few], begin, maps[where].T[:, :, None], sides, (last - first) * pixels, samples, aligned)
        crops[few] = (A @ features[first:last].reshape(-1, channels)).reshape(-1, *crops.shape[1:])
        return Block(few, slice(first, last), slice(first_pixel, first_pixel + pixels), A)

    jobs = []
    for mine, features, first_pixel in _groups(pyramid, level, starts):
        for piece in spans(len(mine), even_pieces(len(mine) * sides[0] * sides[1], BINS)):
            few = piece if len(mine) == len(rois) else mine[piece]
            jobs.append(functools.partial(job, few, features, first_pixel))
    return crops, (BlockMatrix(run(jobs), len(rois), n, starts[-1]), shapes)


def _takes(features, rois, *, image_index, scale, box_gradient=False, **settings):
    level = np.zeros(len(rois), np.int8)
    return not box_gradient and _takes_pyramid(
        [features], rois=rois, image_index=image_index, level=level, scales=[scale], **settings
    )


@register_kernel("roi_align_forward", applies=_takes)
def roi_align_forward(features, rois, *, scale, box_gradient=False, **settings):
    """Fast twin of ops.roi_align.roi_align_forward: a pyramid of one level."""
    level = np.zeros(len(rois), np.int8)
    crops, (A, shapes) = pyramid_roi_align_forward([features], rois=rois, level=level, scales=[scale], **settings)
    return crops, (A, shapes[0], None)


def _pair(output_size):
    return tuple(output_size) if hasattr(output_size, "__len__") else (output_size, output_size)


def _groups(pyramid, level, starts):
    """Which RoIs are cut from which pixels: all from the joined levels or, where these are large, level by level.

    (RoI numbers, features (N, P, C), first of these pixels among all of an image)
    """
    levels = [features.reshape(len(features), -1, features.shape[3]) for features in pyramid]
    if sum(features.nbytes for features in pyramid) <= JOINED:
        shape = len(levels[0]), starts[-1], levels[0].shape[2]
        joined = _workspace.take("joined", shape, levels[0].dtype)
        return [(np.arange(len(level)), np.concatenate(levels, axis=1, out=joined), 0)]
    groups = [(np.flatnonzero(level == i), features, starts[i]) for i, features in enumerate(levels)]
    return [group for group in groups if len(group[0])]


# ---------------------------------------------------------------- the matrix of a block


def _matrix(rois, begin, maps, sides, num_pixels, samples, aligned):
    """interpolation_matrix without zeros.

    begin (K,) is the first pixel of each RoI's map, maps its height, width and scale, each (K, 1)
    """
    height, width, scale = maps
    settings = dict(scale=scale, samples=samples, aligned=aligned)
    row, row_weights = _taps(rois[:, 1:2], rois[:, 3:4], sides[0], height, **settings)  # (K, S, T)
    column, column_weights = _taps(rois[:, 0:1], rois[:, 2:3], sides[1], width, **settings)
    row = begin.astype(np.int32)[:, None, None] + row * width.astype(np.int32)[:, :, None]
    along, across = row.shape[2], column.shape[2]
    outer = len(rois), *sides, along * across
    pixel, weight = _workspace.take("pixel", outer, np.int32), _workspace.take("weight", outer, rois.dtype)
    # Each factor is first laid out over all pairs of taps: the products then run over longer stretches of memory.
    np.add(_each(row, across), _all(column, along), out=pixel)
    np.multiply(_each(row_weights, across), _all(column_weights, along), out=weight)
    ends = np.arange(0, weight.size + 1, along * across, dtype=np.int32)
    A = sparse(np).csr_matrix((weight.reshape(-1), pixel.reshape(-1), ends), shape=(len(ends) - 1, num_pixels))
    A.eliminate_zeros()
    A.data, A.indices = A.data.copy(), A.indices.copy()  # out of the workspace
    return A


def _each(taps, times):
    return np.repeat(taps, times, axis=2)[:, :, None, :]  # aabbcc


def _all(taps, times):
    return np.concatenate([taps] * times, axis=2)[:, None, :, :]  # abcabc


def _taps(start, end, bins, length, *, scale, samples, aligned):
    """The taps of ops.roi_align along one axis: pixel, weight (K, S, T) with one tap for samples that meet."""
    position, use = _sample_points(start * scale, end * scale, bins, samples, aligned)  # (n, K, S)
    use = use * ((position >= -1) & (position <= length))
    position = np.fmin(np.fmax(position, 0), length - 1)
    low = np.floor(position)
    share = position - low
    low_weight, high_weight = use * (1 - share), use * share

    first = np.minimum(low[0], low[-1])  # samples run in one direction, up or down
    reach = int(np.abs(low[-1] - low[0]).max()) + 2
    if reach >= 2 * len(low):  # some are far apart
        _hand_on(low, low_weight, high_weight)
        pixel, weight = np.concatenate([low, low + 1]), np.concatenate([low_weight, high_weight])
    else:
        pixel = first + np.arange(reach, dtype=low.dtype)[:, None, None]
        weight = np.stack([_meeting(tap, low, low_weight, high_weight) for tap in pixel])
    pixel = np.minimum(pixel, length - 1).astype(np.int32)  # beyond the border stand zeros only
    return pixel.transpose(1, 2, 0), weight.transpose(1, 2, 0)


def _sample_points(start, end, bins, samples, aligned):
    """start, end (K, 1) on the map  ->  position (n, K, S), and the weight of each, which fits it."""
    dtype = start.dtype.type
    size = end - start if aligned else np.maximum(end - start, 1)
    bin_start = np.arange(bins, dtype=dtype)
    count = np.full((1, 1), samples, dtype) if samples else np.ceil(size / bins)
    point = np.arange(max(int(count.max()), 1), dtype=dtype)[:, None, None]
    use = (point < count) / np.maximum(count, 1)
    along = (bin_start + (point + dtype(0.5)) / np.maximum(count, 1)) / bins
    return (start - dtype(0.5 if aligned else 0)) + along * size, use


def _hand_on(low, low_weight, high_weight):
    """From the last sample to the first, in place: a pixel that the sample before reads too is left to that one."""
    for sample in range(len(low) - 1, 0, -1):
        step = low[sample] - low[sample - 1]
        same, next_one = step == 0, step == 1
        low_weight[sample - 1] += low_weight[sample] * same
        high_weight[sample - 1] += high_weight[sample] * same + low_weight[sample] * next_one
        low_weight[sample] *= ~(same | next_one)
        high_weight[sample] *= ~same


def _meeting(tap, low, low_weight, high_weight):
    """What all samples together take from the pixel `tap`: (K, S)."""
    parts = [weight * (sample == tap) for sample, weight in zip(low, low_weight)]
    parts += [weight * (sample == tap - 1) for sample, weight in zip(low, high_weight)]
    return sum(parts[1:], parts[0])
