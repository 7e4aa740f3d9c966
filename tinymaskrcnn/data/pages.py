"""Handwriting on paper and on boards, as a camera sees it: what scenes.py is for digits on black, for photographs.

A page is a scene like any other: the same seed gives the same one, its boxes and masks are exact, and each ingredient
draws from a stream of its own. Besides digits of the wanted sizes there is what a detector has to leave alone: ruled
and squared lines, strokes, stains, and (with clutter) writing that is much too large or much too small for it.
"""

import dataclasses

import numpy as np

from ..errors import ArgumentError
from . import camera, scenes, textures
from .digits import SPLITS
from .pens import Pen
from .scenes import TRIES, Digit

BOARDS = 0.35  # share of the pages that are boards, where any surface will do
BESIDE = 0.4  # share of the digits that stand beside the last one, as in a number
MISFITS = 0.3  # share of the digits, at clutter 1, that are too large or too small to count
_SURFACE, _LAYOUT, _PEN, _TEXTURE, _GRID, _STAINS, _CLUTTER, _CAMERA, _GRAIN = range(10, 19)  # the streams


def make_page(index, config, *, bank, split, seed):
    """Draw one page; see `scenes.make_scene`, which does the same for digits on black.

    index, config  ->  image (H, W, C) float32 in 0..1, Target with M objects, the lowest first
    """
    scenes.validate(config)
    if index < 0 or seed < 0:
        raise ArgumentError(f"make_page: index and seed must be at least 0; got {index} and {seed}")

    def stream(part):
        entropy = [seed, SPLITS.index(split), index, part]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))

    if config.surface == "any":
        board = stream(_SURFACE).random() < BOARDS
        config = dataclasses.replace(config, surface="board" if board else "paper")
    members = bank.members(split)  # an unknown split fails before anything is drawn
    digits, masks = scenes.visible_digits(_layout(config, Pen(bank, config.pen, stream(_PEN)), members, stream), config)
    image = _sheet(config, stream)
    grain = stream(_GRAIN)
    for digit in digits:
        scenes._paint(image[digit.window], digit.alpha * _rough(digit.ink, config, grain), digit.color)
    image = camera.photograph(image, config, rng=stream(_CAMERA))
    counted = [k for k, digit in enumerate(digits) if digit.label]
    digits, masks = [digits[k] for k in counted], [masks[k] for k in counted]
    keypoints = scenes._keypoints(digits, masks, config, joints=0)
    return image, scenes._target(digits, masks, keypoints, config.image_size)


# ---------------------------------------------------------------- the writing


def _layout(config, pen, members, stream):
    """Choose digits and places, some in a row. What is too large or too small has label 0 and is no object."""
    rng, misfits = stream(_LAYOUT), stream(_CLUTTER)
    placed, boxes, last = [], [], None
    for _ in range(scenes._between(config.digits_per_image, rng.random())):
        source, size, turn, opacity, beside, gap, *color = rng.random(9).tolist()
        places = rng.random((TRIES, 2)).tolist()
        label, height = _height(config, size, misfits.random(2).tolist())
        follows = beside < BESIDE and last is not None and label
        if follows:
            height, color = last
        i = int(members[int(source * len(members))])
        ink = pen.render(i, height, (2 * turn - 1) * config.rotation)
        box = boxes and _next_to(boxes[-1], ink, gap, height) if follows else None
        corners = ([box[:2]] if box else []) + [_corner(ink, config, u, v) for v, u in places]
        for x, y in corners:
            box = x, y, x + ink.shape[1], y + ink.shape[0]
            inside = min(x, y) >= 0 and max(box) <= config.image_size
            if inside and all(scenes._overlap(box, other) <= config.max_overlap for other in boxes):
                low, high = config.alpha
                shade = ink_color(color, config)
                label = label and int(pen.labels[i]) + 1
                placed.append(Digit(label, ink, y, x, low + (high - low) * opacity, shade))
                boxes.append(box)
                last = (height, color) if label else last
                break
    return placed


def _height(config, size, draws):
    """(1, a height from the wanted range), small ones as often as large ones; or (0, one that is far outside it)."""
    low, high = config.digit_size
    misfit, how = draws
    if misfit < MISFITS * config.clutter:
        height = low * (0.3 + 0.3 * size) if how < 0.6 else high * (1.8 + size)
        return 0, min(height, config.image_size - 8)
    return 1, min(high, int(low * ((high + 1) / low) ** size))


