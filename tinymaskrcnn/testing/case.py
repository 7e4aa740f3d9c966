"""One forward/backward with its example arguments, as every check wants to call it."""

from dataclasses import dataclass, field

import numpy as np

from ..backend import to_host
from .subject import CheckFailed, caster, fresh, gradients_by_input, random_like
from .trees import lock, map_arrays


@dataclass
class Case:
    """One forward/backward with its example arguments; `put` moves host arrays to the backend under test."""

    subject: object
    inputs: tuple
    data: dict
    without_gradient: tuple = ()
    directions: int = 3
    seed: int = 0
    dtype: type = np.float64
    put: object = staticmethod(lambda array: array)
    args: tuple = field(init=False)

    def __post_init__(self):
        self.subject = self.subject.converted(lambda a: self.put(to_host(a).astype(self.dtype)))
        self.args = map_arrays(caster(self.dtype, self.put), tuple(self.inputs))

    def with_(self, **changes):
        values = {
            n: getattr(self, n) for n in ("inputs", "data", "without_gradient", "directions", "seed", "dtype", "put")
        }
        return Case(self.subject, **{**values, **changes})

    @property
    def names(self):
        return self.subject.names

    def forward(self, args=None, data=None):
        """One forward on locked arguments, with fresh data and a fresh generator."""
        args = self.args if args is None else args
        data = fresh(self.data, caster(self.dtype, self.put)) if data is None else data
        lock(args)
        lock(data)
        y, cache = self.subject.forward(args, data)
        return y, lock(cache)

    def backward(self, dy, cache):
        """One backward on a locked dy; the gradients as one entry per input."""
        return gradients_by_input(self.subject.backward(lock(dy), cache), self.args, self.names[1])

    def seed_for(self, y, seed=0):
        return random_like(y, np.random.default_rng((self.seed, seed)), self.put)

    def parameter_gradients(self):
        return {name: p.grad.copy() for name, p in self.subject.parameters if p.trainable}

    def argument(self, i):
        names = self.subject.arguments
        return names[i] if i < len(names) else f"{names[-1] if names else 'input'}[{i}]"


def fail(check, message):
    raise CheckFailed(check, message)
