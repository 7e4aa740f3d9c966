"""Twins of readable functions in C: lane.c and its themes, and one Python file of wrappers for each kind."""

from . import conv, mask_logits, nms, roi_align, sweep  # noqa: F401  importing registers
