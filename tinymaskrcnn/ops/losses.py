"""Losses: each compares a prediction with its target and returns one number, a 0-d array.

All share one last step, loss = sum(weight * element) / normalizer. Without arguments that is the plain mean over rows;
a weight of 0 takes a row out (whatever was predicted there, infinity included), and the default normalizer is the total
weight, at least 1, so that a batch in which nothing counts has loss 0. Nothing here waits for a device.
"""

import numbers
from contextvars import ContextVar

from ..backend import array_module, has_kernel
from ..contract import checked
from ..errors import ArgumentError, ShapeError
from .common import check_index

BATCH_SUM = ContextVar("BATCH_SUM", default=None)  # adds up what belongs to a batch on several machines: train/ranks/


def total_weight(weight):
    """How much counts in a batch: the sum of all weights, at least 1."""
    own, add = weight.sum(), BATCH_SUM.get()
    return array_module(weight).maximum(add(own) if add else own, 1)


def _row_weight(function, weight, like):
    """The weight in the dtype of `like`, with axes of length 1 added on the right until it broadcasts; None is 1."""
    xp = array_module(like)
    if weight is None:
        return xp.ones((1,) * like.ndim, dtype=like.dtype)
    if weight.shape != like.shape[: weight.ndim]:
        raise ShapeError(
            f"{function}: weight must have the leading axes of {tuple(like.shape)}, one number per row or per element; "
            f"got {tuple(weight.shape)}"
        )
    return weight.astype(like.dtype).reshape(weight.shape + (1,) * (like.ndim - weight.ndim))


def _same_shape(function, name, x, wanted):
    if x.shape != wanted:
        raise ShapeError(
            f"{function}: {name} must have the shape of the prediction {tuple(wanted)}; got {tuple(x.shape)}"
        )


def _reduce(function, element, weight, normalizer):
    """sum(weight * element) / normalizer as a 0-d array, and the normalizer that was used."""
    xp = array_module(element)
    if normalizer is None:
        normalizer = total_weight(xp.broadcast_to(weight, element.shape))
    elif isinstance(normalizer, numbers.Real) and not normalizer > 0:
        raise ArgumentError(f"{function}: normalizer must be above 0; got {normalizer}")
    normalizer = xp.asarray(normalizer, dtype=element.dtype)
    return xp.asarray((weight * element).sum() / normalizer), normalizer


def _scaled(weight, dloss, normalizer):
    """What every element's own derivative is multiplied with: weight * dloss / normalizer."""
    return weight * (array_module(weight).asarray(dloss, dtype=weight.dtype) / normalizer)


# ---------------------------------------------------------------- classes


@checked
@has_kernel
def softmax_cross_entropy_forward(logits, *, labels, weight=None, normalizer=None):
    """Minus the log-probability that softmax gives to the true class.

    logits (K, C), labels (K,) int, weight (K,)  ->  loss ()
    The label of a row with weight 0 is not looked at.
    """
    check_index("softmax_cross_entropy_forward", "labels", labels, logits.shape[1], weight=weight)
    xp = array_module(logits)
    weight = _row_weight("softmax_cross_entropy_forward", weight, logits)  # (K, 1)
    logits = xp.where(weight != 0, logits, 0)
    # BEGIN SOLUTION hw01.softmax_cross_entropy_forward
    shifted = logits - logits.max(axis=1, keepdims=True)  # the largest is 0: exp cannot overflow
    log_softmax = shifted - xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))  # (K, C)
    is_label = labels[:, None] == xp.arange(logits.shape[1])  # (K, C)
    element = -xp.where(is_label, log_softmax, 0).sum(axis=1, keepdims=True)  # (K, 1)
    # END SOLUTION
    loss, normalizer = _reduce("softmax_cross_entropy_forward", element, weight, normalizer)
    return loss, (log_softmax, is_label, weight, normalizer)


