"""The exercise on the labels of anchors and RoIs."""

import numpy as np

from ..exercise import Call, Case, Exercise, Mistake
from ._drawn import drawn


def _match(iou, valid=None, positive=0.7, negative=0.3, low_quality=False):
    iou = np.array(iou, np.float64)
    valid = np.ones((iou.shape[0], iou.shape[2]), bool) if valid is None else np.array(valid, bool)
    data = {"positive_iou": positive, "negative_iou": negative, "low_quality": low_quality}
    return lambda rng: Call((iou, valid), data)


def _random_match(low_quality=True, dtype=np.float64):
    def make(rng):
        iou = rng.integers(0, 17, (2, 12, 4)).astype(dtype) / 16  # ties and thresholds are met, alike in both dtypes
        valid = np.array([[True, True, True, False], [True, False, False, False]])
        return Call((iou, valid), {"positive_iou": 0.75, "negative_iou": 0.25, "low_quality": low_quality})

    return make


def _any_match(draw):
    """IoUs of sixteenths, of thresholds and their neighbours: exact in both dtypes, with ties and near ties."""
    rng, (n, k, m) = draw.rng, draw.turn([(2, 30, 7), (3, 9, 2), (1, 200, 5), (7, 5, 1), (2, 12, 31)])
    iou = rng.integers(0, 17, (n, k, m)) / 16 * (rng.random((n, k, m)) < 0.5)
    hair = draw.turn([2.0**-40, 2.0**-20])  # what float64 and float32 can tell apart
    iou = np.where(iou < 1, iou + rng.choice([0, 0, hair, -hair], (n, k, m)) * (iou > 0), iou).astype(draw.dtype)
    iou[:, :, 0] *= draw.turn([1, 2.0**-44])  # what nobody overlaps well rescues all the same
    positive, negative = draw.turn([(0.75, 0.25), (0.5, 0.5), (1, 0), (0.625, 0.0625), (0.25, 0.125)])
    valid = rng.random((n, m)) < draw.turn([0.7, 1, 0.4])
    data = {"positive_iou": positive, "negative_iou": negative, "low_quality": draw.turn([True, True, False])}
    return Call((iou, valid), data)


FOUR = [[[0.8, 0.1], [0.5, 0.2], [0.2, 0.1], [0.35, 0.75]]]
WEAK = [[[0.75, 0.0], [0.1, 0.4], [0.2, 0.4], [0.0, 0.2]]]  # the second object's best is 0.4, twice

