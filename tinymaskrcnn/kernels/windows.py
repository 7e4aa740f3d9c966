"""What the convolution kernels share: blocks of output rows, and copies of the input that reach over its border."""

import numpy as np

from .threads import even_pieces, spans


def blocks(images, rows, bytes_per_row, budget):
    """Cut `images` of `rows` rows into blocks of about `budget` bytes: a list of (slice of images, slice of rows).

    A block is a few whole images or, when one image alone is too much, a band of its rows.
    """
    if rows * bytes_per_row <= budget:
        pieces = even_pieces(images * rows * bytes_per_row, budget)
        return [(few, slice(0, rows)) for few in spans(images, pieces)]
    bands = spans(rows, -(-rows * bytes_per_row // budget))
    return [(slice(n, n + 1), band) for n in range(images) for band in bands]


def copy_window(out, x, top, left):
    """Fill `out` with the part of each image that starts at (top, left), with zeros where that lies outside.

    out (N, h, w, C), x (N, H, W, C); top and left may be negative
    """
    (top_in, bottom_in), (top_out, bottom_out) = _overlap(top, out.shape[1], x.shape[1])
    (left_in, right_in), (left_out, right_out) = _overlap(left, out.shape[2], x.shape[2])
    out[:, :top_out] = 0
    out[:, bottom_out:] = 0
    inside = out[:, top_out:bottom_out]
    inside[:, :, :left_out] = 0
    inside[:, :, right_out:] = 0
    inside[:, :, left_out:right_out] = x[:, top_in:bottom_in, left_in:right_in]


def _overlap(start, length, limit):
    """Where range(start, start + length) lies inside range(limit): as seen from the limit, and from the start."""
    begin = min(max(start, 0), limit)
    end = max(begin, min(start + length, limit))
    first = min(max(begin - start, 0), length)
    return (begin, end), (first, first + end - begin)


def strided(x, shape, strides):
    """A view of `x` with any shape and strides in bytes; as_strided does the same with a tenfold overhead."""
    return np.ndarray(shape, x.dtype, x, 0, strides)
