"""Proposals of a picture by the method that a ProposalConfig names."""

import numpy as np

from ...ops.bilinear import resize_bilinear_forward
from .selective_search import selective_search
from .sliding_window import sliding_windows

METHODS = {"selective_search": selective_search, "sliding_window": sliding_windows}  # config_rules: the same names


def find_proposals(image, config):
    """Where objects might be in a picture, most promising first, as far as its pixels tell.

    image (H, W, C) in 0..1, a ProposalConfig  ->  boxes (P, 4) float32 in its pixels, at most config.most
    Pictures whose longer side is above config.longer_side are searched at that size.
    """
    height, width = image.shape[:2]
    factor = min(1, config.longer_side / max(height, width))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    small = image if size == (height, width) else resize_bilinear_forward(image[None], size=size)[0][0]
    boxes = METHODS[config.method](small, config)
    return scaled(boxes, old=size, new=(height, width))


def scaled(boxes, *, old, new):
    """Boxes (P, 4) in a picture of size `old` (height, width), as they lie in it at size `new`."""
    new, old = (np.array([width, height] * 2, np.float64) for height, width in (new, old))
    return (boxes * new / old).astype(np.float32)
