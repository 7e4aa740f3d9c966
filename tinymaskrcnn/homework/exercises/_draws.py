"""Cases that are drawn over all that a function documents, beyond the examples that come to an author's mind.

Numbers of float64 and float32, large and tiny ones, come by turns; so does whatever an exercise takes turns with. What
is random is drawn where nothing is decided by rounding: two dtypes, both used rightly, never disagree.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..exercise import Case

DTYPES = np.float64, np.float32
SCALES = 1.0, 1e-5, 1e6  # of lengths: from parts of a pixel to more pixels than a picture has
GRADIENTS = 1.0, 1e-15, 1e6  # which are as small as that in training


@dataclass(frozen=True)
class Draw:
    """What a drawn case is made of: rng, and the number of the case among those of its name."""

    rng: Any
    number: int

    @property
    def dtype(self):
        return self.turn(DTYPES)

    @property
    def scale(self):
        """What all lengths of the case are multiplied with; every dtype meets every scale in six cases."""
        return self.turn(SCALES)

    def turn(self, options):
        """One of the options: the next in every case."""
        return options[self.number % len(options)]


def drawn(name, make, *, times=6, why="", kind="adversarial", hidden=False):
    """So many Cases "name, 1", "name, 2", ...; make(Draw) -> Call."""
    return tuple(
        Case(f"{name}, {i + 1}", kind, lambda rng, i=i: make(Draw(rng, i)), why, hidden=hidden) for i in range(times)
    )
