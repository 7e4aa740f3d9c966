"""Cases that nobody thought up: drawn over all that a docstring allows, so that no special case fits them.

By hand one writes what one's own solution makes one think of. These have what is left out then: numbers of any size in
either type of float, hundreds of rows, and pairs (h, w) of which no two numbers are equal.
"""

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


def windows(rng, *, largest=6, half=False, dilated=True):
    """{"kernel", "stride", "padding", "dilation"} of windows, pairs (h, w) with two different numbers each.

    half: padding at most half the kernel, as pooling wants it; dilated=False leaves the dilation out
    """
    kernel = differing(rng, 2, 2, largest)
    padding = tuple(k // 2 - (half and k // 2 == kernel[1 - i] // 2) * i for i, k in enumerate(kernel))
    options = {"kernel": kernel, "stride": differing(rng, 2, 1, largest)}
    options["padding"] = padding if half else differing(rng, 2, 0, largest)
    return options | ({"dilation": differing(rng, 2, 1, 3)} if dilated else {})


def picture_size(rng, options, *, windows):
    """(H, W) that so many windows (h, w) of these options fit into, with a rest that no window reads, where one can."""
    kernel, stride, padding = options["kernel"], options["stride"], options["padding"]
    dilation = options.get("dilation", (1, 1))
    least = [(n - 1) * s + d * (k - 1) + 1 - 2 * p for n, s, d, k, p in zip(windows, stride, dilation, kernel, padding)]
    return tuple(max(1, length + int(rng.integers(0, s))) for length, s in zip(least, stride))
