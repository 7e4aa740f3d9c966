"""Homework 1, second part: softmax."""

import numpy as np

from ...ops.softmax import softmax_backward, softmax_forward
from ..exercise import Call, Case, Exercise, GradientCase, Mistake
from ._drawn import MANY, magnitudes
from ._shared import cache_proven_by


def _scores(*shape, dtype=np.float64, scale=1.0):
    return lambda rng: Call(((scale * rng.standard_normal(shape)).astype(dtype),))


def _of_every_size(dtype):
    """Rows of scores around 1e-8, 1e-7, ..., 1e15, and some of a few hundred, in any order."""
    sizes = np.concatenate([10.0 ** np.arange(-8, 16), np.linspace(100, 900, 9)])[:, None]
    return lambda rng: Call(((rng.permutation(sizes) * rng.standard_normal((len(sizes), 5))).astype(dtype),))


def _fixed(*rows, dtype=np.float64):
    return lambda rng: Call((np.array(rows, dtype),))


SOFTMAX = Exercise(
    id="hw01.softmax_forward",
    title="Scores become probabilities",
    points=2,
    lesson="01",
    recipe="""
        softmax(x)[c] = exp(x[c]) / (exp(x[0]) + ... + exp(x[C-1])), along the last axis; x may have any axes
        before it.
        1. exp of a large score overflows. Adding one constant to all scores of a row changes no probability
           (why?), so subtract from each row its own largest score first: then every exponent is at most 0.
        2. Take exp, and divide by its sum along the last axis. keepdims=True keeps the axis, so that rows divide
           rows.
        3. Return y, cache. The backward will need the probabilities and nothing else: the cache is y itself.
    """,
    returns=("y", "cache"),
    results=cache_proven_by(softmax_forward, softmax_backward, ("dx",), "y itself"),
    cases=(
        Case("two rows by hand", "value", _fixed([0.0, np.log(3.0), np.log(4.0)], [np.log(2.0), 0.0, 0.0])),
        Case("a batch of rows", "value", _scores(4, 3)),
        Case("float32 stays float32", "shape", _scores(3, 5, dtype=np.float32)),
        Case("maps: softmax of every pixel", "shape", _scores(2, 3, 3, 4), "x has four axes; the classes are the last"),
        Case(
            "scores of 1000", "adversarial", _fixed([1000.0, 999.0, 0.0], [-1000.0, -1000.0, -1000.0]), "exp overflows"
        ),
        Case(
            "rows of very different size",
            "adversarial",
            _fixed([2000.0, 2001.0], [-2000.0, -2001.0]),
            "the largest score of one row is no help to another",
        ),
        Case(
            "two scores far above the others",
            "adversarial",
            _fixed([0.0, 3000.0, 3001.0, 0.0, 0.0]),
            "what is taken away must be the largest: the mean, or the first score, lies far below it",
        ),
        Case(
            "rows of every size",
            "adversarial",
            _of_every_size(np.float64),
            "scores from 1e-8 to 1e15: nothing may depend on how large they are",
        ),
        Case(
            "rows of every size in float32",
            "adversarial",
            _of_every_size(np.float32),
            "exp of 89 is more than a float32 can hold, of 710 more than a float64",
        ),
        Case("many rows", "adversarial", _scores(MANY, 3), f"{MANY} rows"),
        Case("large maps", "shape", _scores(7, 8, 7, 9), "x has four axes, each as long as you like"),
        Case("two axes before the last", "shape", _scores(3, 4, 2), "x has three axes; the classes are the last"),
        Case("no rows", "adversarial", _scores(0, 3), "a batch without rows is normal"),
        Case("the scores stay as they were", "ownership", _scores(3, 4)),
        GradientCase("against differences", "forward", "tinymaskrcnn.ops.softmax:softmax_backward", _scores(3, 4)),
        Case("one class", "adversarial", _scores(3, 1), "its probability is 1", hidden=True),
        Case("one row of scores, without a batch", "shape", _scores(6, scale=3.0), hidden=True),
    ),
    mistakes=(
        Mistake(
            "the largest score of each row is not subtracted before exp: right for small scores, inf / inf for large "
            "ones",
            (("x - x.max(axis=-1, keepdims=True)", "x"),),
        ),
        Mistake(
            "you subtract the largest score of the whole array: rows far below it become 0 / 0; each row needs its "
            "own largest, max(axis=-1, keepdims=True)",
            (("x.max(axis=-1, keepdims=True)", "x.max()"),),
        ),
        Mistake(
            "what you subtract, such as the mean or the first score of each row, may lie far below the largest, and "
            "exp still overflows: subtract the largest",
            (("x.max(axis=-1, keepdims=True)", "x.mean(axis=-1, keepdims=True)"),),
        ),
        Mistake(
            "you divide by the sum of the whole array: the probabilities of each row must add up to 1, so sum along "
            "the last axis only",
            (("e.sum(axis=-1, keepdims=True)", "e.sum()"),),
        ),
        Mistake(
            "you sum along the first axis, over the rows: the classes lie along the last axis",
            (("e.sum(axis=-1, keepdims=True)", "e.sum(axis=0, keepdims=True)"),),
        ),
        Mistake(
            "you sum along axis 1: that is the last axis of a matrix, but x may have more axes; axis=-1 is always the "
            "last",
            (("e.sum(axis=-1", "e.sum(axis=1"), ("x.max(axis=-1", "x.max(axis=1")),
        ),
        Mistake(
            "the cache holds x: the backward needs the probabilities, so keep y (what they are made of is not asked "
            "again)",
            (("return y, y", "return y, x"),),
        ),
        Mistake(
            "keepdims=True is missing: without it the sum of each row has lost its axis and is laid along the classes",
            (("e.sum(axis=-1, keepdims=True)", "e.sum(axis=-1)"),),
        ),
        Mistake(
            "you look for the largest score and sum along the first axis, over the rows: the classes lie along the "
            "last axis",
            (("x.max(axis=-1", "x.max(axis=0"), ("e.sum(axis=-1", "e.sum(axis=0")),
        ),
        Mistake(
            "exp is missing: scores may be negative, and only exp makes every one of them positive",
            (("xp.exp(x - x.max(axis=-1, keepdims=True))", "(x - x.max(axis=-1, keepdims=True))"),),
        ),
        Mistake(
            "exp is missing, and so is the largest score: scores may be negative, and only exp makes them positive",
            (("xp.exp(x - x.max(axis=-1, keepdims=True))", "x"),),
        ),
        Mistake(
            "softmax is applied twice: what it gives are probabilities already",
            (
                (
                    "y = e / e.sum(axis=-1, keepdims=True)",
                    "y = xp.exp(e / e.sum(axis=-1, keepdims=True)); y = y / y.sum(axis=-1, keepdims=True)",
                ),
            ),
        ),
    ),
)


