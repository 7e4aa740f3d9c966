"""The playground: what its page asks. A question holds all it is about, so that none depends on what came before it.

Only the training goes on from where it stood. What was looked at last is remembered, because most questions are about
it.
"""

import functools
import json

import numpy as np

from tinymaskrcnn.data import digits
from tinymaskrcnn.errors import ArgumentError, shown
from tinymaskrcnn.zoo import load_tour_detector

from . import stages, words
from .links import SETTINGS, read_link
from .moving import Mover, overlap, pulls
from .plain import plain
from .sketch import SIDE, read_sketch
from .training import Training

REMEMBERED = 4  # scenes
SAMPLE_SPLIT = "test"  # digits that are put into a scene; the shipped detector has not seen them


def overview(*, scene, settings=None, min_score=0.5):
    """All stages of a scene: see `stages.overview`."""
    return plain(stages.overview(_decided(scene, settings), min_score))


def cell(*, scene, level, row, column):
    """The anchors over one cell of map `level`, from 0: see `stages.of_cell`."""
    return stages.of_cell(_seen(_key(scene)), level, row, column)


def detection(*, scene, k, settings=None):
    """What the heads said of detection k: see `stages.of_detection`."""
    return plain(stages.of_detection(_decided(scene, settings), k))


def why(*, scene, k, settings=None, min_score=0.5):
    """Why detection k is there: see `stages.chain_of`."""
    return stages.chain_of(_decided(scene, settings), min_score, k)


def missed(*, scene, settings=None, min_score=0.5, most=3):
    """Where each missed digit was lost: see `stages.missed_ones`."""
    return stages.missed_ones(_decided(scene, settings), min_score, most)


def move(*, scene, box, digit, steps=1, pixels=0.5):
    """Move a box by its gradient towards more of a digit: see `Mover.walk`; iou: with the digits of the scene."""
    if not 0 <= steps <= 200:
        raise ArgumentError(f"move: steps must be in 0..200; got {shown(steps)}")
    seen = _seen(_key(scene))
    pyramid = [level[None] for level in seen.trace.pyramid]
    walked = _mover().walk(pyramid, box, digit + 1, steps=steps, pixels=pixels, side=SIDE)
    last, iou = walked["boxes"][-1], float(overlap(walked["boxes"][-1], seen.target.boxes).max(initial=0))
    said = words.of_move(digit, walked["probabilities"][digit + 1], walked["losses"][-1], iou)
    return walked | {"iou": iou, "pulls": pulls(last, walked["gradient"]), "words": said}


def samples(*, digit, count=8, seed=0):
    """Some numbers of embedded digits of one kind, for scenes: [int]"""
    bank = digits.load()
    members = bank.members(SAMPLE_SPLIT)
    members = members[bank.labels[members] == digit]
    return np.random.default_rng([seed, digit]).permutation(members)[:count].tolist()


def train(*, steps, begin=False):
    """Train the small detector some steps further, or from its first step on: see `Training.go`; at the end, judged."""
    if begin:
        _trained.cache_clear()
    told = _trained().go(steps)
    judged = _trained().judge() if told["step"] == told["of"] else None
    return told | {"judged": judged, "words": words.of_training(told["step"], told["of"], judged)}


def linked(*, link):
    """The scene that an address holds: see `read_link`."""
    return read_link(link)


def example(number=0):
    """A scene to begin with, of embedded digits and plain numbers alone."""
    rng = np.random.default_rng([7, number])
    places = [(30, 34), (92, 30), (40, 94), (98, 92)]
    chosen = rng.permutation(10)[:4].tolist()
    drawn = [
        {
            "x": x,
            "y": y,
            "size": int(rng.integers(26, 37)),
            "angle": int(rng.integers(-12, 13)),
            "sample": samples(digit=d)[0],
        }
        for (x, y), d in zip(places, chosen)
    ]
    return {"digits": drawn, "noise": 0.1, "clutter": 0.2, "seed": number}


def recorded():
    """The answers that the page shows before Python has started: {"scene", "settings", "overview", "at", "cell",
    "detection", "why", "missed", "samples": some numbers of each digit, "film": what the training looks at, "mover":
    the box that is moved first, off the first digit}."""
    scene, at = example(), {"level": 1, "row": 4, "column": 3}
    asked = {"scene": scene, "settings": SETTINGS, "overview": overview(scene=scene)}
    asked |= {"at": at, "cell": cell(scene=scene, **at), "mover": _beside(scene)}
    asked |= {"detection": detection(scene=scene, k=0), "why": why(scene=scene, k=0)} | {"missed": missed(scene=scene)}
    asked |= {"samples": [samples(digit=digit) for digit in range(10)]}
    return asked | {"film": plain(Training().picture())}


def _beside(scene):
    seen = _seen(_key(scene))
    box, label = seen.target.boxes[0], seen.target.labels[0]
    return {"box": (box + [7, -5, 9, -3]).tolist(), "digit": int(label) - 1}


# ---------------------------------------------------------------- what is remembered


def _key(scene):
    return json.dumps(scene, sort_keys=True)


@functools.lru_cache(maxsize=1)
def _model():
    return load_tour_detector()


@functools.lru_cache(maxsize=1)
def _mover():
    return Mover(_model())


@functools.lru_cache(maxsize=REMEMBERED)
def _seen(key):
    return stages.see(_model(), read_sketch(json.loads(key)))


@functools.lru_cache(maxsize=REMEMBERED)
def _decided_by(key, settings):
    return stages.decided(_seen(key), dict(settings))


def _decided(scene, settings):
    other = {name: value for name, value in (settings or {}).items() if value != SETTINGS.get(name)}
    return _decided_by(_key(scene), tuple(sorted(other.items())))


@functools.lru_cache(maxsize=1)
def _trained():
    return Training()
