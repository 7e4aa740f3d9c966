"""What a model found, from the size it works at back to the size of the picture; data/resizing.py leads there."""

import numpy as np

from ..backend import array_module


def resize_boxes(boxes, *, old, new):
    """Boxes of a picture of size old = (height, width) in the same picture of size new: boxes (K, 4)  ->  (K, 4)."""
    y, x = _ratios(old, new)
    return boxes * array_module(boxes).asarray([x, y, x, y], boxes.dtype)


def resize_keypoints(keypoints, *, old, new):
    """Like resize_boxes: keypoints (K, J, 3)  ->  (K, J, 3), whose third number stays."""
    y, x = _ratios(old, new)
    return keypoints * array_module(keypoints).asarray([x, y, 1], keypoints.dtype)


def _ratios(old, new):
    """New over old height and width, in float32 whatever the boxes are: so torchvision rounds them."""
    return [float(np.float32(n) / np.float32(o)) for n, o in zip(new, old)]
