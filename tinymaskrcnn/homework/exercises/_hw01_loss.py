"""Homework 1, third part: the loss of a classifier."""

import numpy as np

from ...ops.losses import softmax_cross_entropy_backward, softmax_cross_entropy_forward
from ..exercise import Call, Case, Exercise, GradientCase, Mistake
from ._drawn import LARGE, MANY, SMALL, differing
from ._shared import cache_proven_by


def _logits(K, C, *, dtype=np.float64, scale=1.0, **data):
    def make(rng):
        logits = (scale * rng.standard_normal((K, C))).astype(dtype)
        return Call((logits,), {"labels": rng.integers(0, C, K), **data})

    return make


def _weighted(rng, K=MANY, dtype=np.float64, scales=(1.0,)):
    """Many rows of logits as large as `scales` say, some of weight 0, with labels in a small type of whole number."""
    C = differing(rng, 1, 7, 12)[0]
    logits = (rng.choice(scales, (K, 1)) * rng.standard_normal((K, C))).astype(dtype)
    weight = (rng.uniform(0.5, 2, K) * (rng.random(K) < 0.7)).astype(dtype)
    return Call((logits,), {"labels": rng.integers(0, C, K).astype(np.int32), "weight": weight})


def _of_scales(*scales, dtype=np.float64):
    return lambda rng: _weighted(rng, dtype=dtype, scales=scales)


def _labelled(rows, labels, **data):
    return lambda rng: Call((np.array(rows),), {"labels": np.array(labels), **data})


