"""Pictures that answer to the hand: in a notebook and on a page, with mouse, finger or keyboard, and without a kernel.

`iou` drags two boxes, `roi` drags a region under four pooling operators, `nms` moves a threshold over proposals,
`trace` links a detection with what it was made of. Each is a `Touch`, which a notebook shows by itself and `save`
writes to a page. What they compute is computed by a script in the page, and is what the package computes.
"""

from .linked import trace
from .operators import roi
from .overlap import iou
from .page import Touch
from .suppression import nms

__all__ = ["Touch", "iou", "nms", "roi", "trace"]
