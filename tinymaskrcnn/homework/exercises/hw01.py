"""Homework 1: pairs and gradients."""

from ._hw01_linear import LAYER, LINEAR
from ._hw01_loss import CROSS_ENTROPY, CROSS_ENTROPY_BACK
from ._hw01_softmax import SOFTMAX, SOFTMAX_BACK
from ._hw01_sums import SUM_GRADS

TITLE = "pairs and gradients"

EXERCISES = (LINEAR, LAYER, SOFTMAX, SOFTMAX_BACK, CROSS_ENTROPY, CROSS_ENTROPY_BACK, SUM_GRADS)
