"""Homework 2, first part: the rows of a convolution, and back."""

import numpy as np

from ...ops.common import count_windows
from ..exercise import Call, Case, Exercise, Mistake
from ._drawn import window_cases

ASSIGNS = (
    "you assign instead of adding: right when no two windows overlap, wrong here, where a pixel lies below several "
    "windows and must receive the gradients of all of them"
)

# ---------------------------------------------------------------- windows as rows, and back


def _geometry(size, kernel, stride, padding, dilation):
    return count_windows("homework", "kernel", size, kernel, stride, padding, dilation)


def _picture(shape, kernel, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), dtype=np.float64, scale=1.0):
    """The arguments of _image_to_columns for a random picture."""

    def make(rng):
        windows = _geometry(shape[1:3], kernel, stride, padding, dilation)
        return Call(((scale * rng.standard_normal(shape)).astype(dtype), kernel, stride, padding, dilation, windows))

    return make


def _small_picture(rng):
    x = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)
    return Call((x, (2, 2), (1, 1), (0, 0), (1, 1), (2, 2)))


COLUMNS = Exercise(
    id="hw02.image_to_columns",
    title="What each window sees, laid out in rows (im2col)",
    points=3,
    lesson="02",
    recipe="""
        columns[n, p, q, i, j, c] is what the window in row p and column q of windows sees at its own row i and
        column j. All of kernel, stride, padding, dilation, windows are pairs (h, w); windows = (HO, WO) says how
        many fit.
        1. add_border(x, padding) surrounds each image with zeros; it gives back x itself when there is no border.
        2. Make an array of shape (N, HO, WO, KH, KW, C) in the dtype of x.
        3. taps(kernel, stride, windows, dilation) yields i, j, rows, cols for each place of the kernel: padded[:,
           rows, cols] is what all windows see there, (N, HO, WO, C). Where in columns does that belong?
        4. Return columns. (Four loops over p, q, i, j are right too: pixel p * stride + i * dilation of the
           padded image.)
    """,
    returns=("columns",),
    cases=(
        Case("a picture of nine numbers", "value", _small_picture),
        Case("two pictures, two channels", "value", _picture((2, 4, 4, 2), (3, 3))),
        Case("float32 stays float32", "shape", _picture((1, 4, 5, 2), (2, 2), dtype=np.float32)),
        Case(
            "a kernel that is not square",
            "adversarial",
            _picture((1, 5, 6, 1), (2, 3)),
            "2 rows and 3 columns: (i, j) is not (j, i)",
        ),
        Case(
            "a stride of 2 rows and 1 column",
            "adversarial",
            _picture((1, 6, 5, 1), (3, 3), stride=(2, 1)),
            "the stride is a pair (rows, columns), and the last row is read by no window",
        ),
        Case(
            "a border",
            "adversarial",
            _picture((2, 3, 3, 2), (3, 3), padding=(1, 2)),
            "1 row of zeros above and below, 2 columns on both sides",
        ),
        Case(
            "holes in the kernel",
            "adversarial",
            _picture((1, 6, 7, 1), (2, 3), dilation=(3, 2)),
            "dilation: neighbours in the kernel lie 3 rows and 2 columns apart",
        ),
        *window_cases(_picture),
        Case("no pictures", "adversarial", _picture((0, 4, 4, 2), (2, 2)), "a batch of none is normal"),
        Case("the picture stays as it was", "ownership", _picture((1, 4, 4, 2), (3, 3), padding=(1, 1))),
        Case(
            "all of it",
            "value",
            _picture((2, 8, 9, 3), (3, 2), stride=(2, 3), padding=(1, 2), dilation=(2, 3)),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "rows and columns of the kernel are swapped: the place is (i, j), row first",
            (("columns[:, :, :, i, j]", "columns[:, :, :, j, i]"),),
        ),
        Mistake(
            "the stride is used as (w, h): it is a pair (rows, columns)",
            (("taps(kernel, stride, windows", "taps(kernel, stride[::-1], windows"),),
        ),
        Mistake(
            "the stride is not used: the windows must lie stride pixels apart",
            (("taps(kernel, stride, windows", "taps(kernel, (1, 1), windows"),),
        ),
        Mistake(
            "the dilation is not used: neighbours in the kernel lie dilation pixels apart",
            (("windows, dilation)", "windows)"),),
        ),
        Mistake(
            "the whole border lies below and to the right: padding goes around the picture, half of it above and to "
            "the left",
            (
                (
                    "add_border(x, padding)",
                    "np.pad(x, ((0, 0), (0, 2 * padding[0]), (0, 2 * padding[1]), (0, 0)))",
                ),
            ),
        ),
        Mistake(
            "the border is the picture's edge, repeated: it must be zeros",
            (
                (
                    "add_border(x, padding)",
                    "np.pad(x, ((0, 0), (padding[0],) * 2, (padding[1],) * 2, (0, 0)), mode='edge')",
                ),
            ),
        ),
        Mistake(
            "the border is missing: the windows also see padding rows and columns of zeros",
            (("add_border(x, padding)", "x"),),
        ),
    ),
)


def _scattered(shape, kernel, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), dtype=np.float64, scale=1.0):
    """The arguments of _columns_to_image for a picture of this shape."""

    def make(rng):
        N, H, W, C = shape
        windows = _geometry((H, W), kernel, stride, padding, dilation)
        columns = (scale * rng.standard_normal((N, *windows, *kernel, C))).astype(dtype)
        return Call((columns, (H, W), stride, padding, dilation))

    return make


def _small_columns(rng):
    return Call((np.ones((1, 2, 2, 2, 2, 1)), (3, 3), (1, 1), (0, 0), (1, 1)))


