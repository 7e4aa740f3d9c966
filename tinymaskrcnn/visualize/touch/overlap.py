"""The IoU of two boxes that a reader drags."""

import numpy as np

from ...backend import to_host
from ...errors import ShapeError
from ..iou import draw_iou
from .page import Touch, numbers, picture_address


def iou(a=(6, 8, 30, 40), b=(18, 16, 50, 44), *, image=None, step=1.0):
    """Two boxes to drag, with what they share and what they cover together drawn and computed at every move.

    a (4,), b (4,) where they start, image (H, W, C) or None to lie below them  ->  Touch
    step: how far an arrow key moves a box, in pixels.
    """
    a, b = (np.asarray(to_host(box), np.float64) for box in (a, b))
    if a.shape != (4,) or b.shape != (4,):
        raise ShapeError(f"touch.iou: a and b must be (4,) as x1, y1, x2, y2; got shapes {a.shape} and {b.shape}")
    extent = [0, 0, 64, 52] if image is None else [0, 0, *np.shape(image)[1::-1]]
    low, high = np.minimum(a, b)[:2], np.maximum(a, b)[2:]
    window = [*np.minimum(extent[:2], low - 2), *np.maximum(extent[2:], high + 2)]
    data = dict(a=numbers(a), b=numbers(b), window=numbers(window), step=step)
    if image is not None:
        data |= dict(image=picture_address(to_host(image)), extent=extent)
    still = draw_iou(a, b, image=None if image is None else to_host(image)).figure
    return Touch("overlap", data, title="Drag two boxes: what is their IoU?", still=still, alt=still.alt_text())
