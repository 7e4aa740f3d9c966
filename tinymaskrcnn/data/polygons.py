"""Polygons to masks by COCO's own rule, bit for bit, so that areas and scores equal those of COCO's tools.

The outline is drawn on a grid five times as fine as the pixels. Wherever it passes through the middle of a pixel
column, everything below that height changes sides, from outside to inside or back. A column read from its top to its
bottom is therefore a list of heights at which the mask switches, and that list is almost a run-length code.
"""

import numpy as np

from ..errors import ArgumentError, DataError
from . import rle

FINE = 5  # grid points per pixel
POINTS_AT_ONCE = 1 << 16  # outline points that are held at one time, unless a single polygon has more
MOST_POINTS = 1 << 20  # outline points of one polygon; the rim of a picture of 10,000 x 10,000 pixels has 200,000


def polygon_to_rle(points, *, size):
    """Rasterise one polygon.

    points (P, 2) or flat (2P,) as x, y in pixels, the upper left corner at 0, 0; size (H, W)  ->  RLE
    Parts outside the picture are cut off. DataError for fewer than three points, NaN, or an outline of absurd length.
    """
    return polygons_to_rles([points], size=size)[0]


def polygons_to_rles(polygons, *, size):
    """Rasterise each of many polygons: a hundred small ones take hardly longer than one.

    list of K polygons  ->  list of K RLE
    """
    polygons = [_checked(points) for points in polygons]
    together = np.cumsum([_length(points) for points in polygons]) // POINTS_AT_ONCE
    borders = np.searchsorted(together, np.unique(together)).tolist() + [len(polygons)]
    return [code for i, j in zip(borders, borders[1:]) for code in _rasterised(polygons[i:j], *size)]


def _rasterised(polygons, H, W):
    """list of K (P, 2)  ->  list of K RLE"""
    owner, position = _switches(*_outline(polygons), H, W)
    inside = position < H * W
    place, times = np.unique(owner[inside] * (H * W) + position[inside], return_counts=True)
    owner, position = np.divmod(place[times % 2 == 1], H * W)  # two switches at one place cancel
    borders = np.searchsorted(owner, np.arange(len(polygons) + 1)).tolist()
    pieces = (position[i:j] for i, j in zip(borders, borders[1:]))
    return [rle.RLE((H, W), np.diff(switches, prepend=0, append=H * W)) for switches in pieces]


def polygons_to_mask(polygons, *, size):
    """Rasterise one object, which may consist of several polygons: a pixel belongs to it when it is in any of them.

    list of polygons  ->  mask (H, W) bool
    """
    return rle.decode(segmentations_to_rles([list(polygons)], size=size)[0])


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
    return FINE * abs(points - _following(points)).max(axis=1).sum() + 3 * len(points)


def _following(points):
    """Of each corner the next one, of the last the first: np.roll, but quick where there are only a few."""
    return np.concatenate([points[1:], points[:1]])


def _outline(polygons):
    """Every point that the closed outlines visit on the fine grid, in order, and the number of its polygon.

    list of K (P, 2)  ->  owner (Q,), x (Q,), y (Q,) integer

    An edge takes one step per grid line of its longer direction and rounds the other one. It is walked in the direction
    in which the longer one grows, whichever way the polygon runs, so that two polygons which share an edge share its
    pixels out without gap or overlap.
    """
    corners = [(FINE * points + 0.5).astype(np.int64) for points in polygons]  # towards zero, as C does
    owner = np.repeat(np.arange(len(polygons)), [len(points) for points in polygons])
    start, end = np.concatenate(corners), np.concatenate([_following(points) for points in corners])
    span = abs(end - start)
    steps = span.max(axis=1)
    flat = span[:, 0] >= span[:, 1]  # x is the longer direction
    backwards = np.where(flat, start[:, 0] > end[:, 0], start[:, 1] > end[:, 1])
    low = np.where(backwards[:, None], end, start)
    high = np.where(backwards[:, None], start, end)
    across = np.where(flat, high[:, 1] - low[:, 1], high[:, 0] - low[:, 0])
    slope = across / np.maximum(steps, 1)

    edge = np.repeat(np.arange(len(start)), steps + 1)
    walked = np.arange(len(edge)) - np.repeat(np.cumsum(steps + 1) - steps - 1, steps + 1)
    t = np.where(backwards[edge], steps[edge] - walked, walked)
    long = t + np.where(flat, low[:, 0], low[:, 1])[edge]
    short = (np.where(flat, low[:, 1], low[:, 0])[edge] + slope[edge] * t + 0.5).astype(np.int64)
    return owner[edge], np.where(flat[edge], long, short), np.where(flat[edge], short, long)


def _switches(owner, x, y, height, width):
    """Positions, counted down the columns, at which the outlines cross the middle of a pixel column.

    owner (Q,), x (Q,), y (Q,) on the fine grid  ->  owner (S,), position (S,), up to H * W and unsorted
    """
    left, upper = np.minimum(x[1:], x[:-1]), np.minimum(y[1:], y[:-1])
    middle = (left + 0.5) / FINE - 0.5  # a whole number where the step crosses the middle of a column
    column = np.floor(middle)
    crosses = (x[1:] != x[:-1]) & (owner[1:] == owner[:-1])
    crosses &= (column == middle) & (column >= 0) & (column <= width - 1)
    row = np.ceil(np.clip((upper[crosses] + 0.5) / FINE - 0.5, 0, height))
    return owner[1:][crosses], column[crosses].astype(np.int64) * height + row.astype(np.int64)


# ---------------------------------------------------------------- the entry "segmentation" of an annotation


def is_absent(entry):
    """Whether a segmentation says that there is none, in any of the ways in which tools say so: null, [], [[]], {}, "".

    A list that holds one real polygon is not absent, and its empty ones are faults.
    """
    return not entry and entry != 0 or isinstance(entry, list) and all(p in ([], {}, None, "") for p in entry)


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
    points = array.astype(np.float64).reshape(-1, 2)
    reach = abs(points).max()  # at first a bound that is quickly found: no step is longer than twice this
    if reach > MOST_POINTS or (2 * reach * FINE + 3) * len(points) > MOST_POINTS and _length(points) > MOST_POINTS:
        raise DataError(f"polygon {k}: the outline must stay below {MOST_POINTS} points of 1/{FINE} pixel")
    return points


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


def segmentations_to_rles(parsed, *, size):
    """The masks of what `parse_segmentation` returned for each of M objects; None is an object without pixels.

    list of M (list of (P, 2), RLE or None)  ->  list of M RLE
    """
    H, W = size
    polygons = [entry if isinstance(entry, list) else [] for entry in parsed]
    drawn = iter(polygons_to_rles([points for entry in polygons for points in entry], size=size))
    codes = []
    for entry, own in zip(parsed, polygons):
        parts = [next(drawn) for _ in own] if not isinstance(entry, rle.RLE) else [entry]
        codes.append(rle.merge(parts) if len(parts) > 1 else parts[0] if parts else rle.RLE((H, W), np.array([H * W])))
    return codes


def _shorten(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
