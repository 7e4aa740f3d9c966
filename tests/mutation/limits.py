"""Solutions that are right within limits only, made from a right one: two groups, one leading axis, one dtype.

Each is a way to call the right function, so it says something about the cases alone: where no case goes beyond a
limit, whoever keeps within it gets full points.
"""

import numpy as np

from tinymaskrcnn.testing.trees import arrays_inside, is_array, map_arrays

ARRAYS = 8  # that a function is given, each of which somebody may write into


def limited(calls, outputs):
    """(name, wrap) of every limit that says something for these calls and outputs; wrap(function) keeps to it."""
    yield from _NUMBERS.items()
    tree = [(call.args, call.data) for call in calls]
    if _inner(tree, _is_whole):
        for most in (1, 2, 3, 4):
            yield f"whole numbers up to {most}", _given(_capped(most))
    if _inner(tree, _is_pair):
        yield from _PAIRS.items()
    axes = max((array.ndim for _, array in arrays_inside(outputs, "")), default=0)
    for axis in range(axes):
        for most in (1, 2, 3, 4, 6):
            yield f"results up to {most} along axis {axis}", _result(_cut(axis, most))
    for most in (16, 64, 128) if axes else ():
        yield f"results up to {most} rows", _result(_cut(0, most))
    count = max(len(_with_numbers(one)) for one in tree)
    for place in [*range(min(count, ARRAYS)), *([-1] if count > 1 else [])]:
        yield f"writes into array {place} it was given", _writing(place)
    if any(_inner(one, lambda x: isinstance(x, list)) for one in tree):
        yield "empties the lists it was given", _emptying
    yield "answers equal shapes as the first time", _remembering
    yield "fails without rows", _failing_without_rows


# ---------------------------------------------------------------- what is done to arguments and results


def _given(change):
    """Call the function with changed arguments."""

    def wrap(function):
        return lambda *args, **data: function(*change(args), **change(data))

    return wrap


def _result(change):
    """Change what the function returns."""

    def wrap(function):
        return lambda *args, **data: map_arrays(change, function(*args, **data))

    return wrap


def _floats(change):
    return lambda x: change(x) if is_array(x) and x.dtype.kind == "f" else x


def _arrays(change):
    """A change of arguments that concerns their float arrays."""
    return lambda tree: _mapped(_floats(change), tree, is_array)


def _mapped(change, tree, concerns):
    """A tree of lists, tuples and dictionaries with change(x) for each x that it concerns, caches' kinds kept."""
    if concerns(tree):
        return change(tree)
    if isinstance(tree, dict):
        return {key: _mapped(change, value, concerns) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        items = [_mapped(change, value, concerns) for value in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    return tree


def _inner(tree, concerns):
    found = []
    _mapped(found.append, tree, concerns)
    return found


def _is_whole(x):
    return isinstance(x, int) and not isinstance(x, bool)


def _is_pair(x):
    return isinstance(x, tuple) and len(x) == 2 and all(map(_is_whole, x))


def _capped(most):
    return lambda tree: _mapped(lambda x: min(x, most), tree, _is_whole)


def _pairs(change):
    return _given(lambda tree: _mapped(change, tree, _is_pair))


def _cut(axis, most):
    """Whatever lies beyond is zero."""

    def change(x):
        if x.ndim <= axis or x.shape[axis] <= most:
            return x
        x = np.array(x)
        x[(slice(None),) * axis + (slice(most, None),)] = 0
        return x

    return change


def _small(x, least):
    return np.where(abs(x) < least, x.dtype.type(0), x)


_NUMBERS = {
    "float64 whatever comes": _result(_floats(lambda x: x.astype(np.float64))),
    "float32 whatever comes": _result(_floats(lambda x: x.astype(np.float32))),
    "computes in float32": _given(_arrays(lambda x: x.astype(np.float32).astype(x.dtype))),
    "computes in float16": _given(_arrays(lambda x: x.astype(np.float16).astype(x.dtype))),
    **{
        f"numbers up to {c:g}": _given(_arrays(lambda x, c=c: np.clip(x, -x.dtype.type(c), x.dtype.type(c))))
        for c in (10, 1e3, 1e6)
    },
    **{f"below {c:g} counts as 0": _given(_arrays(lambda x, c=c: _small(x, c))) for c in (1e-3, 1e-6, 1e-12)},
    **{f"results are {c:g} too large": _result(_floats(lambda x, c=c: x + x.dtype.type(c))) for c in (1e-6, 1e-12)},
    "results keep six digits": _result(_floats(lambda x: np.round(x, 6))),
    "no negative results": _result(_floats(lambda x: np.maximum(x, 0))),
}

_PAIRS = {
    "pairs equal to their rows": _pairs(lambda p: (p[0], p[0])),
    "pairs equal to their columns": _pairs(lambda p: (p[1], p[1])),
    "pairs only where rows are not 0": _pairs(lambda p: p if p[0] else (0, 0)),
    "pairs only where columns are not 0": _pairs(lambda p: p if p[1] else (0, 0)),
    "pairs in order": _pairs(lambda p: (min(p), max(p))),
    "pairs in falling order": _pairs(lambda p: (max(p), min(p))),
}


# ---------------------------------------------------------------- manners


def _with_numbers(tree):
    return [array for _, array in arrays_inside(tree, "") if array.ndim and array.size]


def _writing(place):
    def wrap(function):
        def writes(*args, **data):
            output = map_arrays(np.array, function(*args, **data))
            arrays = _with_numbers((args, data))
            if -1 <= place < len(arrays):
                array = arrays[place]
                np.copyto(array, ~array if array.dtype.kind == "b" else array + array.dtype.type(1))
            return output

        return writes

    return wrap


def _emptying(function):
    def empties(*args, **data):
        output = function(*args, **data)
        for tree in (*args, *data.values()):
            if isinstance(tree, list):
                tree.clear()
        return output

    return empties


def _remembering(function):
    answers = {}

    def remembers(*args, **data):
        key = repr(_mapped(lambda x: (x.shape, str(x.dtype)), (args, data), is_array))
        if key not in answers:
            answers[key] = function(*args, **data)
        return answers[key]

    return remembers


def _failing_without_rows(function):
    def fails(*args, **data):
        if any(array.size == 0 for _, array in arrays_inside((args, data), "")):
            raise ValueError("zero-size array")
        return function(*args, **data)

    return fails
