"""Digits written with a pen: what was a small grey picture becomes strokes of any size, pen and slant.

A source digit is not blown up. Its outline is followed to a fraction of a cell; from it comes the distance of every
point to the outline (the digit as it was written, only sharper) or to the middle line of its strokes (the same digit
written anew, with a pen of one's choice). Distances stay distances when they are enlarged, so edges stay sharp.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

from .digits import HALF_INK, DigitBank, bilinear

GRID = 56  # about so many nodes of the fine grid across a digit, whatever its source has
REWRITTEN = 0.6  # share of the digits that get a pen of their own; the others keep their strokes
SLANT = 0.25  # largest shear
STRETCH = 1.25  # most that a digit is made wider or narrower
AROUND = ((0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0))  # neighbours, clockwise from the one above
PRESSURE = 0.25  # share by which a stroke grows thinner or thicker on its way


@dataclass(frozen=True)
class Pen:
    """A DigitBank whose digits are drawn with pens: what a scene asks of a bank; of each digit's pen rng decides.

    bank, widths (thinnest, thickest) as shares of a digit's height. Every digit draws equally many numbers.
    """

    bank: DigitBank
    widths: tuple
    rng: np.random.Generator

    @property
    def labels(self):
        return self.bank.labels

    def members(self, split):
        """The source digits of one split, as indices."""
        return self.bank.members(split)

    def render(self, i, height, angle=0.0):
        """Draw digit i `height` pixels high, slanted and stretched, then turned by `angle` degrees counter-clockwise.

        i, height, angle  ->  ink (h, w) float32 in 0..1, k / 255; ink > 0.5 is the mask
        """
        rewritten, width, slant, stretch, soft = self.rng.random(5).tolist()
        pressure = self.rng.random(2)
        field, points = (strokes if rewritten < REWRITTEN else outline)(self.bank.images[i] / self.bank.full)
        thin, thick = self.widths
        width = (thin + (thick - thin) * width * width) * height  # thin pens are common
        width = max(width, 1.4) if rewritten < REWRITTEN else (width - 0.5 * (thin + thick) * height) / 3
        extent = points.max(axis=0) - points.min(axis=0)
        scale = max(height - width, 0.5 * height) / max(extent[0], 1.0)
        turn = _turn(math.radians(angle), SLANT * (2 * slant - 1), STRETCH ** (2 * stretch - 1))
        return _drawn(field, points, scale * turn, width / 2, soft=1 + soft * soft, pressure=pressure)


def _turn(angle, slant, stretch):
    """How y, x of a digit become those of a slanted, stretched and turned one: (2, 2), for columns."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s], [s, c]]) @ np.array([[1.0, 0.0], [-slant, stretch]])


def _drawn(field, points, turn, radius, *, soft, pressure):
    """Ink where the distance is below the pen's radius, with edges `soft` pixels wide.

    field (G, G) and points (P, 2) in the fine grid, turn (2, 2) from there to pixels, radius in pixels
    pressure (2,) in 0..1: how it grows downwards and to the right
    """
    from scipy import ndimage

    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    placed = (points - middle) @ turn.T
    low, high = placed.min(axis=0), placed.max(axis=0)
    size = np.ceil(high - low + 2 * max(radius, 0) * (1 + PRESSURE) + 2 * soft).astype(int) + 1
    ys, xs = (np.arange(n) - (n - 1) / 2 for n in size.tolist())
    (a, b), (c, d) = turn
    shrink = 1 / (a * d - b * c)
    y, x = ys[:, None] + (low[0] + high[0]) / 2, xs + (low[1] + high[1]) / 2
    places = np.array([middle[0] + shrink * (d * y - b * x), middle[1] + shrink * (a * x - c * y)])
    distance = ndimage.map_coordinates(field, places, order=1, mode="nearest") / math.sqrt(abs(shrink))
    along, across = (2 * pressure - 1) / size  # from one side to the other
    radius = radius * (1 + PRESSURE * (along * ys[:, None] + across * xs))
    ink = np.rint(255 * np.clip((radius - distance) / soft + 0.5, 0, 1))
    return _cropped(ink).astype(np.float32) / np.float32(255)


