"""What a cache costs: the bytes of the arrays that it keeps alive."""

from .trees import arrays_inside


def cache_bytes(cache, *, without=()):
    """Bytes of memory that a cache keeps from being freed: the arrays in it, at any depth, each counted once.

    A view counts as the whole array it looks into, once for all its views, because that is what stays. Arrays of
    `without`, a layer or anything with arrays in it, are there anyway (the weights) and are not counted.
    """
    return sum(bytes_ for *_, bytes_ in _rows(cache, without))


def cache_table(cache, *, without=()):
    """The same, as text: one line for each array with its place, shape, dtype and bytes, and the sum below.

    An array that is counted in another line, or is one of `without`, has 0 bytes.
    """
    rows = [(name, str(tuple(array.shape)), str(array.dtype), size) for name, array, size in _rows(cache, without)]
    total = ("sum in bytes", "", "", sum(size for *_, size in rows))
    names, shapes, dtypes = (max(len(row[i]) for row in [*rows, total]) for i in range(3))
    lines = [f"{n:{names}}  {s:{shapes}}  {d:{dtypes}}  {size:>12,}" for n, s, d, size in [*rows, total]]
    return "\n".join(lines)


def _rows(cache, without):
    """[(place, array, bytes that it adds)]; equal memory is counted where it is met first."""
    counted = {_memory(array)[0] for _, array in arrays_inside(without)}
    rows = []
    for name, array in arrays_inside(cache, "cache"):
        memory, size = _memory(array)
        rows.append((name, array, 0 if memory in counted else size))
        counted.add(memory)
    return rows


def owner(array):
    """The array that a chain of views ends in: what stays in memory while one of the views is kept."""
    while isinstance(getattr(array, "base", None), type(array)):
        array = array.base
    return array


def _memory(array):
    """(what tells one buffer from another, its bytes)"""
    array = owner(array)
    return id(array), int(array.nbytes)
