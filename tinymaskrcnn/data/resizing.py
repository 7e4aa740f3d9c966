"""Pictures to the size a model works at; what it found goes back in models/transform.py."""

import math

from ..errors import ArgumentError
from ..ops import bilinear
from .ink import to_ink


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
    """Resize a picture bilinearly to what config asks for, and make ink of it for a model that looks at ink.

    image (H, W, C)  ->  image (height, width, C); itself when it has that size
    """
    image = resize_pixels(image, config)
    return to_ink(image) if config.ink else image


def resize_pixels(image, config):
    """Resize a picture as `resize_to_config` does, and leave what it shows: image (H, W, C)  ->  (height, width, C)"""
    size = resized_size(*image.shape[:2], config)
    if size != tuple(image.shape[:2]):
        image = bilinear.resize_bilinear_forward(image[None], size=size)[0][0]
    return image
