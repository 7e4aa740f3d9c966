"""Twins of readable functions for a GPU: CUDA C in the .cu files, one Python file of wrappers beside each kind."""

from . import conv, nms, roi_align  # noqa: F401  importing registers
