"""Transformed weights of convolutions, remembered while the weights hold the same numbers.

A detector at work transforms the same weights for every picture, and the head of the region proposal network for every
level of the pyramid. Whether a weight is still the same is never guessed: its numbers are compared with a copy, which
takes a tenth of the time of a transform.
"""

import threading
from collections import OrderedDict

import numpy as np


def turned_round(weight):
    """The weight that carries gradients back: (KH, KW, C, O) -> (KH, KW, O, C), upside down and right to left."""
    return np.ascontiguousarray(weight[::-1, ::-1].transpose(0, 1, 3, 2))


BYTES = 32 << 20  # of copies and transforms together; the least recently used go first


class TransformedWeights:
    """`of(weight, kind, transform)` is transform(weight), made anew only when the weight has changed."""

    def __init__(self, limit=BYTES):
        self.limit = limit
        self.lock = threading.Lock()
        self.kept = OrderedDict()  # (place in memory, shape, kind) -> (copy of the weight, transformed)
        self.bytes = 0

    def of(self, weight, kind, transform):
        key = weight.__array_interface__["data"][0], weight.shape, weight.strides, kind
        with self.lock:
            copy, transformed = self.kept.get(key, (None, None))
        if copy is not None and copy.item(0) == weight.item(0) and np.array_equal(copy, weight):  # one mostly tells
            with self.lock:
                if key in self.kept:
                    self.kept.move_to_end(key)
            return transformed
        transformed = transform(weight)
        transformed.flags.writeable = False
        with self.lock:
            self._forget(key)
            if transformed.nbytes + weight.nbytes <= self.limit:
                self.kept[key] = weight.copy(), transformed
                self.bytes += weight.nbytes + transformed.nbytes
            while self.bytes > self.limit:
                self._forget(next(iter(self.kept)))
        return transformed

    def _forget(self, key):
        for array in self.kept.pop(key, ()):
            self.bytes -= array.nbytes
