"""Many parameters in one array: what happens to each number on its own can then happen to all of them at once.

A network has a hundred parameters, most of them small. One operation on one long array takes the time of its numbers; a
hundred operations take a hundred starts as well, and on a GPU the starts are all that is felt.
"""

import numpy as np

from ..backend import array_module
from ..errors import ArgumentError
from .module import Parameter

ALIGNED = 64  # bytes: every parameter starts at a multiple, where wide loads are fast
PIECE = 1 << 16  # numbers that stay in a core's cache from one operation of an update to the next


class Flat(Parameter):
    """A parameter made of parameters: their values lie one behind the other in one array, and so do their gradients.

    Each parameter's own `value` and `grad` become views into the two, so that nothing changes for its layer. A few
    numbers between them belong to nobody; they are zeros and stay zeros.
    """

    def __init__(self, parameters, *, decay=True):
        """parameters {name: Parameter}, of one dtype, on one device."""
        self.parameters = dict(parameters)
        values = {name: p.value for name, p in self.parameters.items()}
        if len({id(value) for value in values.values()}) < len(values):
            raise ArgumentError(
                f"Flat: two of {list(values)} share an array; to tie weights, share the Parameter itself"
            )
        step = ALIGNED // next(iter(values.values())).itemsize
        self.start, size = {}, 0
        for name, value in values.items():
            self.start[name] = size
            size += -(-value.size // step) * step
        self.size = size
        super().__init__(self.gather(values), decay=decay)
        self.grad = self.gather({name: p.grad for name, p in self.parameters.items()})
        self.views = {name: (self.view(self.value, name), self.view(self.grad, name)) for name in self.parameters}
        for name, p in self.parameters.items():
            p.value, p.grad = self.views[name]

    def gather(self, arrays):
        """A new flat array with the given ones {name: array} at their parameters' places and zeros everywhere else."""
        like = next(iter(self.parameters.values())).value
        flat = array_module(like).zeros(self.size, like.dtype)
        for name, array in arrays.items():
            self.view(flat, name)[...] = array
        return flat

    def view(self, flat, name):
        """The part of a flat array that belongs to a parameter, in its shape."""
        value, start = self.parameters[name].value, self.start[name]
        return flat[start : start + value.size].reshape(value.shape)

    def holds(self, name, parameter):
        """Whether the parameter still looks into these arrays; a conversion to another dtype or device ends that."""
        value, grad = self.views.get(name, (None, None))
        return parameter.value is value and parameter.grad is grad


def pieces(*arrays):
    """Cut flat arrays of one length into pieces that stay in the cache; on a device they stay whole.

    arrays (n,), ...  ->  yields tuples of views
    """
    size = arrays[0].size
    step = PIECE if array_module(*arrays) is np else max(size, 1)
    for start in range(0, size, step):
        yield tuple(array[start : start + step] for array in arrays)