def _cropped(ink):
    """The window that holds all ink; one pixel, where there is none."""
    if not ink.any():
        return ink[:1, :1]
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


# ---------------------------------------------------------------- distances


def strokes(grey):
    """How far every point is from the middle line of a digit's strokes.

    grey (S, S) in 0..1  ->  field (G, G), points (P, 2) of the line as y, x
    """
    return _strokes(*_key(grey))


def outline(grey):
    """How far every point is from a digit's outline, negative inside.

    grey (S, S) in 0..1  ->  field (G, G), points (P, 2) inside as y, x
    """
    return _outline(*_key(grey))


def _key(grey):
    return np.asarray(grey, np.float32).tobytes(), grey.shape


@functools.lru_cache(maxsize=2048)  # 30 MB at most; the embedded digits come again and again
def _strokes(grey, shape):
    from scipy import ndimage

    line = thinned(_inside(grey, shape))
    squared = ndimage.gaussian_filter(ndimage.distance_transform_edt(~line) ** 2, 1.0)  # to round off the line's steps,
    field = np.sqrt(np.maximum(squared - 1, 0))  # which adds 1 beside a straight line
    return field.astype(np.float32), np.argwhere(line).astype(np.float32)


@functools.lru_cache(maxsize=2048)
def _outline(grey, shape):
    from scipy import ndimage

    inside = _inside(grey, shape)
    field = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
    return ndimage.gaussian_filter(field, 0.7).astype(np.float32), np.argwhere(inside).astype(np.float32)


def _inside(grey, shape):
    """Which nodes of a fine grid lie inside a digit's outline: (G, G) bool, with two empty cells around the digit."""
    cells = np.zeros((shape[0] + 4, shape[1] + 4))
    cells[2:-2, 2:-2] = np.frombuffer(grey, np.float32).reshape(shape)
    finer = max(2, round(GRID / max(shape)))
    ys, xs = (np.arange(finer * n) / finer for n in cells.shape)
    inside = bilinear(cells, ys[:, None], xs[None, :]) > HALF_INK
    inside[(cells.shape[0] // 2) * finer, (cells.shape[1] // 2) * finer] |= not inside.any()  # a digit without ink
    return inside


def thinned(mask):
    """The middle line of a shape, one pixel wide and in as many pieces (Zhang and Suen 1984): mask (H, W)  ->  (H, W)

    A pixel at the rim goes if it is no end of a line and if the line does not break without it, first on the lower
    right side, then on the upper left, until nothing changes.
    """
    mask = np.pad(mask, 1).astype(np.uint8)
    inside = mask[1:-1, 1:-1]
    h, w = inside.shape
    left, changed = int(inside.sum()), True
    while changed:
        for stays in _stays():
            code = sum(mask[y : y + h, x : x + w] << k for k, (y, x) in enumerate(AROUND))
            inside &= stays[code]
        left, before = int(inside.sum()), left
        changed = left < before
    return inside.astype(bool)


@functools.cache
def _stays():
    """Whether a pixel stays, by its neighbours as the bits of a number, in each of the two turns: two (256,) uint8."""
    bits = np.arange(256)[:, None] >> np.arange(8) & 1
    n, _, e, _, s, _, w, _ = bits.T.astype(bool)
    count = bits.sum(axis=1)
    starts = (np.roll(bits, -1, axis=1) > bits).sum(axis=1)  # 0 followed by 1 on the way around
    common = (count >= 2) & (count <= 6) & (starts == 1)
    rims = ~(n & e & s) & ~(e & s & w), ~(n & e & w) & ~(n & s & w)
    return [(~(common & rim)).astype(np.uint8) for rim in rims]
