"""Do the parts of an object, and all objects of a file, fit each other? Each may be sound and mean something else.

Boxes as fractions of the picture, corners instead of sizes, y before x: numbers that training would accept, and learn
nonsense from. What most objects of a file have in common is one line, not one for each of them.
"""

import numpy as np

from . import polygons, rle
from .coco_entries import Broken, plain_box

SLACK = 1.0  # pixels by which box and mask may each be off
INSIDE = 0.5  # share of a mask's extent, or of the keypoints, that must lie in the box
FILLED = 0.2  # share of the box that the mask's extent must reach, unless it lies inside
AMPLE = 2.0  # pixels: a polygon that is wider than this on average holds some
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


def check_mask(annotation, around=None):
    """What is wrong with a mask and its box: (text or None, key of MEANS or None).

    around: the `corners` of its segmentation, where they are known.
    A meaning may also be plain where nothing is wrong yet: a mask on the diagonal reads the same with y before x.
    """
    box, extent = annotation.box, around or corners(annotation.segmentation)
    empty = _is_empty(annotation, extent)
    if annotation.crowd or extent is None:
        return "mask holds no pixel" if empty else None, None
    meaning = _meaning(extent, box)
    hidden = meaning is None and _inside(extent, box)  # the box of a whole object, the mask of what is seen of it
    if (hidden or _fits(extent, box)) and not empty:
        return None, meaning
    what = "mask holds no pixel" if empty else "mask and box do not fit"
    hint = f"; as if it were {MEANS[meaning].partition(' where')[0]}" if meaning else ""
    return f"{what}: the mask spans {_text(extent)}, the box {_text(box)}{hint}", meaning


def mask_fills(annotation, around=None):
    """Whether a mask spans a fair part of its box; one that does not may be what is seen of a hidden object."""
    if annotation.segmentation is None or annotation.crowd:
        return True
    extent = around or corners(annotation.segmentation)
    return extent is None or _fits(extent, annotation.box)


def _is_empty(annotation, extent):
    """Whether a segmentation with these corners holds no pixel.

    Polygons of an object that is smaller than two pixels may lie between the middles of all pixels.
    """
    shape = annotation.segmentation
    if isinstance(shape, rle.RLE):
        return extent is None
    tiny = min(annotation.box[2] - annotation.box[0], annotation.box[3] - annotation.box[1]) < 2
    ample = AMPLE * (extent[2] - extent[0] + extent[3] - extent[1] + 2)
    return not tiny and not any(_holds_pixels(points, ample) for points in shape)


def corners(shape):
    """x1, y1, x2, y2 around a segmentation; None around one without pixels."""
    if isinstance(shape, rle.RLE):
        return rle.to_boxes([shape])[0].tolist() if rle.area(shape) else None
    points = shape[0] if len(shape) == 1 else np.concatenate(shape)
    return points.min(axis=0).tolist() + points.max(axis=0).tolist()


def _holds_pixels(points, ample):
    """Whether a polygon covers any pixel; only one with an area that is not ample is drawn to find out."""
    z = (points - points[0]).view(np.complex128)[:, 0]  # from the first corner on: the closing edge adds nothing
    if 0.5 * abs(np.vdot(z[:-1], z[1:]).imag) > ample:  # the sum of x0 * y1 - y0 * x1
        return True
    low, high = np.floor(points.min(axis=0)) - 1, np.ceil(points.max(axis=0)) + 1
    low = np.maximum(low, 0)
    width, height = (high - low).astype(int)
    return rle.area(polygons.polygon_to_rle(points - low, size=(height, width))) > 0


def _fits(extent, box):
    (x1, y1, x2, y2), (bx1, by1, bx2, by2) = (_grown(v) for v in (extent, box))
    shared = max(min(x2, bx2) - max(x1, bx1), 0) * max(min(y2, by2) - max(y1, by1), 0)
    area, whole = (x2 - x1) * (y2 - y1), (bx2 - bx1) * (by2 - by1)
    return shared >= INSIDE * area and shared >= FILLED * (area + whole - shared)


def _inside(extent, box):
    bx1, by1, bx2, by2 = _grown(box)
    return bx1 <= extent[0] and by1 <= extent[1] and extent[2] <= bx2 and extent[3] <= by2


def _grown(box):
    x1, y1, x2, y2 = box
    return x1 - SLACK, y1 - SLACK, x2 + SLACK, y2 + SLACK


def _meaning(extent, box):
    """The key of MEANS under which a mask fits its box closely, when it does not as it stands."""
    if _close(extent, box, 2 * EXACT):
        return None
    x1, y1, x2, y2 = extent
    if min(x1, y1) >= 0 and max(x2, y2) <= 1 < max(box):
        return "fractions"
    if _close((y1, x1, y2, x2), box):
        return "swapped"
    return "corners" if _close(extent, (box[0], box[1], box[2] - box[0], box[3] - box[1])) else None


def _close(extent, box, limit=EXACT):
    return all(abs(a - b) <= limit for a, b in zip(extent, box))


def area_fits(annotation):
    """Whether the area, by which evaluation tells small from large, can be that of what is in the box."""
    if annotation.area is None or annotation.crowd:
        return True
    x1, y1, x2, y2 = annotation.box
    whole = (x2 - x1) * (y2 - y1)
    return whole / 100 - 1 <= annotation.area <= 1.5 * whole + 10


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
