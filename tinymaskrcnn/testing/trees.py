"""Nested lists, tuples, dictionaries and dataclasses of arrays: walk them, map them, compare them, lock them."""

import dataclasses

import numpy as np

from ..backend import _module_of, to_host
from ..errors import shown

NO_ARRAYS = {type(None), bool, int, float, str}


def is_array(x):
    """True for the arrays (and 0-d scalars) of every known backend."""
    return not isinstance(x, type) and _module_of(x) is not None


def is_float(x):
    return is_array(x) and x.dtype.kind == "f"


def map_arrays(change, tree, *others):
    """Rebuild the tree with every array replaced by change(array); more trees of the same structure go along."""
    if is_array(tree):
        return change(tree, *others)
    if isinstance(tree, dict):
        return {key: map_arrays(change, value, *(o[key] for o in others)) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        items = [map_arrays(change, value, *(o[i] for o in others)) for i, value in enumerate(tree)]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        names = [f.name for f in dataclasses.fields(tree)]
        changed = {n: map_arrays(change, getattr(tree, n), *(getattr(o, n) for o in others)) for n in names}
        return dataclasses.replace(tree, **changed)
    return tree


def leaves(tree, name=""):
    """The list of (name, array) in the order of map_arrays; names read like Python: features[2], losses['box']."""
    if is_array(tree):
        return [(name, tree)]
    if isinstance(tree, dict):
        return [leaf for key, value in tree.items() for leaf in leaves(value, _entry(name, key))]
    if isinstance(tree, (list, tuple)):
        return [leaf for i, value in enumerate(tree) for leaf in leaves(value, f"{name}[{i}]")]
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        fields = dataclasses.fields(tree)
        return [leaf for f in fields for leaf in leaves(getattr(tree, f.name), f"{name}.{f.name}")]
    return []


def _entry(name, key):
    return f"{name}[{key!r}]" if name else str(key)


def arrays_inside(tree, name=""):
    """Like leaves, but also looks into plain objects (a sparse matrix, a cache class): nothing can hide there."""
    found = []
    _look_inside(tree, name, set(), found)
    return found


def _look_inside(tree, name, seen, found):
    """Append (name, array) of every array inside to found; without names, None, where nobody asks for them."""
    if type(tree) in NO_ARRAYS or isinstance(tree, type) or id(tree) in seen:
        return
    seen.add(id(tree))
    if isinstance(tree, dict):
        for key, value in tree.items():
            _look_inside(value, name if name is None else _entry(name, key), seen, found)
    elif isinstance(tree, (list, tuple, set)):
        for i, value in enumerate(tree):
            _look_inside(value, name if name is None else f"{name}[{i}]", seen, found)
    elif is_array(tree):
        found.append((name, tree))
    elif hasattr(tree, "__dict__") and not callable(tree):
        for key, value in vars(tree).items():
            _look_inside(value, name if name is None else f"{name}.{key}", seen, found)


def lock(tree):
    """Make every array inside read-only, where arrays know how (CuPy's do not)."""
    found = []
    _look_inside(tree, None, set(), found)
    for _, array in found:
        if hasattr(array, "setflags") and not isinstance(array, np.generic):
            array.setflags(write=False)
    return tree


def copies(tree):
    """Fresh, contiguous, writable copies of all arrays."""
    return map_arrays(lambda array: array.copy(), tree)


def snapshot(tree):
    """[(name, array, its values now)], to be compared by first_change later."""
    return [(name, array, np.array(to_host(array))) for name, array in arrays_inside(tree)]


def first_change(taken):
    """The name of the first array whose values differ from its snapshot, or None."""
    for name, array, before in taken:
        if not np.array_equal(to_host(array), before, equal_nan=before.dtype.kind == "f"):
            return name
    return None


def structure_difference(got, want, name):
    """Words for the first difference in structure, shape or dtype between two trees; None when there is none."""
    if is_array(want):
        if not is_array(got):
            return f"{name} must be an array {tuple(want.shape)}; got {type(got).__name__}"
        if tuple(got.shape) != tuple(want.shape):
            return f"{name} must have shape {tuple(want.shape)}; got {tuple(got.shape)}"
        if got.dtype != want.dtype:
            return f"{name} must be {want.dtype}; got {got.dtype}"
        return None
    if isinstance(want, (list, tuple, dict)):
        if not isinstance(got, type(want)) or len(got) != len(want):
            given = type(got).__name__ + (f" of {len(got)}" if hasattr(got, "__len__") else "")
            return f"{name} must be a {type(want).__name__} of {len(want)}; got {given}"
        keys = want if isinstance(want, dict) else range(len(want))
        if isinstance(want, dict) and set(got) != set(want):
            return f"{name} must have the entries {sorted(want)}; got {sorted(got)}"
        differences = (structure_difference(got[key], want[key], f"{name}[{key!r}]") for key in keys)
        return next((d for d in differences if d), None)
    if dataclasses.is_dataclass(want):
        names = [f.name for f in dataclasses.fields(want)]
        differences = (structure_difference(getattr(got, n, None), getattr(want, n), f"{name}.{n}") for n in names)
        return next((d for d in differences if d), None)
    if leaves(got):  # where no array is wanted, one would go uncompared
        return f"{name} must be {shown(want)}; got {type(got).__name__}"
    return None


def largest_difference(got, want):
    """max |got - want| over max |want|, over two trees of the same structure; NaN where either holds one."""
    errors = [0.0]
    for (_, a), (_, b) in zip(leaves(got), leaves(want)):
        a, b = to_host(a).astype(np.float64), to_host(b).astype(np.float64)
        if b.size:
            errors.append(np.abs(a - b).max() / max(np.abs(b).max(), 1e-12))
    return float(np.max(errors))  # Python's max would pass over NaN


def same_bits(got, want):
    """True when two trees of the same structure hold exactly the same values (NaN equals NaN)."""
    pairs = zip(leaves(got), leaves(want))
    return all(np.array_equal(to_host(a), to_host(b), equal_nan=a.dtype.kind == "f") for (_, a), (_, b) in pairs)
