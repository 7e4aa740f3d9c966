"""Polygons to masks by COCO's own rule, bit for bit, so that areas and scores equal those of COCO's tools.

The outline is drawn on a grid five times as fine as the pixels. Wherever it passes through the middle of a pixel
column, everything below that height changes sides, from outside to inside or back. A column read from its top to its
bottom is therefore a list of heights at which the mask switches, and that list is almost a run-length code.
"""

import numpy as np

from ..errors import ArgumentError, DataError
from ..evaluation import rle

FINE = 5  # grid points per pixel
MOST_POINTS = 1 << 20  # outline points of one polygon; the rim of a picture of 10,000 x 10,000 pixels has 200,000


def polygon_to_rle(points, *, size):
    """Rasterise one polygon.

    points (P, 2) or flat (2P,) as x, y in pixels, the upper left corner at 0, 0; size (H, W)  ->  RLE
    Parts outside the picture are cut off. DataError for fewer than three points, NaN, or an outline of absurd length.
    """
    H, W = size
    x, y = _outline(_checked(points))
    position = _switches(x, y, H, W)
    place, times = np.unique(position[position < H * W], return_counts=True)
    switches = place[times % 2 == 1]  # two switches at one place cancel
    return rle.RLE((H, W), np.diff(switches, prepend=0, append=H * W))


def polygons_to_mask(polygons, *, size):
    """Rasterise one object, which may consist of several polygons: a pixel belongs to it when it is in any of them.

    list of polygons  ->  mask (H, W) bool
    """
    H, W = size
    mask = np.zeros(W * H, bool)  # column after column
    for points in polygons:
        x, y = _outline(_checked(points))
        position = _switches(x, y, H, W)
        odd = np.bincount(position[position < H * W], minlength=H * W) % 2 == 1
        mask |= np.logical_xor.accumulate(odd)
    return mask.reshape(W, H).T


def _checked(points):
    """The corners (P, 2) float64."""
    points = np.asarray(points, np.float64)
    if points.size % 2 or points.ndim not in (1, 2) or points.ndim == 2 and points.shape[1] != 2:
        raise ArgumentError(f"polygon: points must be (P, 2) or flat (2P,); got shape {points.shape}")
    points = points.reshape(-1, 2)
    if len(points) < 3:
        raise DataError(f"polygon: needs at least 3 points; got {len(points)}")
    if not np.isfinite(points).all():
        raise DataError("polygon: every coordinate must be finite; got NaN or infinity")
    if abs(points).max() > MOST_POINTS or _length(points) > MOST_POINTS:
        raise DataError(f"polygon: the outline must stay below {MOST_POINTS} points of 1/{FINE} pixel; it is longer")
    return points


def _length(points):
    """Upper bound of the number of points on the fine grid."""
    return FINE * abs(points - np.roll(points, -1, axis=0)).max(axis=1).sum() + 3 * len(points)


def _outline(points):
    """Every point that the closed outline visits on the fine grid, in order.

    points (P, 2)  ->  x (Q,), y (Q,) integer

    An edge takes one step per grid line of its longer direction and rounds the other one. It is walked in the direction
    in which the longer one grows, whichever way the polygon runs, so that two polygons which share an edge share its
    pixels out without gap or overlap.
    """
    corner = (FINE * points + 0.5).astype(np.int64)  # towards zero, as C does
    start, end = corner, np.roll(corner, -1, axis=0)
    span = abs(end - start)
    steps = span.max(axis=1)
    flat = span[:, 0] >= span[:, 1]  # x is the longer direction
    backwards = np.where(flat, start[:, 0] > end[:, 0], start[:, 1] > end[:, 1])
    low = np.where(backwards[:, None], end, start)
    high = np.where(backwards[:, None], start, end)
    across = np.where(flat, high[:, 1] - low[:, 1], high[:, 0] - low[:, 0])
    slope = across / np.maximum(steps, 1)

    edge = np.repeat(np.arange(len(points)), steps + 1)
    walked = np.arange(len(edge)) - np.repeat(np.cumsum(steps + 1) - steps - 1, steps + 1)
    t = np.where(backwards[edge], steps[edge] - walked, walked)
    long = t + np.where(flat, low[:, 0], low[:, 1])[edge]
    short = (np.where(flat, low[:, 1], low[:, 0])[edge] + slope[edge] * t + 0.5).astype(np.int64)
    return np.where(flat[edge], long, short), np.where(flat[edge], short, long)


