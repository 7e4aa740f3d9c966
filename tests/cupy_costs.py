"""What a card has to start for one operation of CuPy 14: read from its source, counted by the strict device array.

Most operations are one kernel. Some are none (views, memory that nobody writes), one of another kind (a matrix product
of cuBLAS, a sort of Thrust, an upload), or many: `concatenate` copies its arrays one by one, an index of several arrays
is first worked out axis by axis, `repeat` along an axis copies row by row.
"""

import math
from typing import NamedTuple

import numpy as np

KINDS = ("launch", "product", "sort", "upload", "memory")
MEMORY = {"empty", "empty_like"}
SORTS = {"argsort", "sort", "partition", "argpartition", "lexsort"}
PRODUCTS = {"matmul", "dot", "einsum", "tensordot", "vdot", "inner", "outer", "spmm"}
JOINS = {"concatenate", "stack", "vstack", "hstack", "dstack", "column_stack"}
SINGLE_KERNEL = 8  # of more arrays `concatenate` makes one launch, for which their addresses are uploaded
SEVERAL = {"mean": 1, "var": 3, "std": 4, "cumsum": 2, "linspace": 3, "triu": 2, "tril": 2, "tile": 2}
UPLOADING = {"asarray", "array", "asanyarray", "ascontiguousarray"}


class Started(NamedTuple):
    kind: str
    count: int


ONE_LAUNCH = (Started("launch", 1),)


def of_call(name, args, kwargs, result):
    """What a function or method starts: args as given, each device array replaced by the memory behind it."""
    if name in MEMORY:
        return [Started("memory", 1)]
    if name in SORTS:
        return [Started("sort", 1)]
    if name in PRODUCTS:
        return [Started("product", _matrices(*args[:2]) if name == "matmul" else 1)]
    if name in JOINS:
        count = len(args[0])
        return [Started("launch", count)] if count <= SINGLE_KERNEL else [Started("upload", 1), Started("launch", 1)]
    if name == "repeat":
        return [Started("launch", _repeats(*args, **kwargs))]
    if name == "take_along_axis":  # an arange for every other axis, then an index of as many arrays
        return [Started("launch", args[0].ndim - 1 + gathered(args[0].ndim))]
    return [Started("launch", SEVERAL.get(name, 1))]


def of_index(arrays):
    """Reading or writing through an index in which stand so many arrays."""
    return [Started("launch", gathered(arrays))]


def gathered(arrays):
    """One array is an index as it is; of several the places are added up from zero, axis by axis."""
    return arrays + 2 if arrays > 1 else 1


def _matrices(a, b):
    """cuBLAS does a batch in one call, but each matrix alone when one of the two is the same for all."""
    if a.ndim <= 2 and b.ndim <= 2:
        return 1
    if b.ndim == 2 and a.ndim > 2:
        return 1  # rows of all matrices together
    broadcast = a.shape[:-2] != b.shape[:-2]
    return math.prod(np.broadcast_shapes(a.shape[:-2], b.shape[:-2])) if broadcast else 1


def _repeats(array, repeats, axis=None):
    """Along no axis a copy and its reshape; along one a copy for every row."""
    return 1 if axis is None else array.shape[axis]
