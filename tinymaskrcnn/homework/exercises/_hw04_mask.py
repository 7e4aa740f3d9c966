"""Exercises on the mask loss."""

import numpy as np

from ...ops.losses import sigmoid_cross_entropy_backward, sigmoid_cross_entropy_forward
from ..exercise import Call, Case, Exercise, GradientCase, Mistake
from ._drawn import drawn
from ._shared import cache_proven_by

PAIR = "tinymaskrcnn.ops.losses:sigmoid_cross_entropy_"


SURE = [[2.0, -2, 2], [2, -2, 2]], [[0.0, 1, 0], [1, 0, 1]]


def _loss(logits, targets, dtype=np.float64, **data):
    data = {name: np.array(value, dtype) if name == "weight" else value for name, value in data.items()}
    return lambda rng: Call((np.array(logits, dtype),), {"targets": np.array(targets, dtype), **data})


def _masks(dtype=np.float64, **data):
    """Logits of three masks of 4x4 pixels, soft targets, a weight for each mask."""

    def make(rng):
        logits = rng.normal(0, 2, (3, 4, 4)).astype(dtype)
        targets = rng.random((3, 4, 4)).astype(dtype)
        return Call((logits,), {"targets": targets, "weight": np.array([1, 0, 1], dtype), "normalizer": 20.0} | data)

    return make


def _any_loss(draw):
    """Logits of any size and number of axes, hard and soft targets, weights of any number of leading axes."""
    rng, shape = draw.rng, draw.turn([(3, 7, 8), (7,), (2, 3, 2, 9), (160, 2)])
    logits = rng.normal(0, draw.turn([1, 30, 1e-4, 400, 3e6]), shape).astype(draw.dtype)
    targets = draw.turn([rng.random(shape), rng.random(shape) < 0.5, rng.random(shape)]).astype(draw.dtype)
    weight = draw.rng.choice([0, 0.25, 1, 3], shape[: draw.turn([1, 4, 2])]).astype(draw.dtype)
    both = {"weight": weight, "normalizer": 7.5}
    data = draw.turn([{"weight": weight}, both, {}, {"weight": weight}, {"normalizer": 30}])
    return Call((logits,), {"targets": targets, **data})


def _any_loss_cache(draw):
    dloss = draw.turn([-2.5, 1e-15, 3e7, 0.0, 3.0])
    call = _loss_cache(lambda rng: _any_loss(draw), dloss)(draw.rng)
    return draw.turn([call, Call((dloss, call.args[1]))])


