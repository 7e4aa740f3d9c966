"""Twins of readable functions for a GPU: CUDA C in the .cu files, one Python file of wrappers beside each kind."""

from . import boxes, conv, masks, nms, norm, resize, roi_align, sample, update  # noqa: F401  importing registers
