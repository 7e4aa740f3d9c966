"""Homework 2, last part: the mean below each window."""

import numpy as np

from ...ops.average_pool import avg_pool2d_forward
from ..exercise import Call, Case, Exercise, GradientCase, Mistake
from ._drawn import window_cases
from ._hw02_maximum import ASSIGNS

LIES = ASSIGNS.format(role="lies below")


def _average_back(shape, *, dtype=np.float64, scale=1.0, **options):
    """dy and the cache of a mean pooling."""

    def make(rng):
        y, cache = avg_pool2d_forward(rng.standard_normal(shape).astype(dtype), **options)
        return Call(((scale * rng.uniform(1, 2, y.shape)).astype(dtype), cache))

    return make


def _average_by_hand(rng):
    return Call((np.array([[4.0, 8.0], [0.0, 2.0]])[None, :, :, None], ((1, 4, 4, 1), (2, 2), (2, 2), (0, 0))))


REAL_PIXELS = """inside = add_border(array_module(dy).ones((N, H, W, C), dy.dtype), padding)
    share = dy / sum(inside[:, r, c] for _, _, r, c in taps(kernel, stride, dy.shape[1:3]))"""

REACH = "*((n - 1) * s + k for n, s, k in zip(dy.shape[1:3], stride, kernel))"

AVERAGE_BACK = Exercise(
    id="hw02.avg_pool2d_backward",
    title="Every pixel receives the same share",
    points=2,
    lesson="03",
    recipe="""
        The forward took the mean below each window, border included: y = sum / (KH * KW). The cache is (shape of
        x, kernel, stride, padding), the last three as pairs: no number of x is needed.
        1. Every pixel of a window receives the same share of that window's dy. Which one?
        2. Make zeros in the size of the padded picture, (N, H + 2 padding[0], W + 2 padding[1], C), in the dtype
           of dy.
        3. taps(kernel, stride, (HO, WO)) yields i, j, rows, columns for each place of the kernel; HO and WO are
           those of dy. Add the share into [:, rows, columns]: a pixel below several windows receives a share of
           each.
        4. remove_border(dpadded, padding) cuts the border away. Return the rest, dx.
    """,
    returns=("dx",),
    cases=(
        Case("four windows of four pixels", "value", _average_by_hand),
        Case("two pictures, two channels", "value", _average_back((2, 4, 6, 2), kernel=2)),
        Case("float32 stays float32", "shape", _average_back((1, 6, 4, 2), dtype=np.float32, kernel=2)),
        Case(
            "overlap",
            "adversarial",
            _average_back((1, 4, 4, 1), kernel=3, stride=1),
            "the windows overlap: the pixels in the middle lie below all four",
        ),
        Case(
            "a border",
            "adversarial",
            _average_back((1, 4, 4, 1), kernel=2, padding=1),
            "the zeros of the border counted in the mean, so every share is dy / 4",
        ),
        Case(
            "a rest",
            "adversarial",
            _average_back((1, 5, 7, 1), kernel=2),
            "no window reads the last row and the last column: they are there, with gradient 0",
        ),
        Case(
            "pairs of all kinds",
            "adversarial",
            _average_back((2, 5, 7, 1), kernel=(2, 3), stride=(1, 2), padding=(1, 0)),
            "rows and columns differ in kernel, stride and padding",
        ),
        *window_cases(_average_back, half=True, dilated=False),
        Case("no pictures", "adversarial", _average_back((0, 4, 4, 2), kernel=2), "a batch of none is normal"),
        Case("dy stays as it was", "ownership", _average_back((1, 4, 4, 2), kernel=2)),
        GradientCase(
            "against differences",
            "backward",
            "tinymaskrcnn.ops.average_pool:avg_pool2d_forward",
            lambda rng: Call((rng.standard_normal((1, 5, 4, 2)),), {"kernel": 3, "stride": 2, "padding": 1}),
        ),
        Case("dense", "value", _average_back((2, 6, 6, 2), kernel=4, stride=1, padding=2), hidden=True),
    ),
    mistakes=(
        Mistake(LIES, (("+= share", "= share"),)),
        Mistake(  # as loops over the windows overwrite: the last window stays, not the last place of the kernel
            LIES,
            (
                ("+= share", "= share"),
                ("in taps(kernel, stride, dy.shape[1:3])", "in [*taps(kernel, stride, dy.shape[1:3])][::-1]"),
            ),
        ),
        Mistake(
            "the size of dx is computed from the windows: where the stride does not divide, no window reads the last "
            "rows and columns, but they are there; dx has the shape of x",
            (("(N, H + 2 * padding[0], W + 2 * padding[1], C)", f"(N, {REACH}, C)"),),
        ),
        Mistake(
            "the share is not divided: the forward divided by KH * KW, so every pixel receives dy / (KH * KW)",
            (("dy / (kernel[0] * kernel[1])", "dy + 0"),),
        ),
        Mistake(
            "you divide by the stride: the mean was taken over the kernel, and the two differ here",
            (("dy / (kernel[0] * kernel[1])", "dy / (stride[0] * stride[1])"),),
        ),
        Mistake(
            "the kernel is taken for a square: divide by its rows times its columns",
            (("kernel[0] * kernel[1]", "kernel[0] * kernel[0]"),),
        ),
        Mistake(
            "you divide by the pixels of the picture below each window: in the forward the zeros of the border "
            "counted as well",
            (("share = dy / (kernel[0] * kernel[1])", REAL_PIXELS),),
        ),
        Mistake(
            "the border is still there: cut it away with remove_border",
            (("remove_border(dpadded, padding)", "dpadded"),),
        ),
        Mistake(
            "the border is cut away below and to the right only: padding rows lie above and padding columns to the "
            "left as well",
            (("remove_border(dpadded, padding)", "dpadded[:, :H, :W].copy()"),),
        ),
    ),
)
