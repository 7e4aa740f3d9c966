"""Scenes of handwritten digits, or of stick figures: an image and its true objects from a seed and a number alone.

Scene i of a split never depends on scene i - 1. Each ingredient draws from a stream of its own, so turning noise or
clutter on leaves the digits where they were. Of the random generator only `random` is used, and pixels are rounded to
k / 255: the same seed gives the same scene on every machine. What is said of digits holds for figures too, which have
joints besides: the keypoints of a scene.
"""

from dataclasses import dataclass

import numpy as np

from ..config_rules import check_relations
from ..errors import ArgumentError
from ..structures import Target
from . import textures
from .digits import SPLITS

TRIES = 20  # places tried for a digit before it is given up
STROKES = 16  # stray strokes at clutter 1
EXTREME_POINTS = ("top", "left", "bottom", "right")
_LAYOUT, _TEXTURE, _GRID, _STAINS, _CLUTTER, _NOISE = range(6)  # the streams


@dataclass(frozen=True)
class Digit:
    """A digit that has found its place: ink (h, w) with its upper left corner at y, x; joints (J, 2) in the picture."""

    label: int
    ink: np.ndarray
    y: int
    x: int
    alpha: float
    color: np.ndarray
    joints: np.ndarray | None = None

    @property
    def window(self):
        h, w = self.ink.shape
        return slice(self.y, self.y + h), slice(self.x, self.x + w)


def make_scene(index, config, *, bank, split, seed):
    """Draw one scene; the label of digit d is d + 1, because 0 is background.

    index, config  ->  image (H, W, C) float32 in 0..1, Target with M objects, the lowest first
    Later digits lie on earlier ones and a pixel belongs to the topmost; boxes enclose what is visible. A digit of which
    less than `min_visible` can be seen is not painted at all, so nothing in a scene goes unlabelled.
    """
    validate(config)
    if config.surface:
        raise ArgumentError(f"make_scene draws on black; scenes.surface {config.surface!r} is drawn by pages.make_page")
    if index < 0 or seed < 0:
        raise ArgumentError(f"make_scene: index and seed must be at least 0; got {index} and {seed}")

    def stream(part):
        entropy = [seed, SPLITS.index(split), index, part]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))

    members = bank.members(split)
    digits, masks = visible_digits(_layout(config, bank, members, stream(_LAYOUT)), config)
    pixels = paint_scene(digits, config, stream)
    keypoints = _keypoints(digits, masks, config, joints=len(getattr(bank, "joint_names", ())))
    return pixels, _target(digits, masks, keypoints, config.image_size)


# ---------------------------------------------------------------- the digits


def _layout(config, bank, members, rng):
    """Choose digits and places. Every digit draws equally many numbers, whatever becomes of it."""
    placed, boxes = [], []
    for _ in range(_between(config.digits_per_image, rng.random())):
        source, height, turn, opacity, *color = rng.random(7).tolist()
        places = rng.random((TRIES, 2)).tolist()
        drawing = int(members[int(source * len(members))]), _between(config.digit_size, height)
        drawing += ((2 * turn - 1) * config.rotation,)
        ink = bank.render(*drawing)
        free = config.image_size - ink.shape[0], config.image_size - ink.shape[1]
        if min(free) < 0:
            continue  # turned or wide, it is larger than the image
        for v, u in places:
            y, x = int(v * (free[0] + 1)), int(u * (free[1] + 1))
            box = (x, y, x + ink.shape[1], y + ink.shape[0])
            if all(_overlap(box, other) <= config.max_overlap for other in boxes):
                low, high = config.alpha
                alpha = low + (high - low) * opacity
                label, color = int(bank.labels[drawing[0]]) + 1, _ink_color(color, config)
                joints = bank.joints(*drawing) + (x, y) if hasattr(bank, "joints") else None
                placed.append(Digit(label, ink, y, x, alpha, color, joints))
                boxes.append(box)
                break
    return placed


def _between(limits, u):
    """A whole number from an inclusive range, from u in [0, 1)."""
    low, high = limits
    return low + int(u * (high - low + 1))


