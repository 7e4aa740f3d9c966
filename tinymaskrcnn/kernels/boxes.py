"""Boxes as four long rows of numbers: the text's steps in its order, two rows at a time."""

import math

import numpy as np

from ..kernel_lookup import register_kernel
from .common import is_float32

LARGEST_GROWTH, SMALLEST_SIDE = math.log(1000 / 16), 1e-6  # the text's: ops/boxes.py


def _takes(boxes, anchors, **options):
    return boxes.shape == anchors.shape and is_float32(boxes, anchors)


@register_kernel("encode", applies=_takes)
def encode(boxes, anchors, *, weights=(1.0, 1.0, 1.0, 1.0)):
    """Fast twin of ops.boxes.encode, to the last bit."""
    (centre, sides), (from_centre, from_sides) = (_centred(_rows(corners)) for corners in (boxes, anchors))
    for lengths in (sides, from_sides):
        np.maximum(lengths, np.float32(SMALLEST_SIDE), out=lengths)
    deltas = np.concatenate([centre - from_centre, np.log(sides / from_sides)])
    if tuple(weights) != (1, 1, 1, 1):
        deltas *= np.array(weights, np.float32)[:, None]
    deltas[:2] /= from_sides
    return np.ascontiguousarray(deltas.T).reshape(boxes.shape)


@register_kernel("decode", applies=_takes)
def decode(deltas, anchors, *, weights=(1.0, 1.0, 1.0, 1.0), clamp=LARGEST_GROWTH):
    """Fast twin of ops.boxes.decode, to the last bit."""
    moved, corners = _rows(deltas), _rows(anchors)
    if tuple(weights) != (1, 1, 1, 1):
        moved /= np.array(weights, np.float32)[:, None]
    shift, growth = moved[:2], np.minimum(moved[2:], np.float32(clamp), out=moved[2:])
    centre, sides = _centred(corners)
    shift *= sides
    centre += shift
    sides *= np.exp(growth, out=growth)
    sides /= 2
    np.subtract(centre, sides, out=corners[:2])
    np.add(centre, sides, out=corners[2:])
    return np.ascontiguousarray(corners.T).reshape(deltas.shape)


def _rows(boxes):
    """boxes (..., 4) as an array of its own (4, K)."""
    return np.array(boxes.reshape(-1, 4).T, order="C")


def _centred(corners):
    """Centres (2, K) and sides (2, K) of corners (4, K)."""
    low, high = corners[:2], corners[2:]
    centre = low + high
    centre /= 2
    return centre, high - low
