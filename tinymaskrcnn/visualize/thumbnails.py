"""An array as a picture of a few dozen pixels: small enough that a thousand of them fit on one page.

Two maps of fifteen colours serve all of them: from ink to paper for what is never negative, and for signed numbers a
night in which zero is dark, what is above shines blue and what is below shines orange. They read alike on light and on
dark pages.
"""

import io
import math
from base64 import b64encode
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

SIDE = 40  # pixels of the longer side of a map, and of a strip's height
WIDTH = 168  # pixels of the widest strip
MAPS = 4  # side by side
LEVELS, GAP = 15, 15  # colours of a map; the palette's last place lets the page through
ABOVE = ("#11131a", "#1e2a4a", "#2a5674", "#3d8a8a", "#86bd97", "#d3e0ae", "#fbf7d8")
SIGNED = ("#ffe3b3", "#f7a04b", "#c04f1f", "#5b2416", "#121319", "#173a63", "#2c75b5", "#6dbbe8", "#dcf3ff")
BOXES = ("#11131a", "#3a3f4d", "#6b7285", "#f7a04b")  # paper, ink of the picture, and lines
MOST_BOXES = 40
BOXES_SIDE = 56
PORTRAIT = 320  # pixels of the picture at the head of a page


@dataclass(frozen=True)
class Thumbnail:
    """A PNG, the size at which it is shown, and words about what it shows."""

    png: bytes
    width: int
    height: int
    alt: str

    @property
    def uri(self):
        return "data:image/png;base64," + b64encode(self.png).decode()