def _overlap(a, b):
    """The intersection of two boxes as a share of the smaller one."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return max(0, width) * max(0, height) / smaller


def visible_digits(placed, config):
    """Go from the topmost digit down: keep what can be seen well enough, with the mask of what can be seen.

    [Digit], the lowest first  ->  [Digit], their masks [(H, W) bool]

    A digit that is taken out hides nothing, and changes nothing for those above it: one pass is enough.
    """
    covered = np.zeros((config.image_size, config.image_size), bool)
    digits, masks = [], []
    for digit in reversed(placed):
        inked = digit.ink > 0.5
        mask = np.zeros_like(covered)
        mask[digit.window] = inked & ~covered[digit.window]
        if np.count_nonzero(mask) >= max(1, config.min_visible * np.count_nonzero(inked)):
            covered[digit.window] |= inked
            digits.append(digit)
            masks.append(mask)
    return digits[::-1], masks[::-1]


def _keypoints(digits, masks, config, *, joints):
    """keypoints (M, J, 3): of figures their joints, of digits four ends if asked for, else None.

    A joint that a later figure lies on is hidden, 1; all else is visible, 2.
    """
    if joints:
        points = [np.column_stack([d.joints, 2 - _hidden(d.joints, digits[k + 1 :])]) for k, d in enumerate(digits)]
        return np.array(points, np.float32).reshape(-1, joints, 3)
    if config.extreme_points:
        points = [np.column_stack([extreme_points(mask), np.full(4, 2)]) for mask in masks]
        return np.array(points, np.float32).reshape(-1, 4, 3)
    return None


def _hidden(joints, later):
    """Whether a digit that was painted later covers them: joints (J, 2)  ->  hidden (J,) bool"""
    hidden = np.zeros(len(joints), bool)
    for digit in later:
        column, row = joints.astype(np.int64).T - np.array([[digit.x], [digit.y]])
        h, w = digit.ink.shape
        inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
        hidden |= inside & (digit.ink[row.clip(0, h - 1), column.clip(0, w - 1)] > 0.5)
    return hidden


def extreme_points(mask):
    """The middles of the outermost rows and columns of what can be seen of an object, in the order of EXTREME_POINTS.

    mask (H, W)  ->  points (4, 2) as x, y
    """
    x1, y1, x2, y2 = box_of(mask)
    top, bottom = (np.median(np.flatnonzero(mask[row])) + 0.5 for row in (y1, y2 - 1))
    left, right = (np.median(np.flatnonzero(mask[:, column])) + 0.5 for column in (x1, x2 - 1))
    return np.array([(top, y1 + 0.5), (x1 + 0.5, left), (bottom, y2 - 0.5), (x2 - 0.5, right)])


def _target(digits, masks, keypoints, size):
    boxes = np.array([box_of(mask) for mask in masks], np.float32).reshape(-1, 4)
    labels = np.array([digit.label for digit in digits], np.int64)
    return Target(boxes, labels, np.array(masks, bool).reshape(-1, size, size), keypoints=keypoints)


def box_of(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


# ---------------------------------------------------------------- paper and ink


def paint_scene(digits, config, stream):
    """Paper, what lies on it, digits in their order, and noise over all.

    [Digit], SceneConfig, stream(part): the random generator of an ingredient  ->  image (H, W, C) float32, k / 255
    """
    image = _paper(config, stream)
    for digit in digits:
        _paint(image[digit.window], digit.alpha * digit.ink, digit.color)
    if config.noise:
        image = (1 - config.noise) * image + config.noise * stream(_NOISE).random(image.shape)
    return np.rint(255 * image).astype(np.float32) / np.float32(255)


def _paint(image, amount, color):
    """Lay a colour over a part of the image: amount (h, w) is 1 where it covers, 0 where it leaves what is there."""
    image += amount[:, :, None] * (color - image)


def _ink_color(draws, config):
    """White in grey scenes; otherwise a bright colour whose strongest channel is 1."""
    if not config.color:
        return np.ones(1)
    color = 0.3 + 0.7 * np.array(draws)
    return color / color.max()


def _paper(config, stream):
    """Black paper with texture, ruled lines, stains and stray strokes, each where its strength is not 0."""
    size = config.image_size
    image = np.zeros((size, size, 3 if config.color else 1))
    layers = (
        (config.texture, _TEXTURE, textures.smooth_texture),
        (config.grid, _GRID, textures.ruled_lines),
        (config.stains, _STAINS, textures.soft_stains),
    )
    for strength, part, draw in layers:
        if strength:
            rng = stream(part)
            _paint(image, strength * draw(size, rng=rng), _ink_color(rng.random(3), config))
    if config.clutter:
        _scatter(image, config, stream(_CLUTTER))
    return image


def _scatter(image, config, rng):
    low, high = config.alpha
    for _ in range(int(STROKES * config.clutter + rng.random())):
        y, x, ink = textures.stray_stroke(config.image_size, digit_size=config.digit_size, rng=rng)
        opacity, *color = rng.random(4).tolist()
        part = image[y : y + ink.shape[0], x : x + ink.shape[1]]
        _paint(part, (low + (high - low) * opacity) * ink, _ink_color(color, config))


# ---------------------------------------------------------------- settings


def validate(config):
    """Raise ConfigError, naming the setting, when a scene cannot be drawn from this configuration."""
    check_relations(config)  # the ranges are held since it was made
