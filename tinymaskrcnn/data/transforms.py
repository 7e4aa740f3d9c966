"""Changes of an image together with its objects: boxes, masks, keypoints and pixels always move as one.

Every transform takes and returns (image, Target), and builds new arrays; `compose` chains them. Masks may be `Spans`
instead of an array, and stay so: the same masks, at the cost of their outlines instead of their pixels.
"""

import dataclasses

import numpy as np

from ..errors import ArgumentError
from ..ops import bilinear
from .spans import Spans


def compose(*transforms):
    """One transform that applies several, the first one first."""

    def apply(image, target):
        for transform in transforms:
            image, target = transform(image, target)
        return image, target

    return apply


def flip_horizontal(image, target, *, keypoint_order=None):
    """Mirror left and right (digits change their meaning, photographs rarely do).

    image (H, W, C), Target  ->  image (H, W, C), Target
    A left hand becomes a right one: keypoint_order (J,) from `mirrored_order` says which keypoint takes whose place.
    """
    x1, y1, x2, y2 = target.boxes.T
    width = np.float32(image.shape[1])
    boxes = np.stack([width - x2, y1, width - x1, y2], axis=1)
    masks = target.masks
    if masks is not None:
        masks = masks.mirrored() if isinstance(masks, Spans) else masks[:, :, ::-1].copy()
    keypoints = target.keypoints
    if keypoints is not None:
        if keypoint_order is None or len(keypoint_order) != keypoints.shape[1]:
            raise ArgumentError(
                f"flip_horizontal: keypoint_order must name a partner for each of {keypoints.shape[1]} keypoints; "
                f"got {keypoint_order!r}"
            )
        keypoints = _moved(keypoints[:, list(keypoint_order)], factor=(-1, 1), shift=(width, 0))
    return image[:, ::-1].copy(), dataclasses.replace(target, boxes=boxes, masks=masks, keypoints=keypoints)


def mirrored_order(names):
    """Which keypoint takes whose place in a mirror, by name: "left_eye" and "right_eye" change places, "nose" stays."""
    names = list(names)
    partner = [
        name.replace("left", "right") if "left" in name else name.replace("right", "left") for name in map(str, names)
    ]
    return [names.index(other) if other in names else i for i, other in enumerate(partner)]


def random_flip(image, target, *, rng, probability=0.5, keypoint_order=None):
    """Mirror one image in two."""
    if rng.random() >= probability:
        return image, target
    return flip_horizontal(image, target, keypoint_order=keypoint_order)


def scale(image, target, *, size):
    """Resize to size = (height, width): pixels bilinearly, masks by the nearest pixel, the rest in proportion.

    image (H, W, C), Target  ->  image (height, width, C), Target
    An object that grows too small for any pixel keeps its box, with an empty mask.
    """
    (height, width), (old_height, old_width) = size, image.shape[:2]
    if min(height, width) < 1:
        raise ArgumentError(f"scale: size must be at least 1x1; got {tuple(size)}")
    resized, _ = bilinear.resize_bilinear_forward(image[None], size=(height, width))
    new, old = np.array([width, height] * 2, np.float64), np.array([old_width, old_height] * 2, np.float64)
    boxes = (target.boxes * new / old).astype(np.float32)  # in this order, so that the old edge becomes the new edge
    rows, columns = nearest_pixels(height, old_height), nearest_pixels(width, old_width)
    masks = target.masks
    if masks is not None:
        masks = masks.sampled(rows, columns) if isinstance(masks, Spans) else masks[:, rows][:, :, columns]
    factor = width / old_width, height / old_height
    areas = None if target.areas is None else (target.areas * (factor[0] * factor[1])).astype(target.areas.dtype)
    keypoints = None if target.keypoints is None else _moved(target.keypoints, factor=factor)
    return resized[0], dataclasses.replace(target, boxes=boxes, masks=masks, keypoints=keypoints, areas=areas)


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
    masks = target.masks
    if masks is not None:
        whole = isinstance(masks, Spans)
        masks = masks.window(0, 0, *size) if whole else np.pad(masks, ((0, 0), (0, below), (0, right)))
    return np.pad(image, ((0, below), (0, right), (0, 0))), dataclasses.replace(target, masks=masks)


