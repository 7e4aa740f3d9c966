"""Do the anchors fit the objects? Asked before the first step, because no amount of training repairs a bad answer."""

import itertools
from dataclasses import dataclass

import numpy as np

from ..ops.anchors import pyramid_anchors
from ..ops.boxes import iou_matrix

LEVELS = (2, 3, 4, 5, 6)  # P2 .. P6, at strides 4 .. 64
SIZE_EDGES = (0, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, np.inf)  # bins of sqrt(width * height)


@dataclass(frozen=True)
class AnchorReport:
    """How well the best anchor of each object fits it.

    sizes (M,) sqrt of the box areas in pixels, best_iou (M,), good and fair: the IoU limits that are counted (that of a
    positive anchor, and 0.5); shifted: the levels on which anchors stand far from where their features look; looked_at:
    where the objects were seen.
    """

    sizes: np.ndarray
    best_iou: np.ndarray
    good: float = 0.7
    fair: float = 0.5
    shifted: tuple = ()
    looked_at: str = "the training scenes"

    def __len__(self):
        return len(self.sizes)

    def share(self, limit, *, low=0.0, high=np.inf):
        """Share of the objects with low <= size < high whose best anchor reaches the limit; NaN without objects."""
        chosen = self.best_iou[(self.sizes >= low) & (self.sizes < high)]
        return float((chosen >= limit).mean()) if len(chosen) else float("nan")

    def bins(self):
        """One row per size bin that holds objects: low, high, count, good (share), fair (share)."""
        rows = []
        for low, high in zip(SIZE_EDGES, SIZE_EDGES[1:]):
            count = int(((self.sizes >= low) & (self.sizes < high)).sum())
            if count:
                good, fair = (self.share(limit, low=low, high=high) for limit in (self.good, self.fair))
                rows.append({"low": low, "high": high, "count": count, "good": good, "fair": fair})
        return rows

    def warnings(self, *, enough=0.9):
        """Sentences for a person, none when at least `enough` of the objects of every size have a fair anchor."""
        if len(self) == 0:
            return ["the scenes that were looked at hold no objects"]
        poor = [row for row in self.bins() if row["fair"] < enough and row["count"] >= max(5, 0.02 * len(self))]
        return list(map(_shift_in_words, self.shifted)) + [
            f"objects of {_bin_name(row)} px: only {row['fair']:.0%} have an anchor with IoU >= {self.fair}; "
            "add an anchor size near theirs (model.rpn.anchor_sizes) or a fitting ratio (model.rpn.anchor_ratios)"
            for row in poor
        ]

    def table(self):
        """The report as text, one line per size bin."""
        head = f"{'object size':>12}  {'objects':>7}  {f'IoU >= {self.good}':>10}  {f'IoU >= {self.fair}':>10}"
        lines = [f"anchors on {len(self)} objects of {self.looked_at}", head]
        for row in self.bins():
            lines.append(f"{_bin_name(row) + ' px':>12}  {row['count']:>7}  {row['good']:>10.0%}  {row['fair']:>10.0%}")
        if len(self):
            good, fair = self.share(self.good), self.share(self.fair)
            lines.append(f"{'all':>12}  {len(self):>7}  {good:>10.0%}  {fair:>10.0%}")
        return "\n".join(lines)


def _bin_name(row):
    return f"{row['low']}+" if np.isinf(row["high"]) else f"{row['low']}-{row['high']}"


def anchor_report(samples, rpn, *, divisor=32, levels=LEVELS):
    """Compare the objects of some (image, Target) pairs with the anchors of an RPNConfig.

    Of an image only the size is looked at, of its objects the boxes. levels: P2 .. P6, or BackboneConfig.levels
    """
    sizes, best, known = [], [], {}
    for image, target in samples:
        if len(target) == 0:
            continue
        shape = tuple(-(-side // divisor) * divisor for side in image.shape[:2])  # as the picture will be padded
        if shape not in known:
            known[shape] = _levels(shape, rpn, levels)
        boxes = target.boxes.astype(np.float32)
        best.append(best_overlaps(boxes, known[shape]))
        sizes.append(np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])))
    empty = [np.zeros(0, np.float32)]
    shifted = worst_shifts(known, rpn, levels)
    return AnchorReport(
        np.concatenate(sizes or empty), np.concatenate(best or empty), good=rpn.positive_iou, shifted=shifted
    )