@checked
@has_kernel
def softmax_cross_entropy_backward(dloss, cache):
    """Mirror of softmax_cross_entropy_forward: probability minus one-hot label.

    dloss 0-d array or number  ->  dlogits (K, C)
    """
    # BEGIN SOLUTION hw01.softmax_cross_entropy_backward
    log_softmax, is_label, weight, normalizer = cache
    delement = _scaled(weight, dloss, normalizer)  # (K, 1)
    return (array_module(log_softmax).exp(log_softmax) - is_label) * delement
    # END SOLUTION


# ---------------------------------------------------------------- yes or no


@checked
@has_kernel
def sigmoid_cross_entropy_forward(logits, *, targets, weight=None, normalizer=None):
    """Binary cross-entropy of sigmoid(logits), each element a question of its own; targets lie in [0, 1].

    logits (...), targets (...), weight (...)  ->  loss ()
    weight is per row (any number of leading axes) or per element.
    """
    xp = array_module(logits)
    _same_shape("sigmoid_cross_entropy_forward", "targets", targets, logits.shape)
    weight = _row_weight("sigmoid_cross_entropy_forward", weight, logits)
    logits = xp.where(weight != 0, logits, 0)
    targets = targets.astype(logits.dtype)
    # BEGIN SOLUTION hw04.sigmoid_cross_entropy_forward
    # -t log(s) - (1 - t) log(1 - s), written so that exp only sees negative numbers
    element = xp.maximum(logits, 0) - logits * targets + xp.log1p(xp.exp(-xp.abs(logits)))
    loss, normalizer = _reduce("sigmoid_cross_entropy_forward", element, weight, normalizer)
    return loss, (logits, targets, weight, normalizer)
    # END SOLUTION


@checked
@has_kernel
def sigmoid_cross_entropy_backward(dloss, cache):
    """Mirror of sigmoid_cross_entropy_forward: probability minus target.

    dloss 0-d array or number  ->  dlogits (...)
    """
    # BEGIN SOLUTION hw04.sigmoid_cross_entropy_backward
    logits, targets, weight, normalizer = cache
    xp = array_module(logits)
    delement = _scaled(weight, dloss, normalizer)
    small = xp.exp(-xp.abs(logits))
    probability = xp.where(logits >= 0, 1, small) / (1 + small)
    return (probability - targets) * delement
    # END SOLUTION


# ---------------------------------------------------------------- distances


def _difference(function, prediction, target, weight):
    """prediction - target where the weight is not 0, else 0."""
    _same_shape(function, "target", target, prediction.shape)
    xp = array_module(prediction, target)
    return xp.where(weight != 0, prediction - target.astype(prediction.dtype), 0)


@checked
@has_kernel
def smooth_l1_forward(prediction, *, target, beta, weight=None, normalizer=None):
    """Quadratic below beta, linear above, summed over the last axis (Girshick 2015, equation 3).

    prediction (..., D), target (..., D), weight (...)  ->  loss ()
    `0.5 d² / beta` where `|d| < beta`, else `|d| - 0.5 beta`; beta = 0 is the plain absolute difference.
    """
    if not beta >= 0:
        raise ArgumentError(f"smooth_l1_forward: beta must be at least 0; got {beta}")
    beta = float(beta)
    xp = array_module(prediction)
    weight = _row_weight("smooth_l1_forward", weight, prediction[..., 0])[..., None]  # (..., 1)
    difference = _difference("smooth_l1_forward", prediction, target, weight)
    size = xp.abs(difference)
    if beta == 0:
        element = size
    else:
        bend = xp.minimum(size, beta)  # up to here the curve bends, the rest of the way is straight
        element = bend * bend / (2 * beta) + (size - bend)
    loss, normalizer = _reduce("smooth_l1_forward", element.sum(axis=-1, keepdims=True), weight, normalizer)
    return loss, (difference, beta, weight, normalizer)


@checked
@has_kernel
def smooth_l1_backward(dloss, cache):
    """Mirror of smooth_l1_forward: the slope grows with the difference and stays at 1 beyond beta.

    dloss 0-d array or number  ->  dprediction (..., D)
    """
    difference, beta, weight, normalizer = cache
    xp = array_module(difference)
    slope = xp.sign(difference) if beta == 0 else xp.clip(difference, -beta, beta) / beta
    return slope * _scaled(weight, dloss, normalizer)
