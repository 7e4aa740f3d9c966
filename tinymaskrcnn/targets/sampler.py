"""A balanced random sample of boxes: at most a share of positives, filled up with negatives.

The random keys are drawn on the host and moved, so that a CPU and a GPU choose the same boxes.
"""

from ..backend import array_module, move_like
from .matcher import NEGATIVE, POSITIVE


def draw_keys(shape, *, rng, like):
    """Distinct random numbers in (0, 1), one per box, where `like` lives."""
    return move_like(1.0 - rng.random(shape), like)


def balanced_sample(label, keys, *, count, positive_fraction):
    """Choose up to `count` boxes per image, at most count * positive_fraction of them positive.

    label (N, K) int, keys (N, K) random in (0, 1)  ->  chosen (N, K) bool
    """
    positives = _top(label == POSITIVE, keys, int(count * positive_fraction))
    room = count - positives.sum(axis=1, keepdims=True)  # positives that are missing leave room for negatives
    negatives = _top(label == NEGATIVE, keys, count, room)
    return positives | negatives


def _top(candidates, keys, most, room=None):
    """The candidates with the largest keys: `most` of them at most, and no more than `room` (N, 1) in each row."""
    xp = array_module(keys)
    most = min(most, keys.shape[1])
    if most == 0:
        return candidates & False
    key = xp.where(candidates, keys, 0)
    largest = xp.partition(key, keys.shape[1] - most, axis=1)[:, keys.shape[1] - most :]
    if room is None:
        threshold = largest.min(axis=1, keepdims=True)
    else:
        largest = -xp.sort(-largest, axis=1)  # best first, so that place `room - 1` holds the last key let in
        place = xp.minimum(room, most) - 1
        threshold = xp.where(place >= 0, xp.take_along_axis(largest, xp.maximum(place, 0), axis=1), 2.0)
    return candidates & (key >= threshold) & (key > 0)
