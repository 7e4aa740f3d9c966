"""A scene that somebody draws: digits of pen strokes, or of the embedded set, each with a place, a size and an angle.

It comes from a page, or from a link that anyone may have written: what is not a scene is refused in one sentence.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

from tinymaskrcnn.config import SceneConfig
from tinymaskrcnn.data import digits, scenes
from tinymaskrcnn.data.textures import distance_to_line
from tinymaskrcnn.errors import DataError, shown
from tinymaskrcnn.structures import Target

SIDE = 128  # pixels of a scene: those that the shipped detector of scenes was trained with
PEN = 0.075  # half the width of a stroke, in heights of its digit; about that of the embedded digits
MOST_DIGITS, MOST_STROKES, MOST_POINTS = 12, 12, 400
RANGES = {"x": (-64, 192), "y": (-64, 192), "size": (6, 128), "angle": (-360, 360), "noise": (0, 1), "clutter": (0, 1)}
RANGES |= {"seed": (0, 999), "sample": (0, 1796), "digit": (0, 9), "point": (-8, 8)}


@dataclass(frozen=True)
class Drawn:
    """A digit: its middle x, y and its height `size` in pixels, angle in degrees counter-clockwise.

    strokes: lines (P, 2) as x, y in heights of the digit around its middle, or () where sample, the number of an
    embedded digit, is drawn; digit: what it is meant to be, None where nobody said so.
    """

    x: float
    y: float
    size: float
    angle: float
    strokes: tuple
    sample: int | None
    digit: int | None


@dataclass(frozen=True)
class Sketch:
    """[Drawn], the lowest first; noise and clutter in 0..1; seed: of what chance lays on the paper."""

    digits: tuple
    noise: float
    clutter: float
    seed: int


def read_sketch(plain):
    """{"digits": [{"x", "y", "size", "angle", "strokes" or "sample", "digit"}], "noise", "clutter", "seed"}, of plain
    lists and numbers  ->  Sketch; DataError where it is none."""
    if not isinstance(plain, dict):
        raise DataError(f"a scene is an object with digits, noise, clutter and seed; got {shown(plain)}")
    given = _listed(plain.get("digits", []), "digits", MOST_DIGITS)
    noise, clutter = (_number(plain.get(name, 0), name) for name in ("noise", "clutter"))
    return Sketch(tuple(_drawn(one) for one in given), noise, clutter, int(_number(plain.get("seed", 0), "seed")))


def _drawn(plain):
    if not isinstance(plain, dict):
        raise DataError(f"a digit of a scene is an object with x, y and size; got {shown(plain)}")
    x, y, size = (_number(plain.get(name), name) for name in ("x", "y", "size"))
    angle, sample, digit = _number(plain.get("angle", 0), "angle"), plain.get("sample"), plain.get("digit")
    if sample is not None:
        sample = int(_number(sample, "sample"))
        return Drawn(x, y, size, angle, (), sample, int(digits.load().labels[sample]))
    strokes = _listed(plain.get("strokes", []), "strokes", MOST_STROKES, at_least=1)
    digit = None if digit is None else int(_number(digit, "digit"))
    return Drawn(x, y, size, angle, tuple(_line(stroke) for stroke in strokes), None, digit)


def _line(plain):
    points = _listed(plain, "points of a stroke", MOST_POINTS, at_least=1)
    pairs = [_listed(point, "numbers of a point", 2, at_least=2) for point in points]
    return np.array([[_number(value, "point") for value in pair] for pair in pairs], np.float64)


def _listed(plain, what, most, *, at_least=0):
    if not isinstance(plain, list) or not at_least <= len(plain) <= most:
        raise DataError(f"a scene has {at_least} to {most} {what}; got {shown(plain)}")
    return plain


def _number(value, name):
    low, high = RANGES[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise DataError(f"a scene's {name} is a number from {low} to {high}; got {shown(value)}")
    return value


# ---------------------------------------------------------------- as a picture


def draw_sketch(sketch):
    """The picture of a Sketch, its true objects, and which digit of the sketch each of them is.

    Sketch  ->  image (128, 128, 1) float32 in 0..1, Target with M objects, which (M,) int

    It is painted as the generator of scenes paints. A digit of which nothing can be seen is no object; the label of
    one that nobody named is that of 0.
    """
    config = SceneConfig(image_size=SIDE, noise=sketch.noise, clutter=sketch.clutter, min_visible=0.0)
    painted = [_painted(drawn) for drawn in sketch.digits]
    number = {id(one): i for i, one in enumerate(painted) if one is not None}
    seen, masks = scenes.visible_digits([one for one in painted if one is not None], config)

    def stream(part):
        return np.random.default_rng([sketch.seed, part])

    image = scenes.paint_scene(seen, config, stream)
    which = np.array([number[id(one)] for one in seen], int)
    boxes = np.array([scenes.box_of(mask) for mask in masks], np.float32).reshape(-1, 4)
    labels = np.array([one.label for one in seen], np.int64)
    return image, Target(boxes, labels, np.array(masks, bool).reshape(-1, SIDE, SIDE)), which


def _painted(drawn):
    """A `scenes.Digit`, cut off at the picture's edges; None where all of it lies outside."""
    ink = _of_bank(drawn) if drawn.sample is not None else _of_strokes(drawn)
    y, x = round(drawn.y - ink.shape[0] / 2), round(drawn.x - ink.shape[1] / 2)
    rows, columns = (slice(max(0, -at), max(0, SIDE - at)) for at in (y, x))
    ink = ink[rows, columns]
    if not ink.size or not (ink > 0.5).any():
        return None
    return scenes.Digit((drawn.digit or 0) + 1, ink, max(y, 0), max(x, 0), 1.0, np.ones(1))


def _of_bank(drawn):
    return _bank_ink(drawn.sample, drawn.size, drawn.angle)


@functools.lru_cache(maxsize=64)
def _bank_ink(sample, size, angle):
    return digits.load().render(sample, size, angle)


def _of_strokes(drawn):
    """Ink (h, w) around the middle of a digit, whose window is as wide and high as its strokes reach."""
    turn = math.radians(drawn.angle)
    c, s = math.cos(turn), math.sin(turn)
    lines = [drawn.size * line @ np.array([[c, -s], [s, c]]) for line in drawn.strokes]
    radius = max(PEN * drawn.size, 0.8)
    reach = np.ceil(np.max([abs(line).max(axis=0) for line in lines], axis=0) + radius + 1).astype(int)
    y = np.arange(-reach[1], reach[1])[:, None] + 0.5
    x = np.arange(-reach[0], reach[0])[None, :] + 0.5
    nearest = [distance_to_line(y, x, np.repeat(line[:, ::-1], 1 + (len(line) == 1), axis=0)) for line in lines]
    return np.rint(255 * np.clip(radius + 0.5 - np.min(nearest, axis=0), 0, 1)).astype(np.float32) / np.float32(255)