class Thumbnails:
    """Makes a Thumbnail of any array; boxes are drawn on the picture that they belong to.

    picture (H, W, C) in 0..1, or None
    """

    def __init__(self, picture=None):
        self.picture = None if picture is None else np.asarray(picture, np.float64).mean(axis=-1)

    def __call__(self, array, name="", *, side=SIDE, maps=MAPS):
        """array of any shape and kind, or a sparse matrix  ->  Thumbnail, None when there is nothing to see

        side: pixels of a map; maps: how many channels, crops or kernels stand side by side
        """
        if 0 in array.shape:
            return None
        if hasattr(array, "tocoo"):
            return _framed([_binned(array, side)], f"{_called(name, array)}: where its {array.nnz} entries are", side)
        values = np.asarray(array)
        if values.dtype.kind not in "biuf" or not np.isfinite(values).any():
            return None
        values = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
        if self.picture is not None and are_boxes(values, self.picture.shape):
            return self._boxes(values.reshape(-1, 4), f"{_called(name, array)}: boxes on the picture", side)
        planes, what = _planes(values, maps)
        low, high = _number(values.min()), _number(values.max())
        alt = f"{_called(name, array)}: {what}, values from {low} to {high}"
        return _framed([_shrunk(plane, side) for plane in planes], alt, side)

    def portrait(self, boxes, alt):
        """The picture itself, large, with the frames of some boxes: (M, 4)  ->  Thumbnail"""
        levels = np.rint(self.picture * (LEVELS - 1)).astype(np.uint8)
        for x1, y1, x2, y2 in np.rint(boxes).astype(int):
            x1, x2 = np.clip((x1 - 1, x2), 0, levels.shape[1] - 1)
            y1, y2 = np.clip((y1 - 1, y2), 0, levels.shape[0] - 1)
            levels[[y1, y2], x1 : x2 + 1] = GAP
            levels[y1 : y2 + 1, [x1, x2]] = GAP
        frame = [int(BOXES[3][i : i + 2], 16) for i in (1, 3, 5)]
        png = _png(levels, [*_palette(ABOVE, LEVELS)[: 3 * LEVELS], *frame], bits=4, clear=False)
        scale = max(1, PORTRAIT // max(levels.shape))
        return Thumbnail(png, levels.shape[1] * scale, levels.shape[0] * scale, alt)

    def _boxes(self, boxes, alt, side):
        height, width = self.picture.shape
        side = round(side * BOXES_SIDE / SIDE)
        scale = side / max(height, width)
        canvas = np.zeros((math.ceil(height * scale), math.ceil(width * scale)), np.uint8)
        ink = _shrunk(self.picture, side)
        ink = ink[: canvas.shape[0], : canvas.shape[1]]
        canvas[: ink.shape[0], : ink.shape[1]] = np.digitize(ink, (0.35, 0.65))
        for x1, y1, x2, y2 in np.rint(boxes[:MOST_BOXES] * scale).astype(int):
            x1, x2 = np.clip((x1, x2 - 1), 0, canvas.shape[1] - 1)
            y1, y2 = np.clip((y1, y2 - 1), 0, canvas.shape[0] - 1)
            canvas[[y1, y2], x1 : x2 + 1] = 3
            canvas[y1 : y2 + 1, [x1, x2]] = 3
        return Thumbnail(_png(canvas, _palette(BOXES, len(BOXES)), bits=2), canvas.shape[1], canvas.shape[0], alt)


def are_boxes(values, size):
    """Whether the rows of an array look like boxes in a picture of size (height, width), in pixels."""
    if values.ndim < 2 or values.shape[-1] != 4 or values.dtype.kind != "f":
        return False
    rows = values.reshape(-1, 4)
    rows = rows[(rows != 0).any(axis=1)]
    if not len(rows) or rows.max() < 8 or rows.max() > 3 * max(size):
        return False
    return float(((rows[:, 2] > rows[:, 0]) & (rows[:, 3] > rows[:, 1])).mean()) > 0.95


def _called(name, array):
    shape = ", ".join(map(str, array.shape)) + ("," if len(array.shape) == 1 else "")
    return f"{name} ({shape})".strip()


def _number(value):
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def _planes(values, maps):
    """The planes (h, w) of an array that are shown, all in one scale, and words for them."""
    squeezed = values.reshape([n for n in values.shape if n > 1])
    if squeezed.ndim <= 1:
        return [squeezed.reshape(1, -1)], "all of it in a row" if squeezed.size > 1 else "one number"
    if squeezed.ndim == 2 and min(squeezed.shape) <= 4 < max(squeezed.shape):
        return [squeezed if len(squeezed) <= 4 else squeezed.T], f"{min(squeezed.shape)} rows of numbers"
    if squeezed.ndim == 2 and len(squeezed) >= 4 * squeezed.shape[1]:
        return [squeezed.T], "turned on its side"
    if squeezed.ndim == 2:
        return [squeezed], "rows and columns" if values.ndim == 2 else "one map"
    if values.ndim == 4 and values.shape[0] == values.shape[1] <= 7 and min(values.shape[2:]) >= 8:
        return _kernels(values, maps)
    if values.ndim == 4 and min(values.shape[2:]) <= max(values.shape[:2]):
        return _channels(values, maps)
    if values.ndim == 6:
        return _taps(values, maps)
    if values.shape[-1] <= 4:  # rows of a few numbers, as the deltas of boxes
        return [values.reshape(-1, values.shape[-1]).T], f"{values.shape[-1]} rows of numbers"
    planes = values.reshape(-1, *values.shape[-2:])
    return list(planes[:maps]), f"the first {min(maps, len(planes))} of {len(planes)} maps"


def _channels(values, maps):
    """The channels of one picture, or one channel of several crops: those in which most happens."""
    count, channels = len(values), values.shape[3]
    spread = values.std(axis=(0, 1, 2))
    best = np.argsort(-spread, kind="stable")
    if count == 1:
        chosen = sorted(best[:maps].tolist())
        return [values[0, :, :, c] for c in chosen], f"channel{'s'[: len(chosen) > 1]} {_listed(chosen)} of {channels}"
    shown = min(maps, count)
    what = f"channel {best[0]} of {channels}, {shown} of {count} crops"
    return [values[n, :, :, best[0]] for n in range(shown)], what


def _kernels(values, maps):
    """Kernels of a convolution (KH, KW, C, O) in tiles, or a matrix where they are 1 x 1."""
    KH, KW, C, O = values.shape
    if KH == KW == 1:
        return [values[0, 0]], "rows and columns"
    across, down = min(2 * maps + 2, O), min(3, C)
    tiles = np.full((down * (KH + 1) - 1, across * (KW + 1) - 1), np.nan)
    for c in range(down):
        for o in range(across):
            tiles[c * (KH + 1) : c * (KH + 1) + KH, o * (KW + 1) : o * (KW + 1) + KW] = values[:, :, c, o]
    return [tiles], f"{across * down} of {C * O} kernels"


def _taps(values, maps):
    """Columns (N, HO, WO, KH, KW, C): what each tap of the window sees everywhere, as a window of maps."""
    _, HO, WO, KH, KW, _ = values.shape
    channel = int(values[0].std(axis=(0, 1, 2, 3)).argmax())
    small = [[_shrunk(values[0, :, :, i, j, channel], 18) for j in range(KW)] for i in range(KH)]
    h, w = small[0][0].shape
    tiles = np.full((KH * (h + 1) - 1, KW * (w + 1) - 1), np.nan)
    for i in range(KH):
        for j in range(KW):
            tiles[i * (h + 1) : i * (h + 1) + h, j * (w + 1) : j * (w + 1) + w] = small[i][j]
    return [tiles], f"channel {channel}, what each of {KH} x {KW} taps sees"


def _listed(numbers):
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last


def _shrunk(plane, side):
    """At most side rows and WIDTH columns: each block's number farthest from 0, or its mean where none is negative."""
    h, w = plane.shape
    rows = min(h, side)
    columns = min(w, WIDTH if h < w else side if h < 3 * w else max(6, round(side * w / h)))
    if h > 4 * w:
        columns = min(w, max(6, columns))
    if (rows, columns) == (h, w):
        return plane
    if np.isnan(plane).any():
        return plane[:rows, :columns]
    row, column = (np.arange(n + 1) * length // n for n, length in ((rows, h), (columns, w)))
    if plane.min() >= 0:
        sums = np.add.reduceat(np.add.reduceat(plane, row[:-1], axis=0), column[:-1], axis=1)
        return sums / np.outer(np.diff(row), np.diff(column))
    high = np.maximum.reduceat(np.maximum.reduceat(plane, row[:-1], axis=0), column[:-1], axis=1)
    low = np.minimum.reduceat(np.minimum.reduceat(plane, row[:-1], axis=0), column[:-1], axis=1)
    return np.where(high >= -low, high, low)


def _binned(matrix, side):
    """How many entries of a sparse matrix lie in each block."""
    entries, (h, w) = matrix.tocoo(), matrix.shape
    rows, columns = min(h, side), min(w, 3 * side)
    place = entries.row.astype(np.int64) * rows // h * columns + entries.col.astype(np.int64) * columns // w
    return np.bincount(place, minlength=rows * columns).reshape(rows, columns).astype(np.float64)


def _framed(planes, alt, side):
    """Planes in a row, in one scale of colours, shown as large as whole pixels allow."""
    numbers = np.concatenate([plane[np.isfinite(plane)] for plane in planes])
    signed = bool((numbers < 0).any())
    reach = float(np.abs(numbers).max()) or 1.0
    h, w = planes[0].shape
    strip = np.full((h, len(planes) * (w + 1) - 1), GAP, np.uint8)
    for k, plane in enumerate(planes):
        shares = plane / reach
        if signed:
            level = np.rint((np.sign(shares) * np.abs(shares) ** 0.6 + 1) / 2 * (LEVELS - 1))
        else:
            level = np.rint(shares**0.75 * (LEVELS - 1))
        strip[:, k * (w + 1) : k * (w + 1) + w] = np.where(np.isfinite(plane), np.nan_to_num(level), GAP)
    scale = max(1, min(side // h, WIDTH // strip.shape[1]))
    height = h * scale if h > 4 else max(h * scale, 6 * h + 6)
    height = min(height, 30) if h <= 4 < w else height
    png = _png(strip, _palette(SIGNED if signed else ABOVE, LEVELS), bits=4)
    return Thumbnail(png, max(strip.shape[1] * scale, 3), height, alt)


def _png(levels, palette, *, bits, clear=True):
    picture = Image.fromarray(levels, "P")
    picture.putpalette(palette)
    buffer = io.BytesIO()
    through = {"transparency": GAP} if clear and (levels == GAP).any() else {}
    picture.save(buffer, "png", optimize=False, bits=bits, **through)
    return buffer.getvalue()


@cache
def _palette(stops, count):
    """`count` colours from stop to stop, and black in the last place: bytes r, g, b, ..."""
    colors = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops], np.float64)
    where = np.linspace(0, len(stops) - 1, count)
    mixed = [np.interp(where, np.arange(len(stops)), colors[:, i]) for i in range(3)]
    return [int(round(v)) for color in zip(*mixed) for v in color] + ([0, 0, 0] if count == LEVELS else [])
