"""Wanted and given in numbers: in as few digits as tell them apart, and never as zeros that they are not."""

import math

import numpy as np

from .judge import agrees

PLACES = (4, 6, 9, 12, 17)  # behind the point, of an array
TINY = 1e-3  # an array without a larger number is written as a power of ten times an array


def array_texts(*arrays):
    """Arrays as texts that differ where the arrays differ; 1e-15 * [1. 2.] where all numbers are tiny.

    arrays: one, or the wanted and the given  ->  a list of texts
    """
    sizes = [_largest(a) for a in arrays]
    powers = [_power(max(sizes) if 10 * size >= max(sizes) else size) for size in sizes]  # alike if they are near
    for places in PLACES:
        texts = [_array_text(a, power, places) for a, power in zip(arrays, powers)]
        if len(arrays) < 2 or powers[0] != powers[1] or _differ_in_text(*arrays, *texts):
            break
    return [_with_power(text, power) for text, power in zip(texts, powers)]


def _largest(array):
    if array.dtype.kind != "f":
        return 1.0  # whole numbers are written in full
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))


def _power(size):
    return max(math.floor(math.log10(size)), -323) if 0 < size < TINY else 0


def _array_text(array, power, places):
    if array.dtype.kind == "f":
        array = (array / np.float64(10.0**power) if power else array) + 0.0  # no -0.
    lines = np.array2string(array, precision=places, suppress_small=True).splitlines()
    return "\n".join(line for line in lines if line.strip())


def _differ_in_text(want, got, *texts):
    """Whether the texts differ in every number in which the arrays do."""
    if want.shape != got.shape or want.dtype.kind != "f" or got.dtype.kind != "f":
        return True
    read = [np.array(text.replace("[", " ").replace("]", " ").split(), float) for text in texts]
    return bool(np.all(agrees(want, got).ravel() | (read[0] != read[1])))


def _with_power(text, power):
    front = f"1e{power:03d} * " if power else ""
    return front + text.replace("\n", "\n" + " " * len(front))
