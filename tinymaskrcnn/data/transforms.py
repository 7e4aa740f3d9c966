"""Changes of an image together with its objects: boxes, masks and pixels always move as one.

Every transform takes and returns (image, Target), and builds new arrays; `compose` chains them.
"""

import dataclasses

import numpy as np

from ..errors import ArgumentError
from ..ops import resize


def compose(*transforms):
    """One transform that applies several, the first one first."""

    def apply(image, target):
        for transform in transforms:
            image, target = transform(image, target)
        return image, target

    return apply


def flip_horizontal(image, target):
    """Mirror left and right (digits change their meaning, photographs rarely do).

    image (H, W, C), Target  ->  image (H, W, C), Target
    """
    x1, y1, x2, y2 = target.boxes.T
    width = np.float32(image.shape[1])
    boxes = np.stack([width - x2, y1, width - x1, y2], axis=1)
    return image[:, ::-1].copy(), dataclasses.replace(target, boxes=boxes, masks=target.masks[:, :, ::-1].copy())


def scale(image, target, *, size):
    """Resize to size = (height, width): pixels bilinearly, masks by the nearest pixel, boxes in proportion.

    image (H, W, C), Target  ->  image (height, width, C), Target
    An object that grows too small for any pixel keeps its box, with an empty mask.
    """
    (height, width), (old_height, old_width) = size, image.shape[:2]
    if min(height, width) < 1:
        raise ArgumentError(f"scale: size must be at least 1x1; got {tuple(size)}")
    resized, _ = resize.resize_bilinear_forward(image[None], size=(height, width))
    new, old = np.array([width, height] * 2, np.float64), np.array([old_width, old_height] * 2, np.float64)
    boxes = (target.boxes * new / old).astype(np.float32)  # in this order, so that the old edge becomes the new edge
    rows, columns = _nearest(height, old_height), _nearest(width, old_width)
    masks = target.masks[:, rows][:, :, columns]
    return resized[0], dataclasses.replace(target, boxes=boxes, masks=masks)


def scale_to(image, target, *, shorter, longer):
    """Resize, keeping the aspect ratio: the shorter side becomes `shorter`, unless the longer would pass `longer`."""
    sides = image.shape[:2]
    factor = min(shorter / min(sides), longer / max(sides))
    return scale(image, target, size=tuple(max(1, round(side * factor)) for side in sides))


def pad(image, target, *, size):
    """Add black on the right and below up to size = (height, width); boxes stay where they are.

    image (H, W, C), Target  ->  image (height, width, C), Target
    """
    below, right = size[0] - image.shape[0], size[1] - image.shape[1]
    if min(below, right) < 0:
        raise ArgumentError(f"pad: size must be at least the image's {image.shape[:2]}; got {tuple(size)}")
    masks = np.pad(target.masks, ((0, 0), (0, below), (0, right)))
    return np.pad(image, ((0, below), (0, right), (0, 0))), dataclasses.replace(target, masks=masks)


def _nearest(outputs, inputs):
    """For each output pixel the input pixel that its centre falls into."""
    return (2 * np.arange(outputs) + 1) * inputs // (2 * outputs)