def best_overlaps(boxes, levels):
    """IoU of each box with the anchor that fits it best.

    boxes (M, 4), levels: a list of anchors (h, w, A, 4)  ->  iou (M,)

    Two boxes share less the farther their centres are apart. Of the anchors of one size and shape only the nearest has
    to be looked at, and its neighbours, because centres are rounded: a few dozen instead of ten thousands.
    """
    near = []
    for anchors in levels:
        centres = (anchors[:, :, 0, :2] + anchors[:, :, 0, 2:]) / 2  # (h, w, 2) of the first of each cell
        column = _nearest_three(centres[0, :, 0], (boxes[:, 0] + boxes[:, 2]) / 2)  # (M, 3)
        row = _nearest_three(centres[:, 0, 1], (boxes[:, 1] + boxes[:, 3]) / 2)
        near.append(anchors[row[:, :, None], column[:, None, :]].reshape(len(boxes), -1, 4))
    return iou_matrix(boxes[:, None], np.concatenate(near, axis=1)).max(axis=2)[:, 0]


def _nearest_three(places, wanted):
    """The nearest of ascending places to each wanted one, and the places before and after it: (M, 3) indices."""
    middles = (places[1:] + places[:-1]) / 2
    return np.clip(np.searchsorted(middles, wanted)[:, None] + [-1, 0, 1], 0, len(places) - 1)


def all_anchors(shape, rpn, levels=LEVELS):
    """The anchors of all levels, (A, 4), for a padded picture of shape (H, W)."""
    return np.concatenate([anchors.reshape(-1, 4) for anchors in _levels(shape, rpn, levels)])


def _levels(shape, rpn, levels):
    """The anchors of each level, cell by cell: a list of (h, w, A, 4)."""
    grids = [tuple(-(-side // 2**level) for side in shape) for level in levels[: len(rpn.anchor_sizes)]]
    levels = pyramid_anchors(rpn.anchor_sizes, rpn.anchor_ratios, grid_sizes=grids, image_size=shape)
    return [anchors.reshape(*grid, -1, 4).astype(np.float32) for anchors, grid in zip(levels, grids)]


# ---------------------------------------------------------------- levels that do not divide

SHIFT = 0.1  # of the smallest anchor of a level: from here on the IoU with it falls below 0.7


@dataclass(frozen=True)
class Shift:
    """A level of a picture (H, W) whose cells look every `stride` pixels, while their anchors stand every `spacing`."""

    level: int
    shape: tuple
    stride: int
    spacing: int
    pixels: int  # between the two at the last cell


def worst_shifts(shapes, rpn, levels=LEVELS):
    """The Shift of each level that matters, at the padded picture sizes (H, W) where it is worst."""
    worst = {}
    for shape, (level, sizes) in itertools.product(shapes, zip(levels, rpn.anchor_sizes)):
        stride = 2**level
        for side in shape:
            cells = -(-side // stride)
            shift = Shift(level, shape, stride, side // cells, (cells - 1) * (stride - side // cells))
            if shift.pixels >= max(SHIFT * min(sizes), worst[level].pixels + 1 if level in worst else 1):
                worst[level] = shift
    return tuple(worst.values())


def _shift_in_words(shift):
    return (
        f"on P{shift.level} of pictures of {shift.shape[1]} x {shift.shape[0]} px anchors stand every {shift.spacing} "
        f"px and their features look every {shift.stride} px, up to {shift.pixels} px apart: its anchors learn badly; "
        f"multiples of {shift.stride} px have no such level"
    )