LOSS = Exercise(
    id="hw04.sigmoid_cross_entropy_forward",
    title="The mask loss: a yes or no for each pixel",
    points=3,
    lesson="07",
    recipe="""
        For each pixel with logit x and target t, the probability is s = 1 / (1 + exp(-x)), and the loss of the
        pixel -t log(s) - (1 - t) log(1 - s). The lines above have made weight broadcast against logits, and
        have put 0 where it is 0.
        1. Write the loss of the pixel so that no logit can overflow: put s in, take the logarithms, and see
           that it becomes x - x t + log(1 + exp(-x)) for positive x, and -x t + log(1 + exp(x)) for negative x.
           One formula with |x| says both: exp then only sees numbers below 0. log1p(y) is log(1 + y), exact for
           small y. Call the array `element`.
        2. `_reduce("sigmoid_cross_entropy_forward", element, weight, normalizer)` returns the loss, sum(weight
           * element) / normalizer, and the normalizer it used.
        3. The cache is (logits, targets, weight, normalizer).
        Return loss, cache.
    """,
    returns=("loss",),
    results=cache_proven_by(
        sigmoid_cross_entropy_forward,
        sigmoid_cross_entropy_backward,
        ("dlogits",),
        "(logits, targets, weight, normalizer)",
        result="loss",
    ),
    cases=(
        Case("one pixel, undecided", "value", _loss([[0.0]], [[1.0]]), "log 2 = 0.693"),
        Case("three sure and wrong, three sure and right", "value", _loss(*SURE)),
        Case("soft targets", "value", _masks(), hidden=True),
        Case(
            "very sure",
            "adversarial",
            _loss([[1000.0, -1000], [1000, -1000]], [[1.0, 0], [0, 1]]),
            "logits of 1000: 0 where right, 1000 where wrong, never infinite",
        ),
        Case("a mask that does not count", "adversarial", _masks(), "its weight is 0; the normalizer is given"),
        Case(
            "a weight for each pixel",
            "adversarial",
            _loss([[1.0, -1], [0.5, 3]], [[1.0, 1], [0, 0]], weight=[[1, 0], [0.5, 2]]),
        ),
        Case("no masks", "adversarial", _loss(np.zeros((0, 2, 2)), np.zeros((0, 2, 2)))),
        Case(
            "nothing counts",
            "adversarial",
            _loss([[1.0, -1], [0.5, 3]], [[1.0, 1], [0, 0]], weight=[0, 0]),
            "all weights are 0: so is the loss",
        ),
        *drawn(
            "any logits",
            _any_loss,
            times=12,
            why="any number of axes, tiny and large logits, hard and soft targets; weights of several axes; normalizer "
            "given or not",
        ),
        Case("float32 stays float32", "shape", _masks(np.float32)),
        Case("nothing is written into", "ownership", _masks()),
        GradientCase(
            "its cache serves the backward",
            "forward",
            PAIR + "backward",
            lambda rng: Call(
                (rng.normal(0, 2, (3, 4)),), {"targets": rng.random((3, 4)), "weight": np.array([1.0, 0, 2])}
            ),
        ),
    ),
    mistakes=(
        Mistake(
            "a sure pixel gives infinity or NaN: log(0). Use the form in which exp only sees numbers below 0",
            (
                (
                    "xp.maximum(logits, 0) - logits * targets + xp.log1p(xp.exp(-xp.abs(logits)))",
                    "-(targets * xp.log(1 / (1 + xp.exp(-logits)))"
                    " + (1 - targets) * xp.log(1 - 1 / (1 + xp.exp(-logits))))",
                ),
            ),
        ),
        Mistake(
            "only the pixels of the object count: (1 - t) log(1 - s) is missing",
            (
                (
                    "xp.maximum(logits, 0) - logits * targets + xp.log1p(xp.exp(-xp.abs(logits)))",
                    "targets * (xp.maximum(-logits, 0) + xp.log1p(xp.exp(-xp.abs(logits))))",
                ),
            ),
        ),
        Mistake(
            "yes and no are exchanged: a target of 1 should make a large logit cheap",
            (("- logits * targets", "- logits * (1 - targets)"),),
        ),
        Mistake(
            "the sign is wrong: a loss is minus the logarithm of a probability",
            (
                (
                    "element = xp.maximum(logits, 0) - logits * targets + xp.log1p(xp.exp(-xp.abs(logits)))",
                    "element = -xp.maximum(logits, 0) + logits * targets - xp.log1p(xp.exp(-xp.abs(logits)))",
                ),
            ),
        ),
        Mistake(
            "exp sees the logit and not minus its absolute value: it is wrong for negative logits, and overflows",
            (("xp.exp(-xp.abs(logits))", "xp.exp(-logits)"),),
        ),
        Mistake(
            "all pixels count alike: hand weight and normalizer to `_reduce`",
            (("element, weight, normalizer)", "element, xp.ones_like(weight), None)"),),
        ),
        Mistake(
            "the normalizer is not handed on: `_reduce` then divides by the total weight",
            (("element, weight, normalizer)", "element, weight, None)"),),
        ),
        Mistake(
            "it is the squared error of the probability: the mask loss is a cross-entropy",
            (
                (
                    "xp.maximum(logits, 0) - logits * targets + xp.log1p(xp.exp(-xp.abs(logits)))",
                    "(1 / (1 + xp.exp(-logits)) - targets) ** 2",
                ),
            ),
        ),
    ),
)


def _loss_cache(make, dloss=1.0):
    """dloss and the cache of the loss."""

    def back(rng):
        call = make(rng)
        _, cache = sigmoid_cross_entropy_forward(*call.args, **call.data)
        return Call((np.asarray(dloss, call.args[0].dtype), cache))

    return back