WRAPS = """x = np.zeros((N, *size, C), columns.dtype)
    for r in range(-padding[0], size[0]):
        for s in range(-padding[1], size[1]):
            x[:, r, s] += padded[:, r + padding[0], s + padding[1]]
    return x"""

IMAGE = Exercise(
    id="hw02.columns_to_image",
    title="Every number back to the pixel it came from (col2im)",
    points=3,
    lesson="02",
    recipe="""
        The mirror of exercise 1: columns (N, HO, WO, KH, KW, C) are gradients of what the windows saw, and each
        pixel receives the sum over all places where it was seen. size = (H, W) is that of the picture without its
        border.
        1. Make zeros in the size of the padded picture, (N, H + 2 padding[0], W + 2 padding[1], C), in the dtype
           of columns.
        2. For each i, j, rows, cols of taps((KH, KW), stride, (HO, WO), dilation): where exercise 1 read
           padded[:, rows, cols] and wrote columns, read columns and add into padded[:, rows, cols]. Pixels that
           no window read stay 0.
        3. The border was not part of the picture: remove_border(padded, padding) cuts it away. Return the rest.
    """,
    returns=("x",),
    cases=(
        Case("how many windows see each pixel", "value", _small_columns, "columns of ones count the windows"),
        Case("windows side by side", "value", _scattered((2, 4, 4, 2), (2, 2), stride=(2, 2))),
        Case("float32 stays float32", "shape", _scattered((1, 4, 5, 2), (2, 3), dtype=np.float32)),
        Case(
            "overlap",
            "adversarial",
            _scattered((1, 4, 4, 1), (3, 3)),
            "the windows overlap: a pixel is seen by up to nine of them",
        ),
        Case(
            "the stride does not divide",
            "adversarial",
            _scattered((1, 6, 8, 1), (3, 3), stride=(2, 3)),
            "no window reads the last row and the last two columns: they are there and stay 0",
        ),
        Case(
            "a border and a rest",
            "adversarial",
            _scattered((1, 4, 6, 2), (3, 3), stride=(2, 2), padding=(1, 1)),
            "the last row of zeros below is read by no window, the last row of the picture is",
        ),
        Case(
            "borders of two kinds",
            "adversarial",
            _scattered((1, 3, 4, 1), (3, 5), padding=(1, 2)),
            "1 row and 2 columns of border are cut away",
        ),
        Case(
            "holes in the kernel",
            "adversarial",
            _scattered((1, 6, 7, 1), (2, 3), dilation=(3, 2)),
            "dilation: neighbours in the kernel lie 3 rows and 2 columns apart",
        ),
        *window_cases(_scattered),
        Case("no pictures", "adversarial", _scattered((0, 4, 4, 2), (2, 2)), "a batch of none is normal"),
        Case("the columns stay as they were", "ownership", _scattered((1, 4, 4, 1), (3, 3), padding=(1, 1))),
        Case(
            "all of it",
            "value",
            _scattered((2, 8, 9, 3), (3, 2), stride=(2, 3), padding=(1, 2), dilation=(2, 3)),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(ASSIGNS, (("padded[:, rows, cols] +=", "padded[:, rows, cols] ="),)),
        Mistake(  # as loops over the windows overwrite: the last window stays, not the last place of the kernel
            ASSIGNS,
            (
                ("padded[:, rows, cols] +=", "padded[:, rows, cols] ="),
                ("taps((KH, KW), stride, (HO, WO), dilation)", "[*taps((KH, KW), stride, (HO, WO), dilation)][::-1]"),
            ),
        ),
        Mistake(
            "the size is computed from the windows: where the stride does not divide, the last rows and columns are "
            "read by no window, but they are there; size says how large the picture is",
            (
                (
                    "shape = (N, size[0] + 2 * padding[0], size[1] + 2 * padding[1], C)",
                    "spans = [d * (k - 1) + 1 for d, k in zip(dilation, (KH, KW))]\n    shape = (N, (HO - 1) * "
                    "stride[0] + spans[0], (WO - 1) * stride[1] + spans[1], C)",
                ),
            ),
        ),
        Mistake(
            "the border is still there: cut it away with remove_border",
            (("remove_border(padded, padding)", "padded"),),
        ),
        Mistake(
            "the border is cut away below and to the right only: padding rows lie above and padding columns to the "
            "left as well, so the picture begins at (padding[0], padding[1])",
            (("remove_border(padded, padding)", "padded[:, : size[0], : size[1]].copy()"),),
        ),
        Mistake(
            "what belongs to the border above and to the left comes out again at the other side: a negative index "
            "counts from the end in Python",
            (("return remove_border(padded, padding)", WRAPS),),
        ),
        Mistake(
            "rows and columns of the kernel are swapped: the place is (i, j), row first",
            (("columns[:, :, :, i, j]", "columns[:, :, :, j, i]"),),
        ),
        Mistake(
            "the dilation is not used: neighbours in the kernel lie dilation pixels apart",
            (("(HO, WO), dilation)", "(HO, WO))"),),
        ),
        Mistake(
            "you take the mean over the windows that see a pixel: this is no picture being put together again but a "
            "gradient, and gradients add up",
            (
                ("padded = array_module", "seen = 0 * np.ones(shape, columns.dtype)\n    padded = array_module"),
                (
                    "padded[:, rows, cols] += columns[:, :, :, i, j]",
                    "padded[:, rows, cols] += columns[:, :, :, i, j]\n        seen[:, rows, cols] += 1",
                ),
                ("remove_border(padded, padding)", "remove_border(padded / np.maximum(seen, 1), padding)"),
            ),
        ),
    ),
)
