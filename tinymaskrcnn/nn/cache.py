"""What a composite keeps between forward and backward, and how backward lets go of it as it passes."""

from ..errors import ArgumentError


class Cache(list):
    """The caches of the parts of a composite. It reads like a tuple, as often as one likes, until somebody spends it.

    A spent one can be read once more, from either end, and each part leaves it on the way: whoever still holds the
    cache holds an empty shell, and the arrays of a layer are freed when its backward is done.
    """

    spent = False  # True: the next reading is the last; "read": that was it

    def __iter__(self):
        return self._last(0) if self.spent else super().__iter__()

    def __reversed__(self):
        return self._last(-1) if self.spent else super().__reversed__()

    def _last(self, end):
        if self.spent == "read":
            raise ArgumentError("backward: this cache was spent by an earlier backward; run forward again")
        self.spent = "read"
        return _taken(self, end)


def _taken(parts, end):
    while parts:
        yield parts.pop(end)


def spend(cache):
    """Hand a cache to a backward that nobody will repeat: `layer.backward(dy, spend(cache))`.

    Every Cache inside is spent; the caches of single layers (tuples of arrays) stay as they are. Returns the cache.
    """
    if isinstance(cache, (dict, list, tuple)):
        for part in cache.values() if isinstance(cache, dict) else cache:
            spend(part)
    if isinstance(cache, Cache):
        cache.spent = True
    return cache
