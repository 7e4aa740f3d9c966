"""Homework 1, second half: softmax and the loss of a classifier."""

import numpy as np

from ...ops.activation import softmax_backward, softmax_forward
from ...ops.losses import softmax_cross_entropy_backward, softmax_cross_entropy_forward
from ..exercise import Call, Case, Exercise, GradientCase, Mistake
from ._shared import cache_proven_by

# ---------------------------------------------------------------- softmax


def _scores(*shape, dtype=np.float64, scale=1.0):
    return lambda rng: Call(((scale * rng.standard_normal(shape)).astype(dtype),))


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
        Case("two rows by hand", "value", _fixed([0.0, np.log(3.0)], [1.0, 1.0])),
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
        Case("no rows", "adversarial", _scores(0, 3), "a batch without rows is normal"),
        Case("the scores stay as they were", "ownership", _scores(3, 4)),
        GradientCase("against differences", "forward", "tinymaskrcnn.ops.activation:softmax_backward", _scores(3, 4)),
        Case("one class", "adversarial", _scores(3, 1), "its probability is 1", hidden=True),
        Case("one row of scores, without a batch", "shape", _scores(6, scale=50.0), hidden=True),
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
    ),
)


def _dy_and_y(*shape, dtype=np.float64, scale=1.0):
    def make(rng):
        y, _ = softmax_forward((scale * rng.standard_normal(shape)).astype(dtype))
        return Call((rng.standard_normal(shape).astype(dtype), y))

    return make


