"""Cases that nobody thought up: drawn over all that a docstring allows, so that no special case fits them.

By hand one writes what one's own solution makes one think of. These have what is left out then: numbers of any size in
either type of float, hundreds of rows, and pairs (h, w) of which no two numbers are equal.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..exercise import Case

LARGE, SMALL = 1e15, 1e-15  # two of them multiplied are still far from what a float32 can hold
MANY = 150  # rows or pictures: more than fit any block, or any list of cases


def magnitudes(make, *, large=LARGE, small=SMALL):
    """Cases of large and of small numbers, in float32 for everybody and in float64 when grading.

    make(dtype=, scale=) -> draw(rng) -> Call; scale multiplies what is drawn around 1
    """
    for dtype, hidden in ((np.float32, True), (np.float64, False)):
        for scale, words in ((large, "large"), (small, "small")):
            name = f"{words} numbers in {np.dtype(dtype).name}"
            why = f"all numbers are about {scale:g}: no fixed limit, and no small constant added, suits them"
            yield Case(name, "adversarial", make(dtype=dtype, scale=scale), why, hidden=hidden)


def differing(rng, count, low, high):
    """So many whole numbers from low to high (included), no two of them equal: sizes that cannot be mistaken."""
    return tuple(int(n) for n in rng.choice(np.arange(low, high + 1), count, replace=False))


def windows(rng, *, half=False, dilated=True):
    """{"kernel", "stride", "padding", "dilation"} of windows, pairs (h, w) with two different numbers each.

    half: padding at most half the kernel, as pooling wants it; dilated=False leaves the dilation out
    """
    kernel = _one_small_one_large(rng, (2, 4), (5, 7))
    padding = tuple(k // 2 for k in kernel) if half else differing(rng, 2, 0, 6)
    options = {"kernel": kernel, "stride": _one_small_one_large(rng, (1, 3), (4, 6)), "padding": padding}
    return options | ({"dilation": differing(rng, 2, 1, 3)} if dilated else {})


def _one_small_one_large(rng, small, large):
    pair = [int(rng.integers(low, high + 1)) for low, high in (small, large)]
    return tuple(pair[::-1] if rng.random() < 0.5 else pair)


def picture_size(rng, count, *, kernel, stride, padding, dilation=(1, 1)):
    """(H, W) of a picture into which `count` windows (h, w) fit, mostly with a rest that none of them reads."""
    sides = []
    for n, k, s, p, d in zip(count, kernel, stride, padding, dilation):
        sides.append(max(1, (n - 1) * s + d * (k - 1) + 1 - 2 * p + int(rng.integers(0, s))))
    return tuple(sides)


def window_cases(make, *, half=False, dilated=True):
    """Cases of whatever slides windows over pictures.

    make(shape, kernel=, stride=, padding=, dtype=, scale=[, dilation=]) -> draw(rng) -> Call; half and dilated as for
    `windows`
    """

    def drawn(rng):
        options = windows(rng, half=half, dilated=dilated)
        H, W = picture_size(rng, differing(rng, 2, 7, 8), **options)
        return make((2, H, W, int(rng.integers(7, 10))), **options)(rng)

    def scaled(**options):
        return make((2, 5, 6, 2), kernel=(3, 2), stride=(2, 1), padding=(1, 0), **options)

    aside = {"kernel": (3, 2), "stride": (2, 1)}
    yield Case(
        "a border beside, none above", "adversarial", make((2, 5, 4, 3), padding=(0, 1), **aside), "padding is (0, 1)"
    )
    yield Case(
        "a border above, none beside", "adversarial", make((2, 4, 5, 3), padding=(1, 0), **aside), "padding is (1, 0)"
    )
    yield Case(
        "a window larger than the picture",
        "adversarial",
        make((1, 4, 5, 2), kernel=(7, 9), stride=(1, 1), padding=(3, 4)),
        "7 rows and 9 columns see 4 rows and 5 columns, and the border around them",
    )
    yield Case(
        "windows as they come",
        "adversarial",
        drawn,
        "kernel, stride, padding and size are drawn, each another number in rows than in columns",
    )
    yield Case("other windows as they come", "adversarial", drawn, hidden=True)
    small = {"kernel": (2, 1), "stride": (1, 1), "padding": (0, 0)}
    yield Case("many pictures", "adversarial", make((MANY, 3, 2, 2), **small), f"{MANY} pictures")
    yield from magnitudes(scaled)


# ---------------------------------------------------------------- by turns

# What is random is drawn where nothing is decided by rounding: two dtypes, both used rightly, never disagree.
DTYPES = np.float64, np.float32
SCALES = 1.0, 1e-5, 1e6  # of lengths: from parts of a pixel to more pixels than a picture has
GRADIENTS = 1.0, 1e-15, 1e6  # which are as small as that in training


@dataclass(frozen=True)
class Draw:
    """What a drawn case is made of: rng, and the number of the case among those of its name."""

    rng: Any
    number: int

    @property
    def dtype(self):
        return self.turn(DTYPES)

    @property
    def scale(self):
        """What all lengths of the case are multiplied with; every dtype meets every scale in six cases."""
        return self.turn(SCALES)

    def turn(self, options):
        """One of the options: the next in every case."""
        return options[self.number % len(options)]


def drawn(name, make, *, times=6, why="", kind="adversarial", hidden=False):
    """So many Cases "name, 1", "name, 2", ...; make(Draw) -> Call."""
    return tuple(
        Case(f"{name}, {i + 1}", kind, lambda rng, i=i: make(Draw(rng, i)), why, hidden=hidden) for i in range(times)
    )
