"""Losses that the default model has no use for: the squared error, the hinge of a support vector machine, and losses
whose targets move too.
"""

from ..backend import array_module, has_kernel
from ..contract import checked
from . import losses
from .losses import _difference, _reduce, _row_weight, _same_shape, _scaled


@checked
@has_kernel
def squared_error_forward(prediction, *, target, weight=None, normalizer=None):
    """(prediction - target)², each element on its own.

    prediction (...), target (...), weight (...)  ->  loss ()
    weight is per row (any number of leading axes) or per element.
    """
    weight = _row_weight("squared_error_forward", weight, prediction)
    difference = _difference("squared_error_forward", prediction, target, weight)
    loss, normalizer = _reduce("squared_error_forward", difference * difference, weight, normalizer)
    return loss, (difference, weight, normalizer)


@checked
@has_kernel
def squared_error_backward(dloss, cache):
    """Mirror of squared_error_forward.

    dloss 0-d array or number  ->  dprediction (...)
    """
    difference, weight, normalizer = cache
    return 2 * difference * _scaled(weight, dloss, normalizer)


@checked
@has_kernel
def hinge_forward(scores, *, targets, weight=None, normalizer=None):
    """max(0, 1 - target * score), the loss of a support vector machine: nothing once the margin is 1.

    scores (...), targets (...) of -1 and 1, weight (...)  ->  loss ()
    weight is per row (any number of leading axes) or per element.
    """
    xp = array_module(scores)
    weight = _row_weight("hinge_forward", weight, scores)
    _same_shape("hinge_forward", "targets", targets, scores.shape)
    targets = targets.astype(scores.dtype)
    lacking = 1 - xp.where(weight != 0, targets * scores, 1)  # to a margin of 1
    loss, normalizer = _reduce("hinge_forward", xp.maximum(lacking, 0), weight, normalizer)
    return loss, (targets * (lacking > 0), weight, normalizer)


@checked
@has_kernel
def hinge_backward(dloss, cache):
    """Mirror of hinge_forward; at a margin of exactly 1, where the loss has a kink, 0.

    dloss 0-d array or number  ->  dscores (...)
    """
    towards, weight, normalizer = cache
    return -towards * _scaled(weight, dloss, normalizer)


# ---------------------------------------------------------------- targets that move


@checked
def smooth_l1_both_forward(prediction, target, *, beta, weight=None, normalizer=None):
    """`losses.smooth_l1_forward`, with a target that is not data.

    prediction (..., D), target (..., D), weight (...)  ->  loss ()
    """
    return losses.smooth_l1_forward(prediction, target=target, beta=beta, weight=weight, normalizer=normalizer)


@checked
def smooth_l1_both_backward(dloss, cache):
    """Mirror of smooth_l1_both_forward: only the difference counts, so what pushes one pulls the other.

    dloss 0-d array or number  ->  dprediction (..., D), dtarget (..., D)
    """
    dprediction = losses.smooth_l1_backward(dloss, cache)
    return dprediction, -dprediction


@checked
def sigmoid_cross_entropy_both_forward(logits, targets, *, weight=None, normalizer=None):
    """`losses.sigmoid_cross_entropy_forward`, with targets that are not data.

    logits (...), targets (...), weight (...)  ->  loss ()
    """
    return losses.sigmoid_cross_entropy_forward(logits, targets=targets, weight=weight, normalizer=normalizer)


@checked
def sigmoid_cross_entropy_both_backward(dloss, cache):
    """Mirror of sigmoid_cross_entropy_both_forward: -t log(s) - (1 - t) log(1 - s) is a straight line of slope -logit.

    dloss 0-d array or number  ->  dlogits (...), dtargets (...)
    """
    logits, _, weight, normalizer = cache
    return losses.sigmoid_cross_entropy_backward(dloss, cache), -logits * _scaled(weight, dloss, normalizer)