def _switches(x, y, height, width):
    """Positions, counted down the columns, at which the outline crosses the middle of a pixel column.

    x (Q,), y (Q,) on the fine grid  ->  position (S,), up to H * W and unsorted
    """
    left, upper = np.minimum(x[1:], x[:-1]), np.minimum(y[1:], y[:-1])
    middle = (left + 0.5) / FINE - 0.5  # a whole number where the step crosses the middle of a column
    column = np.floor(middle)
    crosses = (x[1:] != x[:-1]) & (column == middle) & (column >= 0) & (column <= width - 1)
    row = np.ceil(np.clip((upper[crosses] + 0.5) / FINE - 0.5, 0, height))
    return column[crosses].astype(np.int64) * height + row.astype(np.int64)


# ---------------------------------------------------------------- the entry "segmentation" of an annotation


def parse_segmentation(entry, *, size):
    """Check the segmentation of one object and make arrays of it; nothing of the picture's size is made.

    list of flat polygons, or {"size": [H, W], "counts": str or list}  ->  list of (P, 2) float64, or RLE
    DataError says what is wrong.
    """
    if isinstance(entry, list):
        return [_parse_polygon(points, k) for k, points in enumerate(entry)]
    if not isinstance(entry, dict):
        raise DataError(f"segmentation must be polygons or run lengths; got {type(entry).__name__}")
    return _parse_rle(entry, size)


def _parse_polygon(points, k):
    try:
        array = np.array(points)
    except ValueError:  # a list of lists of different lengths
        array = np.array(None)
    if not isinstance(points, list) or array.ndim != 1 or (array.size and array.dtype.kind not in "if"):
        raise DataError(f"polygon {k}: must be a flat list of numbers x, y, x, y, ...")
    if array.size % 2:
        raise DataError(f"polygon {k}: needs pairs x, y; got {array.size} numbers")
    if array.size < 6:
        raise DataError(f"polygon {k}: needs at least 3 points; got {array.size // 2}")
    if not np.isfinite(array).all():
        raise DataError(f"polygon {k}: every coordinate must be finite; got NaN or infinity")
    return array.astype(np.float64).reshape(-1, 2)


def _parse_rle(entry, size):
    counts, given = entry.get("counts"), entry.get("size")
    if not isinstance(given, list) or len(given) != 2 or not all(type(side) is int for side in given):
        raise DataError(f"run lengths: size must be [height, width]; got {_shorten(given)}")
    if tuple(given) != tuple(size):
        raise DataError(f"run lengths: size must be that of the picture, {list(size)}; got {given}")
    pixels = given[0] * given[1]
    if isinstance(counts, list):
        if not all(type(n) is int and 0 <= n <= pixels for n in counts):
            raise DataError(f"run lengths: every count must be a whole number in 0..{pixels}")
        code = rle.RLE(tuple(given), np.array(counts, np.int64))
    elif isinstance(counts, str):
        code = rle.from_string(counts, size=given)
    else:
        raise DataError(f"run lengths: counts must be a text or a list; got {type(counts).__name__}")
    total = int(code.counts.sum())
    if total != pixels:
        raise DataError(f"run lengths: must fill {given[0]} x {given[1]} = {pixels} pixels; they count {total}")
    return code


def segmentation_to_mask(parsed, *, size):
    """The mask of what `parse_segmentation` returned.

    list of (P, 2), or RLE  ->  mask (H, W) bool
    """
    return polygons_to_mask(parsed, size=size) if isinstance(parsed, list) else rle.decode(parsed)


def _shorten(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
