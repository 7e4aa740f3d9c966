"""Twins of readable functions for a GPU: CUDA C in the .cu files, one Python file of wrappers beside each kind."""

from . import boxes, conv, nms, norm, roi_align, update  # noqa: F401  importing registers
