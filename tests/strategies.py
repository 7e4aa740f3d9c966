"""Inputs drawn away from the points where an operator has no derivative.

A Draw is a recipe: draw(rng) returns a float64 or integer host array. The registry writes a bare shape where standard
normal numbers will do.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

MARGIN = 0.05  # how far from a kink; the gradient check moves by 1e-5


@dataclass(frozen=True)
class Draw:
    make: Any

    def __call__(self, rng):
        return self.make(rng)


def normal(*shape):
    return Draw(lambda rng: rng.standard_normal(shape))


def uniform(low, high, *shape):
    return Draw(lambda rng: rng.uniform(low, high, shape))


def distinct(*shape):
    """Numbers around 0, no two closer than MARGIN: maxima without ties."""
    size = int(np.prod(shape))
    return Draw(lambda rng: ((rng.permutation(size) - size / 2 + 0.5) * (2 * MARGIN)).reshape(shape))


def away_from(*knots, shape, reach=2.0):
    """Numbers in -reach .. reach, none within MARGIN of a knot: ReLU at 0, the knees of smooth L1."""
    return Draw(lambda rng: _redraw(rng, shape, reach, np.array(knots)))


def _redraw(rng, shape, reach, knots):
    x = rng.uniform(-reach, reach, shape)
    while (close := np.abs(x[..., None] - knots).min(axis=-1) < MARGIN).any():
        x[close] = rng.uniform(-reach, reach, int(close.sum()))
    return x


def labels(count, classes):
    """Integers in 0 .. classes-1, the first ones all different, so that small cases see every class."""
    return Draw(lambda rng: np.concatenate([np.arange(classes), rng.integers(0, classes, count)])[:count])


def image_index(count, images):
    """Which image each row belongs to, sorted."""
    return Draw(lambda rng: np.sort(rng.integers(0, images, count)))


def bits(*shape):
    """Zeros and ones in floating point, as weights and mask targets are; at least one 1."""

    def make(rng):
        x = rng.integers(0, 2, shape).astype(np.float64)
        x.reshape(-1)[:1] = 1
        return x

    return Draw(make)


def signs(*shape):
    """Classes of a support vector machine: -1 and 1."""
    return Draw(lambda rng: 2.0 * rng.integers(0, 2, shape) - 1)


def rois(count, *, side, bins, samples, scale=1.0, aligned=True, within=0.5, shape=(-1, 4)):
    """Boxes (count, 4) whose RoIAlign sample points stay MARGIN away from the grid lines of a side x side map.

    At a grid line a sample changes the pixels it reads: the crop is continuous there, its derivative by the box is not.
    within: where in its part of a bin a point lies; that of RoIWarp at the start, 0.
    """
    like = side, bins, samples, scale, aligned, within
    return Draw(lambda rng: np.stack([_roi(rng, *like) for _ in range(count)]).reshape(shape))


def _roi(rng, side, bins, samples, scale, aligned, within):
    while True:
        x1, y1 = rng.uniform(0, side / scale * 0.6, 2)
        w, h = rng.uniform(side / scale * 0.2, side / scale * 0.5, 2)
        box = np.array([x1, y1, x1 + w, y1 + h])
        spans = [(box[0], box[2]), (box[1], box[3])]
        if all(_clear(start * scale, end * scale, bins, samples, aligned, within) for start, end in spans):
            return box


def _clear(start, end, bins, samples, aligned, within):
    if not aligned and end - start < 1 + MARGIN:
        return False  # without half a pixel's offset a RoI is at least one pixel long: a kink at 1
    size = (end - start) / bins
    if samples == 0 and abs(size - round(size)) < MARGIN:
        return False  # the number of samples would change
    count = samples or int(np.ceil(size))
    points = start + (np.arange(bins * count) + within) * (size / count) - (0.5 if aligned else 0.0)
    return np.abs(points - np.round(points)).min() > MARGIN / 4


def pyramid(images, sides, channels):
    """A list of feature maps (images, side, side, channels), one per side."""
    return [normal(images, side, side, channels) for side in sides]
