"""What is known of a region, and how alike two of them are (Uijlings et al. 2013, section 3.2)."""

from dataclasses import dataclass

import numpy as np

from .smoothing import smooth

COLOR_BINS = 25
TEXTURE_BINS = 10
DIRECTIONS = 8
STEEPEST = 1 / np.sqrt(2 * np.pi)  # the derivative, smoothed with sigma 1, on an edge from 0 to 1: none is larger


@dataclass(frozen=True)
class Regions:
    """R regions of a picture: boxes (R, 4), sizes (R,) in pixels, color (R, F) and texture (R, G) histograms of sum 1.

    Whatever is known of two regions says all about the region that they become: no pixel is looked at again.
    """

    boxes: np.ndarray
    sizes: np.ndarray
    color: np.ndarray
    texture: np.ndarray

    def __len__(self):
        return len(self.sizes)

    def with_room(self, count):
        """The same in arrays of `count` rows, those behind the regions all zeros."""
        more = {name: np.zeros((count - len(self), *a.shape[1:]), a.dtype) for name, a in vars(self).items()}
        return Regions(**{name: np.concatenate([a, more[name]]) for name, a in vars(self).items()})

    def join(self, a, b, into):
        """Write what regions a and b become together into row `into`: histograms are means, weighted by size."""
        share = self.sizes[a] / (self.sizes[a] + self.sizes[b])
        self.boxes[into] = joined_boxes(self.boxes[a], self.boxes[b])
        self.sizes[into] = self.sizes[a] + self.sizes[b]
        for histogram in (self.color, self.texture):
            histogram[into] = share * histogram[a] + (1 - share) * histogram[b]


def describe(image, labels, *, places=None):
    """The regions of a picture: image (H, W, C) in 0..1, labels (H, W) int from 0  ->  Regions

    places: those of `histogram_places`, where several labellings share them.
    """
    sizes = np.bincount(labels.ravel())
    color, texture = (_histograms(*each, labels) for each in places or histogram_places(image))
    return Regions(_boxes(labels, len(sizes)), sizes.astype(np.float64), color, texture)


def histogram_places(image):
    """Where in the histogram of its region each value of a picture counts.

    image (H, W, C)  ->  colour and texture, each: places (H, W, F) int, and the length of the histogram
    """
    color = _places(image, high=1.0, bins=COLOR_BINS)
    return color, _places(_slopes(image), high=STEEPEST, bins=TEXTURE_BINS)


def _boxes(labels, count):
    """The smallest box around the pixels of each region: labels (H, W)  ->  (count, 4)"""
    y, x = np.indices(labels.shape)
    boxes = np.tile([np.inf, np.inf, 0, 0], (count, 1))
    for column, values in enumerate((x, y, x + 1, y + 1)):
        (np.minimum if column < 2 else np.maximum).at(boxes[:, column], labels, values)
    return boxes


def _slopes(image):
    """How fast each channel rises in 8 directions, 0 where it falls: (H, W, C)  ->  (H, W, C * 8)"""
    down, right = (smooth(image, sigma=1, order=order) for order in ((1, 0), (0, 1)))
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    rising = right[..., None] * np.cos(angles) + down[..., None] * np.sin(angles)
    return np.maximum(rising, 0).reshape(*image.shape[:2], -1)


def _places(values, *, high, bins):
    """values (H, W, F) in 0..high  ->  places (H, W, F) int, the bins of each feature behind one another; F * bins"""
    features = values.shape[2]
    bin = np.minimum((values * (bins / high)).astype(np.intp), bins - 1)
    return bin + bins * np.arange(features), features * bins


def _histograms(places, length, labels):
    """One histogram for each region over all features together.

    places (H, W, F) int, labels (H, W)  ->  (R, length), each row of sum 1
    """
    counts = np.bincount((places + length * labels[:, :, None]).ravel(), minlength=(labels.max() + 1) * length)
    counts = counts.reshape(-1, length)
    return counts / counts.sum(axis=1, keepdims=True)


# ---------------------------------------------------------------- how alike


def color_alike(regions, a, b, area):
    """What two histograms share, 0..1: a int, b (n,) int  ->  (n,)"""
    return np.minimum(regions.color[a], regions.color[b]).sum(axis=1)


def texture_alike(regions, a, b, area):
    return np.minimum(regions.texture[a], regions.texture[b]).sum(axis=1)


def both_small(regions, a, b, area):
    """1 for two specks, 0 for two halves of the picture: small regions go first, so that none eats up the others."""
    return 1 - (regions.sizes[a] + regions.sizes[b]) / area


def filling(regions, a, b, area):
    """1 for two that fill their common box: what lies in another's hole or bay belongs together."""
    x1, y1, x2, y2 = joined_boxes(regions.boxes[a], regions.boxes[b]).T
    return 1 - ((x2 - x1) * (y2 - y1) - regions.sizes[a] - regions.sizes[b]) / area


MEASURES = {"color": color_alike, "texture": texture_alike, "size": both_small, "fill": filling}


def alike(regions, a, b, *, area, measures):
    """The sum of some of MEASURES: regions, a (one) and b (n,) int  ->  (n,)"""
    return sum(MEASURES[name](regions, a, b, area) for name in measures)


def joined_boxes(a, b):
    """The smallest box around both: a (..., 4), b (..., 4)  ->  (..., 4)"""
    return np.concatenate([np.minimum(a[..., :2], b[..., :2]), np.maximum(a[..., 2:], b[..., 2:])], axis=-1)