def _next_to(box, ink, gap, height):
    """The upper left corner of a digit on the same line, a little to the right of the last one."""
    x1, y1, x2, y2 = box
    return x2 + int(height * (0.5 * gap - 0.03)), (y1 + y2 - ink.shape[0]) // 2


def _corner(ink, config, u, v):
    return tuple(int(t * max(0, config.image_size - n + 1)) for t, n in ((u, ink.shape[1]), (v, ink.shape[0])))


def _rough(ink, config, rng):
    """Chalk leaves out grains of the board, a pen hardly anything of the paper."""
    share, grains = rng.random(), rng.random(ink.shape)
    return ink * (1 - (0.6 if config.surface == "board" else 0.2) * share * grains)


def ink_color(draws, config):
    """Dark ink for paper, bright chalk for a board: from three numbers in [0, 1) (C,) in 0..1."""
    draws = np.array(draws if config.color else draws[:1])
    return 1 - 0.4 * draws**2 if config.surface == "board" else 0.03 + 0.45 * draws**2


# ---------------------------------------------------------------- the surface


def _sheet(config, stream):
    """Plain, ruled or squared paper, or a wiped board, with stains and strokes: (H, W, C) in 0..1."""
    size, channels, board = config.image_size, 3 if config.color else 1, config.surface == "board"
    rng = stream(_SURFACE)
    _, level, *tint = rng.random(5).tolist()
    level = 0.03 + 0.25 * level if board else 0.6 + 0.4 * level
    image = np.full((size, size, channels), level) * (1 - 0.15 * np.array(tint[:channels]))
    if config.texture:
        rng = stream(_TEXTURE)
        strength, soft = config.texture * rng.random(), textures.smooth_texture(size, rng=rng)
        scenes._paint(image, strength * soft, np.full(channels, 0.5 if board else 0.45))
    if config.stains:
        rng = stream(_STAINS)
        strength = 0.6 * config.stains * rng.random()
        scenes._paint(image, strength * textures.soft_stains(size, rng=rng), np.full(channels, 0.5))
    if config.grid:
        _rule(image, config, stream(_GRID))
    if config.clutter:
        _scatter(image, config, stream(_CLUTTER))
    return image


def _rule(image, config, rng):
    """Ruled or squared lines, thin and paler than ink, a little turned; half of the pages have none."""
    kind, spacing, slope, shift, margin, width, strength, *color = rng.random(10).tolist()
    if kind < 0.5:
        return
    size = config.image_size
    low, high = config.digit_size
    spacing = (0.5 * low + (1.5 * high - 0.5 * low) * spacing**2) if kind < 0.75 else 0.4 * low + 0.6 * high * spacing
    width, slope = 0.5 + 0.8 * width, 0.06 * (2 * slope - 1)
    along = np.arange(size)
    y, x = along[:, None] + slope * along, along - slope * along[:, None]
    lines = _stripes(y + shift * spacing, spacing, width)
    if kind > 0.75:
        lines = np.maximum(lines, _stripes(x + shift * spacing, spacing, width))
    elif margin < 0.4:
        lines = np.maximum(lines, np.clip(width + 0.5 - np.abs(x - size * margin), 0, 1))
    shade = ink_color([0.4 + 0.6 * c for c in color], config)
    scenes._paint(image, config.grid * (0.2 + 0.8 * strength) * lines, shade)


def _stripes(across, spacing, width):
    within = across % spacing
    return np.clip(width / 2 + 0.5 - np.minimum(within, spacing - within), 0, 1)


def _scatter(image, config, rng):
    """Strokes that are no digits: dashes, scratches, underlines."""
    for _ in range(int(rng.random() ** 2 * (scenes.STROKES * config.clutter + 1))):
        y, x, ink = textures.stray_stroke(config.image_size, digit_size=config.digit_size, rng=rng)
        opacity, *color = rng.random(4).tolist()
        part = image[y : y + ink.shape[0], x : x + ink.shape[1]]
        scenes._paint(part, (0.2 + 0.8 * opacity) * ink, ink_color(color, config))
