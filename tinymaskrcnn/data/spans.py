"""Masks as spans of columns: what run lengths become to be mirrored, cut and resized without a pixel being made.

A picture of 2000 x 2000 pixels with 300 objects has 1.2 billion mask pixels, and the outlines of its objects a few
thousand spans. The pixels are made at the end, when targets are sampled from them, and a few masks at a time.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..backend import array_module
from ..devices import to_device
from . import rle


@dataclass(frozen=True, eq=False)
class Spans:
    """M masks of one size: in column `column` of mask `owner` the pixels start <= y < stop are on.

    count M, size (H, W), all others (S,) int64, ordered by owner, column and start.
    """

    count: int
    size: tuple
    owner: np.ndarray
    column: np.ndarray
    start: np.ndarray
    stop: np.ndarray

    @classmethod
    def from_rles(cls, rles, *, size):
        """Cut the runs of M masks at the borders of columns: list of M RLE  ->  Spans"""
        H, pixels = size[0], size[0] * size[1]
        counts, owner, place = rle.side_by_side([code.counts for code in rles])
        stop = np.cumsum(counts) - owner * pixels  # every mask fills its picture
        on = (place % 2 == 1) & (counts > 0)
        owner, start, stop = owner[on], (stop - counts)[on], stop[on]
        first = start // H
        columns = (stop - 1) // H - first + 1  # that each run passes through
        run = np.repeat(np.arange(len(owner)), columns)
        column = first[run] + np.arange(len(run)) - (np.cumsum(columns) - columns)[run]
        start = np.maximum(start[run] - column * H, 0)
        stop = np.minimum(stop[run] - column * H, H)
        return cls(len(rles), tuple(size), owner[run], column, start, stop)

    def __len__(self):
        return self.count

    def mirrored(self):
        """Left and right changed."""
        return self._ordered(self.size, self.owner, self.size[1] - 1 - self.column, self.start, self.stop)

    def window(self, top, left, height, width):
        """What lies in a window, which need not lie in the picture."""
        start, stop = np.clip(self.start - top, 0, height), np.clip(self.stop - top, 0, height)
        column = self.column - left
        kept = (stop > start) & (column >= 0) & (column < width)
        return Spans(self.count, (height, width), self.owner[kept], column[kept], start[kept], stop[kept])

    def sampled(self, rows, columns):
        """The masks whose pixel (i, j) is the pixel (rows[i], columns[j]) of these; both index arrays ascend."""
        start, stop = np.searchsorted(rows, self.start), np.searchsorted(rows, self.stop)
        first, last = np.searchsorted(columns, self.column), np.searchsorted(columns, self.column, side="right")
        copies = np.where(stop > start, last - first, 0)
        span = np.repeat(np.arange(len(copies)), copies)
        column = first[span] + np.arange(len(span)) - (np.cumsum(copies) - copies)[span]
        size = len(rows), len(columns)
        return self._ordered(size, self.owner[span], column, start[span], stop[span])

    def _ordered(self, size, owner, column, start, stop):
        order = np.lexsort((start, column, owner))
        return Spans(self.count, size, owner[order], column[order], start[order], stop[order])

    def __getitem__(self, rows):
        """Some of the masks: rows (K,) int  ->  Spans of K masks"""
        borders = np.searchsorted(self.owner, np.arange(self.count + 1))
        first, lengths = borders[:-1][rows], np.diff(borders)[rows]
        owner = np.repeat(np.arange(len(rows)), lengths)
        span = first[owner] + np.arange(len(owner)) - (np.cumsum(lengths) - lengths)[owner]
        return Spans(len(rows), self.size, owner, self.column[span], self.start[span], self.stop[span])

    def areas(self):
        """Pixels of each mask: (M,) int"""
        sums = np.concatenate([[0], np.cumsum(self.stop - self.start)])
        return np.diff(sums[np.searchsorted(self.owner, np.arange(self.count + 1))])

    def boxes(self):
        """The smallest box of whole pixels around each mask, x1, y1, x2, y2; four zeros for an empty one: (M, 4) int"""
        boxes = np.zeros((self.count, 4), np.int64)
        if len(self.owner):
            first = np.flatnonzero(np.concatenate([[True], self.owner[1:] != self.owner[:-1]]))
            lowest = [np.minimum.reduceat(values, first) for values in (self.column, self.start)]
            highest = [np.maximum.reduceat(values, first) for values in (self.column + 1, self.stop)]
            boxes[self.owner[first]] = np.stack(lowest + highest, axis=1)
        return boxes

    def to_rles(self):
        """Mirror of from_rles: list of M RLE"""
        H, W = self.size
        borders = np.searchsorted(self.owner, np.arange(self.count + 1)).tolist()
        place = self.column * H
        edges = np.stack([place + self.start, place + self.stop], axis=1).reshape(-1)
        return [rle.from_edges(edges[2 * i : 2 * j], size=(H, W)) for i, j in zip(borders, borders[1:])]

    def decode(self, dtype=bool):
        """The pixels: masks (M, H, W); only those around each mask are touched."""
        masks = np.zeros((self.count, *self.size), dtype)
        borders = np.searchsorted(self.owner, np.arange(self.count + 1)).tolist()
        for mask, (x1, y1, x2, y2), i, j in zip(masks, self.boxes().tolist(), borders, borders[1:]):
            H = y2 - y1
            edges = np.stack([self.start[i:j], self.stop[i:j]], axis=1) - y1 + (self.column[i:j, None] - x1) * H
            counts = np.diff(edges.ravel(), prepend=0, append=H * (x2 - x1))
            mask[y1:y2, x1:x2] = rle.decode(rle.RLE((H, x2 - x1), counts))
        return masks

    astype = decode  # so that masks[rows].astype(dtype) are pixels, whether masks are spans or an array


class SpanBatch:
    """The masks of a batch, for `mask_targets` like the array (N, M, H, W): made of pixels where some are asked for.

    For all else np.asarray(masks) is that array. On a device, where memory is the device's and loops are slow, it is
    an array from the start.
    """

    def __init__(self, masks, shape):
        """masks: N Spans of no more than M masks each, in pictures of no more than H x W; shape (N, M, H, W)"""
        _, m, height, width = self.shape = shape
        parts = [(n * m + s.owner, s.column, s.start, s.stop) for n, s in enumerate(masks)]
        self._flat = Spans(len(masks) * m, (height, width), *map(np.concatenate, zip(*parts)))

    def reshape(self, count, *size):
        """The masks in a row, as N * M of them: Spans"""
        return self._flat

    def areas(self):
        """Pixels of each mask: (N, M) int"""
        return self._flat.areas().reshape(self.shape[:2])

    def grown(self, n, m, height, width):
        """The same masks as an array of this larger shape would hold them, with nothing behind them."""
        flat, bigger = self._flat, object.__new__(SpanBatch)
        owner = flat.owner // self.shape[1] * m + flat.owner % self.shape[1]
        bigger.shape = n, m, height, width
        bigger._flat = replace(flat, count=n * m, size=(height, width), owner=owner)
        return bigger

    def __array__(self, dtype=None, copy=None):
        return self._flat.decode(dtype or np.uint8).reshape(self.shape)

    def moved_to(self, device):
        """On a device masks (N, M, H, W) uint8: down a column the running sum of 1 at a span's start, -1 behind it."""
        if device == "cpu":
            return self
        n, m, height, width = self.shape
        owner, column, start, stop = (
            to_device(a, device) for a in (self._flat.owner, self._flat.column, self._flat.start, self._flat.stop)
        )
        xp = array_module(owner)
        edges = xp.zeros((n * m, height + 1, width), np.int8)
        edges[owner, start, column] += 1  # one after the other: a span may stop where the next one starts
        edges[owner, stop, column] -= 1
        return xp.cumsum(edges[:, :-1], axis=1, dtype=np.int8).astype(np.uint8).reshape(self.shape)
