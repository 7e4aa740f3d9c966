"""Pictures to the size a model works at, and what it found back to the size of the picture."""

import math

import numpy as np

from ..backend import array_module
from ..errors import ArgumentError
from ..ops import resize


def resized_size(height, width, config):
    """The size (height, width) a ModelConfig wants a picture in; the same size when config.resize_shorter is 0.

    The shorter side becomes resize_shorter unless the longer would pass resize_longer; rounded down, as in torchvision.
    """
    if config.resize_shorter == 0:
        return height, width
    factor = min(config.resize_shorter / min(height, width), config.resize_longer / max(height, width))
    size = math.floor(height * factor), math.floor(width * factor)
    if min(size) < 1:
        raise ArgumentError(
            f"resize_to_config: a picture of {width}x{height} pixels has no pixel left when its longer side is "
            f"{config.resize_longer}"
        )
    return size


def resize_to_config(image, config):
    """Resize a picture bilinearly to what config asks for.

    image (H, W, C)  ->  image (height, width, C); itself when it has that size
    """
    size = resized_size(*image.shape[:2], config)
    if size == tuple(image.shape[:2]):
        return image
    return resize.resize_bilinear_forward(image[None], size=size)[0][0]


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