def crop(image, target, *, top, left, height, width, min_visible=0.1):
    """Cut out a window; objects of which less than `min_visible` lies inside are left out.

    image (H, W, C), Target  ->  image (height, width, C), Target
    A cut object keeps the box of what is left of its mask (without masks: of its box). Keypoints outside become absent.
    """
    if min(top, left) < 0 or min(height, width) < 1 or top + height > image.shape[0] or left + width > image.shape[1]:
        raise ArgumentError(
            f"crop: the window must lie in the image of {image.shape[1]}x{image.shape[0]} pixels; "
            f"got x {left}..{left + width}, y {top}..{top + height}"
        )
    window = slice(top, top + height), slice(left, left + width)
    moved = target.boxes - np.array([left, top, left, top], np.float32)
    boxes = np.clip(moved, 0, np.array([width, height, width, height], np.float32))
    share = _box_areas(boxes) / _box_areas(moved)
    masks = None
    if target.masks is not None:
        masks = _cut(target.masks, top, left, height, width)
        whole, left_over = _pixels(target.masks), _pixels(masks)
        share = np.where(whole > 0, left_over / np.maximum(whole, 1), share)
        trimmed = np.flatnonzero((left_over > 0) & (left_over < whole))
        boxes[trimmed] = _tight_boxes(masks[trimmed])
    kept = np.flatnonzero((share > 0) & (share >= min_visible) & (_box_areas(boxes) > 0))
    keypoints = None
    if target.keypoints is not None:
        keypoints = _inside(_moved(target.keypoints[kept], shift=(-left, -top)), height, width)
    cut = dataclasses.replace(
        target,
        boxes=boxes[kept],
        labels=target.labels[kept],
        masks=None if masks is None else masks[kept],
        crowd=None if target.crowd is None else target.crowd[kept],
        keypoints=keypoints,
        areas=None if target.areas is None else (target.areas * share)[kept].astype(target.areas.dtype),
    )
    return image[window].copy(), cut


def random_crop(image, target, *, size, rng, min_visible=0.1):
    """A window of size = (height, width) anywhere in the image; a smaller image is kept whole in that direction."""
    height, width = (min(wanted, given) for wanted, given in zip(size, image.shape[:2]))
    top = int(rng.integers(image.shape[0] - height + 1))
    left = int(rng.integers(image.shape[1] - width + 1))
    return crop(image, target, top=top, left=left, height=height, width=width, min_visible=min_visible)


def _moved(keypoints, *, factor=(1, 1), shift=(0, 0)):
    """factor * (x, y) + shift; keypoints that are absent stay at 0, 0, 0."""
    moved = keypoints.copy()
    moved[..., 0] = factor[0] * keypoints[..., 0] + shift[0]
    moved[..., 1] = factor[1] * keypoints[..., 1] + shift[1]
    return np.where(keypoints[..., 2:] > 0, moved, np.zeros((), keypoints.dtype))


def _inside(keypoints, height, width):
    """Keypoints that lie outside the image become absent."""
    x, y = keypoints[..., 0], keypoints[..., 1]
    inside = (x >= 0) & (y >= 0) & (x <= width) & (y <= height)
    return np.where(inside[..., None], keypoints, np.zeros((), keypoints.dtype))


def _box_areas(boxes):
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _cut(masks, top, left, height, width):
    if isinstance(masks, Spans):
        return masks.window(top, left, height, width)
    return masks[:, top : top + height, left : left + width]


def _pixels(masks):
    """Pixels of each mask that are on (M,)."""
    return masks.areas() if isinstance(masks, Spans) else np.count_nonzero(masks, axis=(1, 2))


def _tight_boxes(masks):
    """The smallest box around each of M masks, none of them empty."""
    if isinstance(masks, Spans):
        return masks.boxes()
    sides = []
    for axis in (1, 2):
        inside = masks.any(axis=axis)  # (M, W), then (M, H)
        sides.append((inside.argmax(axis=1), inside.shape[1] - inside[:, ::-1].argmax(axis=1)))
    (x1, x2), (y1, y2) = sides
    return np.stack([x1, y1, x2, y2], axis=1)


def nearest_pixels(outputs, inputs):
    """For each output pixel the input pixel that its centre falls into."""
    return (2 * np.arange(outputs) + 1) * inputs // (2 * outputs)
