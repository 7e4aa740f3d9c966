"""Four pooling operators on one small map, under a region that a reader drags."""

import numpy as np

from ...backend import to_host
from ...errors import ArgumentError, ShapeError
from ..pooling import _one_channel
from ..pooling_operators import roi_operators_figure
from .page import Touch, numbers

LARGEST = 24  # cells along a side; more could not be told apart
STRIDES, CROPS = (1, 4, 8, 16, 32), (1, 2, 3, 4)


def roi(features, box=(0.6, 2.3, 6.9, 7.4), *, output_size=2, stride=16, step=0.25):
    """RoIPool, RoIWarp, RoIAlign and PrRoIPool side by side, under a region to drag over a map.

    features (H, W) or (H, W, C), of which the first channel is shown, box (4,) in cells, where it starts  ->  Touch
    Beside each crop: what the chosen bin reads, and how far off in pixels, where `stride` of them make a cell. step is
    how far an arrow key moves the region, in cells. RoIAlign has 2 x 2 points in a bin.
    """
    values, box = _one_channel("touch.roi", features).astype(np.float64), np.asarray(to_host(box), np.float64)
    if box.shape != (4,):
        raise ShapeError(f"touch.roi: box must be (4,) as x1, y1, x2, y2; got shape {box.shape}")
    if max(values.shape) > LARGEST:
        raise ArgumentError(f"touch.roi: features must have at most {LARGEST} cells along a side; got {values.shape}")
    if output_size not in CROPS or stride not in STRIDES:
        choices = f"output_size one of {CROPS} and stride one of {STRIDES}"
        raise ArgumentError(f"touch.roi: wants {choices}; got {output_size} and {stride}")
    data = dict(map=numbers(values), roi=numbers(box), bins=output_size, stride=stride, step=step)
    still = roi_operators_figure(values, box, output_size=output_size)
    title = "Drag the region: what do four operators read?"
    return Touch("operators", data, title=title, still=still, alt=still.alt_text())