def _dy_and_y(*shape, dtype=np.float64, scale=1.0):
    def make(rng):
        y, _ = softmax_forward(rng.standard_normal(shape).astype(dtype))
        return Call(((scale * rng.standard_normal(shape)).astype(dtype), y))

    return make


def _sure(rng):
    return Call((rng.standard_normal((3, 3)), np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0]])))


SOFTMAX_BACK = Exercise(
    id="hw01.softmax_backward",
    title="Raising one score lowers every other probability",
    points=3,
    lesson="01",
    recipe="""
        The forward was y = softmax(x) along the last axis; the cache is y.
        1. One score x[j] moves all probabilities of its row: ∂y[i]/∂x[j] = y[i] (1 - y[j]) for i = j, and -y[i]
           y[j] for all others.
        2. dx[j], the gradient, is the sum over i of dy[i] times that. Write the sum down and take y[j] out of it.
           What is left in the bracket are two terms: dy[j], and one number that is the same for the whole row.
        3. Write it for all rows at once: sums along the last axis (x may have any axes before it), with
           keepdims=True.
        4. Return dx alone: there is one argument, so there is one gradient.
    """,
    returns=("dx",),
    cases=(
        Case(
            "two rows by hand",
            "value",
            lambda rng: Call(
                (np.array([[1.0, 0.0, 2.0], [2.0, 2.0, 2.0]]), np.array([[0.25, 0.5, 0.25], [0.5, 0.25, 0.25]]))
            ),
            "in the second row dy is the same everywhere: probabilities add up to 1, so nothing can be gained and dx "
            "is 0",
        ),
        Case("three rows of four", "value", _dy_and_y(3, 4)),
        Case("float32 stays float32", "shape", _dy_and_y(3, 5, dtype=np.float32)),
        Case("maps: four axes", "shape", _dy_and_y(2, 3, 3, 4), "the classes are the last axis, not axis 1"),
        Case("sure of itself", "adversarial", _sure, "probabilities of exactly 0 and 1"),
        Case("many rows", "adversarial", _dy_and_y(MANY, 3), f"{MANY} rows"),
        Case("large maps", "shape", _dy_and_y(7, 8, 7, 9), "four axes, each as long as you like"),
        Case("two axes before the last", "shape", _dy_and_y(3, 4, 2), "three axes; the classes are the last"),
        *magnitudes(lambda **options: _dy_and_y(4, 3, **options)),
        Case("no rows", "adversarial", _dy_and_y(0, 3), "a batch without rows is normal"),
        Case("nothing is written into", "ownership", _dy_and_y(3, 4)),
        GradientCase("against differences", "backward", "tinymaskrcnn.ops.softmax:softmax_forward", _scores(3, 4)),
        Case("one class", "adversarial", _dy_and_y(3, 1), "its probability cannot change", hidden=True),
        Case("one row, without a batch", "shape", _dy_and_y(5), hidden=True),
    ),
    mistakes=(
        Mistake(
            "you treat every class alone, as a sigmoid would: y (1 - y) dy is the diagonal only, but each score also "
            "moves all other probabilities of its row",
            (("y * (dy - expected)", "y * (1 - y) * dy"),),
        ),
        Mistake(
            "the sum over the row is not weighted by the probabilities: it is the sum of dy * y",
            (("(dy * y).sum", "dy.sum"),),
        ),
        Mistake(
            "the sum over the row became a mean: y adds up to 1 already, so nothing is left to divide by",
            (("(dy * y).sum(", "(dy * y).mean("),),
        ),
        Mistake(
            "the factor y in front is missing: a class that is hardly ever chosen can hardly change",
            (("y * (dy - expected)", "dy - expected"),),
        ),
        Mistake(
            "the first term is missing: y dy is what a score does to its own probability, before the row makes up for "
            "it",
            (("y * (dy - expected)", "y * (-expected)"),),
        ),
        Mistake(
            "the two terms are added: when one probability rises the others fall, so the second term is taken away",
            (("y * (dy - expected)", "y * (dy + expected)"),),
        ),
        Mistake(
            "y is missing in the second term: it stands in front of both, y * (dy - sum)",
            (("y * (dy - expected)", "y * dy - expected"),),
        ),
        Mistake(
            "the second term is missing: y dy forgets that the probabilities must go on adding up to 1",
            (("y * (dy - expected)", "y * dy"),),
        ),
        Mistake(
            "you sum along axis 1: that is the last axis of a matrix, but y may have more axes; axis=-1 is always the "
            "last",
            (("axis=-1", "axis=1"),),
        ),
        Mistake(
            "you sum over the rows (axis=0): every row has its own softmax, and its classes lie along the last axis",
            (("axis=-1", "axis=0"),),
        ),
        Mistake(
            "you sum over the whole array: rows know nothing of each other, so sum along the last axis only",
            (("(dy * y).sum(axis=-1, keepdims=True)", "(dy * y).sum()"),),
        ),
    ),
)
