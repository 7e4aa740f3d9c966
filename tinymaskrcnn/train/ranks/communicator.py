"""How ranks add up what each of them has: always in the order of the ranks, so that the sum is the same every time.

A body says how arrays travel: `exchange`. All else is built on it. Every rank must call the same methods in the same
order; every call is a meeting, and nobody goes on before all have come.
"""

import contextlib
import io
import json
import sys

import numpy as np

from ...backend import array_module, move_like, to_host
from ...errors import RankError


class Communicator:
    """One of `size` processes, the one with number `rank`; rank 0 is the first, who writes and speaks."""

    rank, size = 0, 1

    @property
    def first(self):
        return self.rank == 0

    def exchange(self, parts):
        """Give parts[j], a host array (n_j,) of any size, to rank j; returns what each rank gave to this one.

        All are of one type, here and on all ranks.
        """
        return parts

    @contextlib.contextmanager
    def patiently(self, times):
        """Inside, wait for so many times as long as usual: one rank does what the others have no part in."""
        yield

    def end_all(self, status):
        """End the whole run, all ranks of it, now."""
        sys.exit(status)

    def everybody(self, array):
        """The arrays of all ranks, in their order: array (...) of one shape and type everywhere -> [(...)] * size"""
        host = np.asarray(to_host(array), order="C")
        came = _of_one_size(self.exchange([host.reshape(-1)] * self.size))
        return [move_like(part.reshape(host.shape), array) for part in came]

    def total(self, array):
        """The sum over the ranks of an array of a few numbers, or of a number: a new array, the same on all."""
        array = array if hasattr(array, "shape") else np.asarray(array)
        return in_order(self.everybody(array))

    def sum_into(self, flat):
        """Replace a long array (n,) by its sum over the ranks, in place and to the same bits on all.

        Each rank adds up one part of it and hands that to the others, so that every number travels twice.
        """
        host = to_host(flat)
        own = in_order(_of_one_size(self.exchange(np.array_split(host, self.size))))
        summed = np.concatenate(self.exchange([own] * self.size))
        flat[...] = move_like(summed, flat)

    def from_first(self, data):
        """The bytes that rank 0 gives, on all ranks; what others give does not matter."""
        own = np.frombuffer(data if self.first else b"", np.uint8)
        return self.exchange([own] * self.size)[0].tobytes()

    def arrays_of_all(self, arrays):
        """The arrays by name {name: array} that each rank gives, of any sizes, in the order of the ranks."""
        return [_unpacked(part) for part in self.exchange([_packed(arrays)] * self.size)]

    def arrays_from_first(self, arrays):
        """The arrays by name that rank 0 gives, on all ranks."""
        return _unpacked(np.frombuffer(self.from_first(_packed(arrays).tobytes() if self.first else b""), np.uint8))

    def told(self, value):
        """What all ranks say, in their order; a value is anything that JSON knows."""
        own = np.frombuffer(json.dumps(value).encode(), np.uint8)
        return [json.loads(part.tobytes()) for part in self.exchange([own] * self.size)]


def _packed(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return np.frombuffer(file.getvalue(), np.uint8)


def _unpacked(data):
    with np.load(io.BytesIO(data.tobytes())) as file:
        return {name: file[name] for name in file.files}


def _of_one_size(arrays):
    if len({array.size for array in arrays}) > 1:
        sizes = ", ".join(f"rank {rank} {array.size}" for rank, array in enumerate(arrays))
        raise RankError(f"the ranks do not do the same: at one meeting they gave unequal numbers of values ({sizes})")
    return arrays


def in_order(arrays):
    """The sum of arrays of one shape, added up from the first to the last, whenever each of them came."""
    xp = array_module(*arrays)
    total = xp.array(arrays[0], copy=True)
    for array in arrays[1:]:
        total += array
    return total