SOFTMAX_BACK = Exercise(
    id="hw01.softmax_backward",
    title="Raising one score lowers every other probability",
    points=3,
    lesson="01",
    recipe="""
        The forward was y = softmax(x) along the last axis; the cache is y.
        1. One score x[j] moves all probabilities of its row: dy[i]/dx[j] = y[i] (1 - y[j]) for i = j, and -y[i]
           y[j] for all others.
        2. dx[j] is the sum over i of dy[i] times that. Write the sum down and take y[j] out of it. What is left
           in the bracket are two terms: dy[j], and one number that is the same for the whole row.
        3. Write it for all rows at once: sums along the last axis (x may have any axes before it), with
           keepdims=True.
        4. Return dx alone: there is one argument, so there is one gradient.
    """,
    returns=("dx",),
    cases=(
        Case(
            "two rows by hand",
            "value",
            lambda rng: Call((np.array([[1.0, 0.0], [2.0, 2.0]]), np.array([[0.25, 0.75], [0.5, 0.5]]))),
            "with equal dy nothing can be gained: probabilities add up to 1, so dx is 0",
        ),
        Case("three classes", "value", _dy_and_y(2, 3)),
        Case("float32 stays float32", "shape", _dy_and_y(3, 5, dtype=np.float32)),
        Case("maps: four axes", "shape", _dy_and_y(2, 3, 3, 4), "the classes are the last axis, not axis 1"),
        Case("sure of itself", "adversarial", _dy_and_y(3, 4, scale=200.0), "probabilities of exactly 0 and 1"),
        Case("no rows", "adversarial", _dy_and_y(0, 3), "a batch without rows is normal"),
        Case("nothing is written into", "ownership", _dy_and_y(3, 4)),
        GradientCase("against differences", "backward", "tinymaskrcnn.ops.activation:softmax_forward", _scores(3, 4)),
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


# ---------------------------------------------------------------- cross-entropy


def _logits(K, C, *, dtype=np.float64, scale=1.0, **data):
    def make(rng):
        logits = (scale * rng.standard_normal((K, C))).astype(dtype)
        return Call((logits,), {"labels": rng.integers(0, C, K), **data})

    return make


def _labelled(rows, labels, **data):
    return lambda rng: Call((np.array(rows),), {"labels": np.array(labels), **data})


LARGE = _labelled([[1000.0, 1001.0, 998.0], [-2000.0, -2001.0, -2000.0]], [2, 1])
GAP = _labelled([[1000.0, 0.0, -1000.0], [0.0, 1000.0, 0.0]], [2, 1])
PADDED = _labelled([[1.0, 2.0], [np.inf, 0.0], [3.0, -1.0]], [0, 7, 1], weight=np.array([1.0, 0.0, 1.0]))

CROSS_ENTROPY = Exercise(
    id="hw01.softmax_cross_entropy_forward",
    title="Minus the log-probability of the true class",
    points=3,
    lesson="01",
    recipe="""
        For each row k the loss is -log(softmax(logits[k])[labels[k]]). The blank makes three arrays; the lines
        below it weight the elements, add them up and return.
        1. Take the largest logit of each row away from the row, so that exp cannot overflow.
        2. log_softmax (K, C): take the logarithm of exp(x[c]) / sum of exp before you compute it. The logarithm
           of a quotient is a difference, and the logarithm of exp is nothing at all: so no exp is ever divided,
           and no log sees a 0.
        3. is_label (K, C), bool: True where the column is the label of the row.
        4. element (K, 1): minus the log_softmax at the label. Keep the axis of length 1: the line below
           multiplies element with a weight of shape (K, 1).
    """,
    returns=("loss", "cache"),
    results=cache_proven_by(
        softmax_cross_entropy_forward,
        softmax_cross_entropy_backward,
        ("dlogits",),
        "(log_softmax, is_label, weight, normalizer)",
        result="loss",
    ),
    cases=(
        Case("two rows by hand", "value", _labelled([[0.0, np.log(3.0)], [1.0, 1.0]], [1, 0])),
        Case("a batch of rows", "value", _logits(5, 3)),
        Case("float32 stays float32", "shape", _logits(3, 4, dtype=np.float32)),
        Case("as many rows as classes", "shape", _logits(3, 3), "rows and columns could be mistaken for each other"),
        Case("logits of 1000", "adversarial", LARGE, "exp overflows, or is 0 in the whole row"),
        Case(
            "a gap of 2000",
            "adversarial",
            GAP,
            "the probability of a label is exactly 0 in floating point, and its loss is 2000, not infinite",
        ),
        Case("a padding row", "adversarial", PADDED, "a row of weight 0 has any label and does not count"),
        Case(
            "a normalizer of its own",
            "adversarial",
            _logits(3, 2, weight=np.array([2.0, 0.5, 1.0]), normalizer=4.0),
            "the lines below the blank divide, not yours",
        ),
        Case("nothing is written into", "ownership", _logits(3, 4)),
        GradientCase(
            "against differences",
            "forward",
            "tinymaskrcnn.ops.losses:softmax_cross_entropy_backward",
            _logits(3, 4, weight=np.array([1.0, 0.5, 2.0])),
            {"zero_rows": ("logits", "labels", "weight")},
        ),
        Case("no rows", "adversarial", _logits(0, 3), "a batch without rows has loss 0", hidden=True),
        Case("large and many", "value", _logits(40, 11, scale=100.0), hidden=True),
    ),
    mistakes=(
        Mistake(
            "the largest logit of each row is not subtracted before exp: right for small logits, infinite for large "
            "ones",
            (("logits - logits.max(axis=1, keepdims=True)", "logits"),),
        ),
        Mistake(
            "you take the logarithm of a probability that has become 0: write log_softmax as a difference, shifted "
            "minus the logarithm of the sum",
            (
                (
                    "shifted - xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))",
                    "xp.log(xp.exp(shifted) / xp.exp(shifted).sum(axis=1, keepdims=True))",
                ),
            ),
        ),
        Mistake(
            "the logarithm is missing: the loss is minus the logarithm of the probability, not minus the probability",
            (
                (
                    "shifted - xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))",
                    "xp.exp(shifted) / xp.exp(shifted).sum(axis=1, keepdims=True)",
                ),
            ),
        ),
        Mistake(
            "the minus is missing: a logarithm of a probability is below 0, a loss is above",
            (("-xp.where", "xp.where"),),
        ),
        Mistake(
            "the elements are averaged over the classes: only the class of the label counts, so take it alone, as a "
            "sum over the one place that is not 0",
            (("0).sum(axis=1", "0).mean(axis=1"),),
        ),
        Mistake(
            "you divide by the number of rows already: the line below the blank divides by the normalizer, so element "
            "must be left as it is",
            (("0).sum(axis=1, keepdims=True)", "0).sum(axis=1, keepdims=True) / len(logits)"),),
        ),
        Mistake(
            "the sum of exp runs over the rows: each row is a softmax of its own, along axis 1",
            (("xp.exp(shifted).sum(axis=1", "xp.exp(shifted).sum(axis=0"),),
        ),
        Mistake(
            "element has lost its second axis: it must be (K, 1) to meet the weight (K, 1), so sum with keepdims=True",
            (("0).sum(axis=1, keepdims=True)", "0).sum(axis=1)"),),
        ),
    ),
)


def _loss_cache(K, C, *, dtype=np.float64, scale=1.0, dloss=1.0, **data):
    def make(rng):
        call = _logits(K, C, dtype=dtype, scale=scale, **data)(rng)
        return _backward_of(call, dloss)

    return make


def _backward_of(call, dloss=1.0):
    _, cache = softmax_cross_entropy_forward(*call.args, **call.data)
    return Call((np.asarray(dloss, call.args[0].dtype), cache))


CROSS_ENTROPY_BACK = Exercise(
    id="hw01.softmax_cross_entropy_backward",
    title="Probability minus one-hot label",
    points=2,
    lesson="01",
    recipe="""
        The cache is (log_softmax, is_label, weight, normalizer): (K, C) numbers, (K, C) bool, and what the loss
        was weighted with. The loss was the sum over k of weight[k] * element[k], divided by normalizer.
        1. What reaches element[k] is weight[k] * dloss / normalizer. The helper _scaled(weight, dloss,
           normalizer) gives just that, with a shape that fits (K, C).
        2. element[k] = log(sum over c of exp(x[k, c])) - x[k, labels[k]]. Derive it by x[k, c]: the first term
           gives a probability, the second a 1 at the label.
        3. The cache holds logarithms of the probabilities. Multiply 2. by 1. and return dlogits (K, C).
    """,
    returns=("dlogits",),
    cases=(
        Case(
            "two rows by hand",
            "value",
            lambda rng: _backward_of(_labelled([[0.0, np.log(3.0)], [1.0, 1.0]], [1, 0])(rng)),
        ),
        Case("a batch of rows", "value", _loss_cache(4, 3)),
        Case("float32 stays float32", "shape", _loss_cache(3, 4, dtype=np.float32)),
        Case("a loss that counts double", "adversarial", _loss_cache(3, 4, dloss=2.0), "dloss = 2, not 1"),
        Case(
            "rows weigh differently",
            "adversarial",
            _loss_cache(4, 3, weight=np.array([2.0, 0.5, 0.0, 1.0])),
            "weights 2, 0.5, 0 and 1, so the normalizer is 3.5 and not the number of rows",
        ),
        Case(
            "a normalizer of its own",
            "adversarial",
            _loss_cache(3, 2, normalizer=256.0),
            "divided by 256 sampled anchors, not by 3 rows",
        ),
        Case("logits of 1000", "adversarial", lambda rng: _backward_of(GAP(rng)), "probabilities of exactly 0 and 1"),
        Case("nothing is written into", "ownership", _loss_cache(3, 4)),
        GradientCase(
            "against differences",
            "backward",
            "tinymaskrcnn.ops.losses:softmax_cross_entropy_forward",
            _logits(3, 4, weight=np.array([1.0, 0.5, 2.0])),
            {"zero_rows": ("logits", "labels", "weight")},
        ),
        Case("a padding row", "adversarial", lambda rng: _backward_of(PADDED(rng), 0.3), hidden=True),
        Case("no rows", "adversarial", _loss_cache(0, 3), hidden=True),
    ),
    mistakes=(
        Mistake(
            "the one-hot label is not subtracted: the loss also holds minus the logit of the true class",
            ((" - is_label)", ")"),),
        ),
        Mistake(
            "you use the logarithms of the probabilities as if they were probabilities: take exp of the cache's first "
            "part",
            (("array_module(log_softmax).exp(log_softmax)", "log_softmax"),),
        ),
        Mistake(
            "weight and normalizer are missing: the loss was a weighted mean, so each row counts weight / normalizer",
            (("* delement", "* dloss"),),
        ),
        Mistake(
            "you divide by the number of rows: the loss was divided by the normalizer, which is the total weight",
            (("* delement", "* (weight * dloss / max(len(log_softmax), 1))"),),
        ),
        Mistake(
            "dloss is not used: the loss may count more or less than once, and its gradient with it",
            (("_scaled(weight, dloss, normalizer)", "_scaled(weight, 1.0, normalizer)"),),
        ),
        Mistake(
            "the weights of the rows are missing: a row of weight 0 must receive 0",
            (("* delement", "* (dloss / normalizer)"),),
        ),
        Mistake(
            "the normalizer is missing: the loss was divided by it, so its gradient is too",
            (("* delement", "* (weight * dloss)"),),
        ),
    ),
)
