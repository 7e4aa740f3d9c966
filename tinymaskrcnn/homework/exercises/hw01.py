"""Homework 1: pairs and gradients."""

import numpy as np

from ..exercise import Call, Case, Exercise, GradientCase, Mistake

TITLE = "pairs and gradients"


def _linear(rng, K=3, C=2, O=4, dtype=np.float64):
    """dy and the cache of a linear layer."""
    x, weight, dy = (rng.standard_normal(shape).astype(dtype) for shape in ((K, C), (C, O), (K, O)))
    return Call((dy, (x, weight)))


def _small_linear(rng):
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    weight = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 3.0]])
    return Call((np.array([[1.0, 0.0, 1.0], [0.0, 2.0, 1.0]]), (x, weight)))


LINEAR = Exercise(
    id="hw01.linear_backward",
    title="The way back through a fully connected layer",
    points=2,
    lesson="01",
    recipe="""
        The forward was y = x @ weight + bias, and kept x and weight: the cache is (x, weight).
        1. Take x and weight out of the cache.
        2. dbias (O,): bias[o] was added to y[k, o] for every row k. What does one step of bias[o] change, in all?
        3. dweight (C, O): y[k, o] holds x[k, c] * weight[c, o]. Write the sum over k, then see the matrix product in it.
        4. dx (K, C): the same for x[k, c], a sum over o.
        5. Return dx, dweight, dbias, in the order of the arguments of linear_forward.
    """,
    returns=("dx", "dweight", "dbias"),
    cases=(
        Case("two rows by hand", "value", _small_linear),
        Case("three rows, two features", "value", _linear, hidden=True),
        Case("float32 stays float32", "shape", lambda rng: _linear(rng, dtype=np.float32)),
        Case("one row", "adversarial", lambda rng: _linear(rng, K=1), "a batch of one"),
        Case(
            "no rows", "adversarial", lambda rng: _linear(rng, K=0), "a batch without rows: gradients of zero, no NaN"
        ),
        Case("nothing is written into", "ownership", _linear),
        GradientCase(
            "against differences",
            "backward",
            "tinymaskrcnn.ops.linear:linear_forward",
            lambda rng: Call((rng.standard_normal((5, 3)), rng.standard_normal((3, 4)), rng.standard_normal(4))),
        ),
    ),
    mistakes=(
        Mistake(
            "dbias is the mean over the rows, but every row was shifted by the bias: their gradients add up, so take the sum",
            (("dy.sum(axis=0)", "dy.mean(axis=0)"),),
        ),
        Mistake(
            "dweight is averaged over the rows: the loss already says how rows are weighted, the backward only adds them up",
            (("x.T @ dy", "x.T @ dy / max(len(x), 1)"),),
        ),
        Mistake("dx uses weight where it needs its transpose", (("dy @ weight.T", "dy @ weight"),)),
    ),
)

EXERCISES = (LINEAR,)
