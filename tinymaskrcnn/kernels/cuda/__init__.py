"""Twins of readable functions for a GPU: CUDA C in the .cu files, one Python file of wrappers beside each kind."""

from . import (  # noqa: F401  importing registers
    boxes,
    conv,
    masks,
    nms,
    norm,
    resize,
    roi_align,
    roi_pool,
    sample,
    taps,
    update,
)
