"""Homework 4: crops of a feature map, and the mask loss."""

from ._hw04_align import ALIGN_BACK, POINTS
from ._hw04_mask import LOSS, LOSS_BACK
from ._hw04_pool import BINS, POOL_BACK
from ._hw04_targets import TARGETS

TITLE = "RoIPool, RoIAlign and the mask loss"

EXERCISES = (BINS, POOL_BACK, POINTS, ALIGN_BACK, LOSS, LOSS_BACK, TARGETS)
