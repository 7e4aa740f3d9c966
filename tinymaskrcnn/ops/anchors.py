"""Anchors: the fixed boxes, of several sizes and shapes at every cell of a feature map, that the RPN scores and moves.

They are made once per picture size, on the host; callers move them to where they compute.
"""

import numpy as np

from ..contract import checked
from ..errors import ArgumentError
from .boxes import clip


def _positive(function, name, values):
    values = np.atleast_1d(np.asarray(values, np.float32))
    if values.ndim != 1 or values.size == 0 or not (np.isfinite(values).all() and (values > 0).all()):
        raise ArgumentError(f"{function}: {name} must be one or more positive numbers; got {values.tolist()}")
    return values


def base_anchors(sizes, ratios):
    """The anchors of one cell, centred on its corner (0, 0) and rounded to whole pixels.

    sizes (number or sequence), ratios (sequence of height / width)  ->  base (A, 4), A = len(ratios) * len(sizes)
    A ratio r shapes size s to width s / sqrt(r) and height s * sqrt(r), so the area is s² before rounding. All sizes of
    the first ratio come first, then those of the second (the order in which pretrained RPN weights expect them).
    """
    sizes = _positive("base_anchors", "sizes", sizes)
    ratios = _positive("base_anchors", "ratios", ratios)
    # BEGIN SOLUTION hw03.base_anchors
    stretch = np.sqrt(ratios)[:, None]  # (R, 1)
    widths = (1 / stretch * sizes).reshape(-1)  # (R, sizes) -> (A,)
    heights = (stretch * sizes).reshape(-1)
    return np.round(np.stack([-widths, -heights, widths, heights], axis=1) / 2)
    # END SOLUTION


def grid_anchors(base, *, grid_size, stride):
    """Lay the base anchors on every cell of a feature map.

    base (A, 4), grid_size (h, w), stride (number or (vertical, horizontal))  ->  anchors (h*w*A, 4)
    Cells run row by row and the A anchors of a cell stay together: the order in which an RPN output
    (N, h, w, A*4) reshapes to anchors. The centre of cell (i, j) is (j * stride, i * stride), without a half cell.
    """
    rows, columns = grid_size
    stride_y, stride_x = stride if np.ndim(stride) else (stride, stride)
    if rows < 0 or columns < 0 or stride_y <= 0 or stride_x <= 0:
        raise ArgumentError(
            f"grid_anchors: grid_size must be at least 0 and stride above 0; got {tuple(grid_size)} and {stride}"
        )
    # BEGIN SOLUTION hw03.grid_anchors
    y, x = np.meshgrid(
        np.arange(rows, dtype=base.dtype) * stride_y, np.arange(columns, dtype=base.dtype) * stride_x, indexing="ij"
    )
    centres = np.stack([x, y, x, y], axis=-1).astype(base.dtype)  # (h, w, 4)
    return (centres[:, :, None] + base).reshape(-1, 4)
    # END SOLUTION


def pyramid_anchors(sizes_per_level, ratios, *, grid_sizes, image_size):
    """The anchors of every pyramid level, with stride = image // grid.

    Mind levels that do not divide: on an image of 96 pixels P6 has 2 x 2 cells, whose anchors stand 48 pixels apart
    while their features look 64 pixels apart. It is torchvision's rule, and that of weights that were trained with it.

    sizes_per_level (L entries: a number or a sequence), grid_sizes (L pairs h, w), image_size (height, width)
    ->  list of L arrays (h*w*A, 4)
    """
    if len(sizes_per_level) != len(grid_sizes):
        raise ArgumentError(
            f"pyramid_anchors: sizes_per_level must have one entry per level, {len(grid_sizes)}; "
            f"got {len(sizes_per_level)}"
        )
    levels = []
    for sizes, grid_size in zip(sizes_per_level, grid_sizes):
        if min(grid_size) < 1 or grid_size[0] > image_size[0] or grid_size[1] > image_size[1]:
            raise ArgumentError(
                f"pyramid_anchors: grid_sizes must lie between 1 and image_size {tuple(image_size)}; "
                f"got {tuple(grid_size)}"
            )
        stride = (image_size[0] // grid_size[0], image_size[1] // grid_size[1])
        levels.append(grid_anchors(base_anchors(sizes, ratios), grid_size=grid_size, stride=stride))
    return levels


@checked
def crosses_border(anchors, *, height, width):
    """Whether an anchor reaches outside the picture (Faster R-CNN leaves such anchors out of training).

    anchors (..., 4)  ->  crosses (...) bool
    """
    return (clip(anchors, height=height, width=width) != anchors).any(axis=-1)