LOSS_BACK = Exercise(
    id="hw04.sigmoid_cross_entropy_backward",
    title="The gradient of the mask loss",
    points=2,
    lesson="07",
    recipe="""
        The cache is (logits, targets, weight, normalizer). The loss of a pixel with logit x and target t was -t
        log(s) - (1 - t) log(1 - s), with s = 1 / (1 + exp(-x)).
        1. Derive the loss of the pixel by x. The derivative of s by x is s (1 - s), and nearly everything
           cancels.
        2. `_scaled(weight, dloss, normalizer)` gives what every pixel's own derivative is multiplied with.
        3. A logit of -1000 must not overflow: exp of numbers below 0 only. `sigmoid` of x is 1 / (1 + e) or e /
           (1 + e) with e = exp(-|x|).
        Return dlogits (...).
    """,
    returns=("dlogits",),
    cases=(
        Case("undecided", "value", _loss_cache(_loss([[0.0, 0]], [[1.0, 0]])), "half a step towards the target each"),
        Case("sure and wrong, sure and right", "value", _loss_cache(_loss(*SURE))),
        Case("soft targets", "value", _loss_cache(_masks()), hidden=True),
        Case("a loss that counts three times", "adversarial", _loss_cache(_masks(), 3.0), "dloss = 3"),
        Case(
            "very sure",
            "adversarial",
            _loss_cache(_loss([[1000.0, -1000], [1000, -1000]], [[1.0, 0], [0, 1]])),
            "logits of 1000",
        ),
        Case(
            "a mask that does not count",
            "adversarial",
            _loss_cache(_masks()),
            "its weight is 0, and so is its gradient",
        ),
        Case("no masks", "adversarial", _loss_cache(_loss(np.zeros((0, 2, 2)), np.zeros((0, 2, 2))))),
        *drawn(
            "any logits",
            _any_loss_cache,
            times=12,
            why="any number of axes, tiny and large logits, hard and soft targets; weights of several axes; dloss of "
            "any sign and size, a number or an array",
        ),
        Case("float32 stays float32", "shape", _loss_cache(_masks(np.float32))),
        Case("nothing is written into", "ownership", _loss_cache(_masks())),
        GradientCase(
            "against differences",
            "backward",
            PAIR + "forward",
            lambda rng: Call(
                (rng.normal(0, 2, (3, 4)),), {"targets": rng.random((3, 4)), "weight": np.array([1.0, 0, 2])}
            ),
        ),
    ),
    mistakes=(
        Mistake(
            "the sign is turned round: probability minus target",
            (("(probability - targets)", "(targets - probability)"),),
        ),
        Mistake(
            "s (1 - s) stands there once too often: in the cross-entropy it cancels",
            (
                (
                    "(probability - targets) * delement",
                    "(probability - targets) * probability * (1 - probability) * delement",
                ),
            ),
        ),
        Mistake(
            "dloss is left out: the loss may count more or less than once",
            (("_scaled(weight, dloss, normalizer)", "_scaled(weight, 1.0, normalizer)"),),
        ),
        Mistake(
            "the weight is left out: a mask that does not count has no gradient",
            (("_scaled(weight, dloss, normalizer)", "_scaled(xp.ones_like(weight), dloss, normalizer)"),),
        ),
        Mistake(
            "the normalizer is left out: the loss was divided by it",
            (("_scaled(weight, dloss, normalizer)", "_scaled(weight, dloss, xp.ones_like(normalizer))"),),
        ),
        Mistake(
            "you divide by the total weight: the cache holds the normalizer that the loss was divided by",
            (
                (
                    "_scaled(weight, dloss, normalizer)",
                    "_scaled(weight, dloss, max(np.broadcast_to(weight, logits.shape).sum(), 1))",
                ),
            ),
        ),
        Mistake(
            "the logits are compared with the targets: take their probability first",
            (("(probability - targets)", "(logits - targets)"),),
        ),
    ),
)