MATCH = Exercise(
    id="hw03.match",
    title="Which object does each box belong to?",
    points=3,
    lesson="05",
    recipe="""
        iou (N, K, M): boxes with objects; valid (N, M) says which objects are there and which only fill up the
        array. POSITIVE, NEUTRAL and NEGATIVE are 1, 0 and -1.
        1. An object that is not valid overlaps nothing: make its IoU smaller than any (say -1), on a copy.
        2. matched (N, K): the object each box overlaps most. best (N, K): by how much.
        3. label (N, K): POSITIVE where best >= positive_iou, NEGATIVE where best < negative_iou, NEUTRAL in
           between.
        4. With low_quality: every box that is the best of SOME object is POSITIVE too, ties included, so that
           no object goes without. An object that no box overlaps (its best is 0 or less) rescues nobody.
           matched stays as it is.
        Return matched, label.
    """,
    returns=("matched", "label"),
    cases=(
        Case("positive, neutral, negative", "value", _match(FOUR)),
        Case(
            "an object without a good box",
            "value",
            _match(WEAK, low_quality=True),
            "its best boxes, two of equal IoU 0.4, become positive",
        ),
        Case("many", "value", _random_match(False), hidden=True),
        Case(
            "exactly at the thresholds",
            "adversarial",
            _match([[[0.75], [0.25], [0.24]]], positive=0.75, negative=0.25),
            "0.75 is positive already, 0.25 is not negative yet",
        ),
        Case(
            "other thresholds",
            "adversarial",
            _match([[[0.65], [0.55], [0.45], [0.35]]], positive=0.5, negative=0.4),
            "positive_iou is 0.5 and negative_iou 0.4 here",
        ),
        Case(
            "an object with a poor best box",
            "adversarial",
            _match([[[0.8, 0, 0], [0.5, 0.05, 0], [0.1, 0.049, 0.1]]], low_quality=True),
            "the best IoU of two objects is 0.05 and 0.1, below negative_iou: those boxes are positive all the same",
        ),
        Case(
            "two pictures",
            "adversarial",
            _match([[[0.6], [0.1]], [[0.1], [0.2]]], low_quality=True),
            "each picture has objects of its own: 0.6 is the best of the first, 0.2 that of the second",
        ),
        Case(
            "the first object only fills up",
            "adversarial",
            _match([[[0.9, 0.0], [0.9, 0.8]]], [[False, True]]),
            "an object that is not there is no answer, not even for a box that overlaps nothing",
        ),
        Case(
            "an object that only fills up",
            "adversarial",
            _match(FOUR, [[True, False]], low_quality=True),
            "the second object is not there",
        ),
        Case(
            "an object that nothing overlaps",
            "adversarial",
            _match([[[0.8, 0.0], [0.1, 0.0]]], low_quality=True),
            "its best IoU is 0: it must not make every box positive",
        ),
        Case(
            "the best of one object, but closer to another",
            "adversarial",
            _match([[[0.6, 0.5], [0.9, 0.1]]], low_quality=True),
            "matched stays the box's own best object",
        ),
        Case(
            "a picture without objects",
            "adversarial",
            _match(np.full((1, 3, 2), 0.9), [[False, False]], low_quality=True),
        ),
        Case("ties everywhere", "adversarial", _random_match(), hidden=True),
        Case(
            "a hundred and fifty pictures",
            "adversarial",
            lambda rng: _match(rng.integers(0, 17, (150, 3, 2)) / 16, rng.random((150, 2)) < 0.8, 0.75, 0.25, True)(
                rng
            ),
        ),
        Case(
            "twenty objects, each with a poor box of its own",
            "adversarial",
            lambda rng: _match(0.1 * np.eye(30)[None, rng.permutation(30), :20], low_quality=True)(rng),
            "whoever is the best of some object is positive: here twenty boxes, whose IoU is 0.1",
        ),
        Case("no boxes", "adversarial", _match(np.zeros((2, 0, 3)))),
        Case("no pictures", "adversarial", _match(np.zeros((0, 3, 2)), low_quality=True)),
        *drawn(
            "any IoU",
            _any_match,
            times=15,
            why="any number of pictures, boxes and objects; other thresholds; ties, almost ties, IoUs on a threshold",
        ),
        Case("float32", "shape", _random_match(dtype=np.float32)),
        Case("nothing is written into", "ownership", _random_match()),
    ),
    mistakes=(
        Mistake(
            "objects that only fill up the array take part: where valid is False the IoU must count as -1",
            (("xp.where(valid[:, None, :], iou, -1)", "iou"),),
        ),
        Mistake(
            "there is no neutral band: what lies between the two thresholds is neither",
            (("xp.where(best < negative_iou, NEGATIVE, NEUTRAL)", "NEGATIVE"),),
        ),
        Mistake(
            "a box at exactly positive_iou is positive already",
            (("best >= positive_iou", "best > positive_iou"),),
        ),
        Mistake(
            "a box at exactly negative_iou is not negative: it must lie below",
            (("best < negative_iou", "best <= negative_iou"),),
        ),
        Mistake(
            "low_quality is left out: an object whose best box is weak gets none",
            (("if low_quality:", "if False:"),),
        ),
        Mistake(
            "of several boxes that are equally good for an object only the first is rescued: ties are included",
            (
                (
                    "(iou == best_of_object) & (best_of_object > 0)",
                    "(xp.arange(iou.shape[1])[None, :, None] == iou.argmax(axis=1)[:, None, :]) & (best_of_object > 0)",
                ),
            ),
        ),
        Mistake(
            "an object whose best box lies below negative_iou rescues none: it should, wherever its best is above 0",
            (("(best_of_object > 0)", "(best_of_object >= negative_iou)"),),
        ),
        Mistake(
            "only neutral boxes are rescued: the best box of an object is positive, also when it was negative",
            (("is_best.any(axis=2), POSITIVE", "is_best.any(axis=2) & (label != NEGATIVE), POSITIVE"),),
        ),
        Mistake(
            "the best box of an object is looked for in all pictures at once: each picture has objects of its own",
            (("iou.max(axis=1, keepdims=True)", "iou.max(axis=(0, 1), keepdims=True)"),),
        ),
        Mistake(
            "an object that only fills up counts with IoU 0: a box that overlaps nothing may then be matched with it, "
            "so make it smaller than any, -1",
            (("xp.where(valid[:, None, :], iou, -1)", "xp.where(valid[:, None, :], iou, 0)"),),
        ),
        Mistake(
            "the thresholds are numbers of your own: use positive_iou and negative_iou",
            (("best >= positive_iou", "best >= 0.7"), ("best < negative_iou", "best < 0.3")),
        ),
        Mistake(
            "an object that nothing overlaps rescues every box: its best IoU is 0, and all boxes share it",
            (("(iou == best_of_object) & (best_of_object > 0)", "iou == best_of_object"),),
        ),
        Mistake(
            "a rescued box is also given to the object it rescues: matched stays the box's own best",
            (
                (
                    "label = xp.where(is_best.any(axis=2), POSITIVE, label)",
                    "label = xp.where(is_best.any(axis=2), POSITIVE, label)\n"
                    "        matched = xp.where(is_best.any(axis=2), is_best.argmax(axis=2), matched)",
                ),
            ),
        ),
        Mistake(
            "the labels of neutral and negative are exchanged",
            (("NEGATIVE, NEUTRAL", "NEUTRAL, NEGATIVE"),),
        ),
    ),
)
