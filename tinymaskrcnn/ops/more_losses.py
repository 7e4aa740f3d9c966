"""A loss that the default model has no use for: the squared error."""

from ..backend import has_kernel
from ..contract import checked
from .losses import _difference, _reduce, _row_weight, _scaled


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