HAND = _labelled([[0.0, np.log(3.0), np.log(4.0)], [np.log(2.0), 0.0, 0.0]], [1, 0])  # 1/8 3/8 4/8, 1/2 1/4 1/4
THOUSANDS = _labelled([[1000.0, 1001.0, 998.0], [-2000.0, -2001.0, -2000.0]], [2, 1])
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
           of a quotient is a difference, and log undoes exp: so no exp is ever divided, and no log sees a 0.
        3. is_label (K, C), bool: True where the column is the label of the row. Compare labels with 0 .. C-1: a
           row of weight 0 may have any label, also one that is no column.
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
        Case("two rows by hand", "value", HAND),
        Case("a batch of rows", "value", _logits(5, 3)),
        Case("float32 stays float32", "shape", _logits(3, 4, dtype=np.float32)),
        Case("as many rows as classes", "shape", _logits(3, 3), "rows and columns could be mistaken for each other"),
        Case("logits of 1000", "adversarial", THOUSANDS, "exp overflows, or is 0 in the whole row"),
        Case(
            "a gap of 2000",
            "adversarial",
            GAP,
            "the label of the first row has a probability of exactly 0 in floating point, and yet a loss of 2000, not "
            "infinity; the second row has loss 0, so the mean is 1000",
        ),
        Case("a padding row", "adversarial", PADDED, "a row of weight 0 has any label and does not count"),
        Case(
            "a normalizer of its own",
            "adversarial",
            _logits(3, 2, weight=np.array([2.0, 0.5, 1.0]), normalizer=4.0),
            "the lines below the blank divide, not yours",
        ),
        Case("many rows, some of weight 0", "adversarial", _weighted, f"{MANY} rows, labels in int32"),
        Case("small logits", "adversarial", _of_scales(3e-8), "logits about 3e-8: small, and not 0"),
        Case("large logits", "adversarial", _of_scales(LARGE), f"logits about {LARGE:g}: no fixed limit suits them"),
        Case("logits of every size", "adversarial", _of_scales(3e-8, 1.0, 700.0, LARGE, dtype=np.float32), hidden=True),
        Case("nothing is written into", "ownership", _of_scales(1.0)),
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
            "the largest logit of each row is not subtracted before exp: right for small logits, infinite for large "
            "ones",
            (
                ("logits - logits.max(axis=1, keepdims=True)", "logits"),
                ("xp.where(is_label, log_softmax, 0)", "(is_label * log_softmax)"),
            ),
        ),
        Mistake(
            "0 * -inf is NaN: a probability became 0 before your log, and is_label is 0 there; write log_softmax as a "
            "difference, shifted minus the logarithm of the sum",
            (
                (
                    "shifted - xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))",
                    "xp.log(xp.exp(shifted) / xp.exp(shifted).sum(axis=1, keepdims=True))",
                ),
                ("xp.where(is_label, log_softmax, 0)", "(is_label * log_softmax)"),
            ),
        ),
        Mistake(
            "the mean stands in the logarithm where the sum belongs: mean is sum / C, so every element is log(C) off",
            (("xp.exp(shifted).sum(axis=1, keepdims=True)", "xp.exp(shifted).mean(axis=1, keepdims=True)"),),
        ),
        Mistake(
            "a probability became 0 before your log: write log_softmax as a difference, shifted minus the logarithm "
            "of the sum",
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
            "exp is missing in the sum: the logarithm is that of the sum of exp(shifted)",
            (("xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))", "xp.log(shifted.sum(axis=1, keepdims=True))"),),
        ),
        Mistake(
            "the logarithm of the sum is missing: log_softmax is shifted minus log(sum of exp(shifted))",
            (("shifted - xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))", "shifted"),),
        ),
        Mistake(
            "softmax is applied twice: logits are scores, and only one softmax makes them probabilities",
            (
                (
                    "shifted = logits - logits.max(axis=1, keepdims=True)",
                    "shifted = xp.exp(logits - logits.max(axis=1, keepdims=True)); "
                    "shifted = shifted / shifted.sum(axis=1, keepdims=True)",
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
            "the logarithms of all classes are added up: only the class of the label counts",
            (("xp.where(is_label, log_softmax, 0)", "log_softmax"),),
        ),
        Mistake(
            "you index with the labels: a row of weight 0 may have any label, also one that is no column; compare the "
            "labels with 0 .. C-1 instead",
            (("labels[:, None] == xp.arange(logits.shape[1])", "xp.eye(logits.shape[1], dtype=bool)[labels]"),),
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
        Mistake(
            "element has lost its second axis, and has no row where no column is the label: it must be (K, 1); sum "
            "over the one place that is not 0, with keepdims=True",
            (("xp.where(is_label, log_softmax, 0).sum(axis=1, keepdims=True)", "log_softmax[is_label]"),),
        ),
        Mistake(
            "element has 2 rows instead of 3: a row of weight 0 may have a label that is no column, and then "
            "log_softmax[is_label] takes nothing from it; sum over the one place that is not 0 instead",
            (("xp.where(is_label, log_softmax, 0).sum(axis=1, keepdims=True)", "log_softmax[is_label][:, None]"),),
        ),
        Mistake(
            "the logarithm is that of the sum of exp(shifted), so subtract it from shifted, and not from logits",
            (("= shifted - xp.log(", "= logits - xp.log("),),
        ),
        Mistake(
            "the sum is one of exp(logits), but you subtract its logarithm from shifted: take exp(shifted) in the sum",
            (("xp.log(xp.exp(shifted)", "xp.log(xp.exp(logits)"),),
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
    return Call((dloss if isinstance(dloss, int) else np.asarray(dloss, call.args[0].dtype), cache))


def _many_back(dloss=1.0, **options):
    return lambda rng: _backward_of(_weighted(rng, **options), dloss)


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
        2. element[k] = log(sum over c of exp(x[k, c])) - x[k, labels[k]]. Differentiate by x[k, c]: the first term
           gives a probability, the second a 1 at the label.
        3. The cache holds logarithms of the probabilities. Multiply 2. by 1. and return dlogits (K, C).
    """,
    returns=("dlogits",),
    cases=(
        Case(
            "two rows by hand",
            "value",
            lambda rng: _backward_of(HAND(rng)),
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
        Case("dloss is a plain number", "adversarial", _loss_cache(3, 4, dtype=np.float32, dloss=7), "7, no array"),
        Case("many rows, some of weight 0", "adversarial", _many_back(), f"{MANY} rows"),
        Case("a small dloss", "adversarial", _many_back(SMALL), f"the loss counts {SMALL:g} times: small, and not 0"),
        Case("a large dloss", "adversarial", _many_back(LARGE), f"the loss counts {LARGE:g} times"),
        Case("logits of every size", "adversarial", _many_back(scales=(3e-8, 1.0, LARGE)), hidden=True),
        Case("a small dloss in float32", "adversarial", _many_back(SMALL, dtype=np.float32), hidden=True),
        Case("nothing is written into", "ownership", _many_back()),
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
            "you divide by the number of rows: the loss was divided by the normalizer, which is the total weight",
            (("_scaled(weight, dloss, normalizer)", "_scaled(weight, dloss, max(len(log_softmax), 1))"),),
        ),
        Mistake(
            "you divide by the number of rows, and the weights are missing: each row counts weight / normalizer",
            (("* delement", "* (dloss / max(len(log_softmax), 1))"),),
        ),
        Mistake(
            "dloss is not used, and you divide by the number of rows: each row counts dloss * weight / normalizer",
            (("* delement", "/ max(len(log_softmax), 1)"),),
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
