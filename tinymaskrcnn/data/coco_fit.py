"""Do the parts of an object, and all objects of a file, fit each other? Each may be sound and mean something else.

Boxes as fractions of the picture, corners instead of sizes, y before x: numbers that training would accept, and learn
nonsense from. What most objects of a file have in common is one line, not one for each of them.
"""

import numpy as np

from ..evaluation import rle
from . import polygons
from .coco_entries import Broken, plain_box

SLACK = 1.0  # pixels by which box and mask may each be off
INSIDE = 0.5  # share of a mask's extent, or of the keypoints, that must lie in the box
FILLED = 0.2  # share of the box that the mask's extent must reach
EXACT = 1.5  # pixels: a mask that fits its box as closely as this was made with it
OFTEN = 0.25  # share of boxes that leave their pictures before all of them count as corners

MEANS = {
    "fractions": "fractions of the picture (all numbers are in 0..1) where pixels are expected",
    "corners": "x1, y1, x2, y2 where x, y, width, height are expected",
    "swapped": "y, x where x, y is expected",
}


def common_meaning(boxes, sizes):
    """What all boxes of a file seem to mean: "fractions", "corners", or None for x, y, width and height in pixels.

    boxes (M, 4) as they are written, sizes (M, 2) as height, width of their pictures
    """
    if len(boxes) == 0:
        return None
    small = ((boxes >= 0) & (boxes <= 1)).all(axis=1) & (sizes.min(axis=1) > 2)
    if small.mean() > 0.5 and (boxes[small] % 1 != 0).any():
        return "fractions"
    height, width = sizes.T
    x, y, w, h = boxes.T
    leaves = (x + w > width + SLACK) | (y + h > height + SLACK)
    corners = (x >= -SLACK) & (y >= -SLACK) & (w > x) & (h > y) & (w <= width + SLACK) & (h <= height + SLACK)
    return "corners" if corners.all() and leaves.mean() >= OFTEN else None


def boxes_as_written(entries, size_of):
    """Arrays for `common_meaning`, of all annotations that have four numbers and a picture; size_of(entry) or None."""
    boxes, sizes = [], []
    for entry in entries:
        try:
            box, size = plain_box(entry), size_of(entry)
        except (Broken, AttributeError):
            continue
        if size is not None:
            boxes.append(box)
            sizes.append(size)
    return np.array(boxes, np.float64).reshape(-1, 4), np.array(sizes, np.float64).reshape(-1, 2)


def check_mask(annotation):
    """What is wrong with a mask and its box: (text or None, key of MEANS or None).

    A meaning may also be plain where nothing is wrong yet: a mask on the diagonal reads the same with y before x.
    """
    box, (extent, empty) = np.array(annotation.box), _extent(annotation)
    if annotation.crowd or extent is None:
        return "mask holds no pixel" if empty else None, None
    meaning = _meaning(extent, box)
    if _fits(extent, box) and not empty:
        return None, meaning
    what = "mask holds no pixel" if empty else "mask and box do not fit"
    hint = f"; as if it were {MEANS[meaning].partition(' where')[0]}" if meaning else ""
    return f"{what}: the mask spans {_text(extent)}, the box {_text(box)}{hint}", meaning


def _extent(annotation):
    """x1, y1, x2, y2 around a segmentation (None where there is none), and whether it holds no pixel.

    Polygons of an object that is smaller than two pixels may lie between the middles of all pixels.
    """
    shape = annotation.segmentation
    if isinstance(shape, rle.RLE):
        return (rle.to_boxes([shape])[0], False) if rle.area(shape) else (None, True)
    points = np.concatenate(shape)
    extent = np.concatenate([points.min(axis=0), points.max(axis=0)])
    tiny = min(annotation.box[2] - annotation.box[0], annotation.box[3] - annotation.box[1]) < 2
    return extent, not tiny and not any(map(_holds_pixels, shape))


def _holds_pixels(points):
    """Whether a polygon covers any pixel; only one that is thin is drawn to find out."""
    x, y = (points - points[0]).T
    area = 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    low, high = np.floor(points.min(axis=0)) - 1, np.ceil(points.max(axis=0)) + 1
    if area > np.hypot(*(high - low)) + 2:  # wider than a pixel somewhere
        return True
    low = np.maximum(low, 0)
    width, height = (high - low).astype(int)
    return rle.area(polygons.polygon_to_rle(points - low, size=(height, width))) > 0


def _fits(extent, box):
    extent, box = (_corners(v) for v in (extent, box))
    sides = np.minimum(extent[2:], box[2:]) - np.maximum(extent[:2], box[:2])
    shared = np.prod(np.maximum(sides, 0))
    area, whole = np.prod(extent[2:] - extent[:2]), np.prod(box[2:] - box[:2])
    return shared >= INSIDE * area and shared >= FILLED * (area + whole - shared)


def _corners(box):
    """Grown by SLACK on every side."""
    return box + np.array([-SLACK, -SLACK, SLACK, SLACK])


def _meaning(extent, box):
    """The key of MEANS under which a mask fits its box closely, when it does not as it stands."""
    if (abs(extent - box) <= 2 * EXACT).all():
        return None
    if extent.min() >= 0 and extent.max() <= 1 < box.max():
        return "fractions"
    if _close(extent[[1, 0, 3, 2]], box):
        return "swapped"
    return "corners" if _close(extent, [*box[:2], *(box[2:] - box[:2])]) else None


def _close(extent, box):
    return bool((abs(extent - np.array(box)) <= EXACT).all())


def check_keypoints(annotation):
    """What is wrong with keypoints and their box: (text or None, key of MEANS or None)."""
    points = annotation.keypoints
    points = points[points[:, 2] > 0, :2].astype(np.float64)
    if len(points) == 0 or annotation.crowd:
        return None, None
    box = np.array(annotation.box)
    share = _share_inside(points, box)
    if share >= INSIDE:
        return None, None
    meaning = None
    if points.min() >= 0 and points.max() <= 1 < box.max():
        meaning = "fractions"
    elif _share_inside(points[:, ::-1], box) > max(share, INSIDE):
        meaning = "swapped"
    hint = f"; as if they were {MEANS[meaning].partition(' where')[0]}" if meaning else ""
    inside = round(share * len(points))
    return f"only {inside} of {len(points)} keypoints lie in the box {_text(box)}{hint}", meaning


def _share_inside(points, box):
    """Share of points (J, 2) in the box, grown by a quarter of its sides: a hand may reach out of it."""
    grow = 0.25 * (box[2:] - box[:2]) + SLACK
    return float(((points >= box[:2] - grow) & (points <= box[2:] + grow)).all(axis=1).mean())


def _text(box):
    x1, y1, x2, y2 = (f"{v:.4g}" for v in box)
    return f"x {x1}..{x2}, y {y1}..{y2}"
