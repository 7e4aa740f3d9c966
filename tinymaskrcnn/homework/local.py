"""A student's file in this process: where there is no other one, as in a browser's tab, and the file is one's own.

It is asked in the same words and answers in the same bytes as a process of its own would, so that the verdicts are the
same. But nothing is closed to it, and nothing ends a loop that has no end.
"""

import contextlib
import io

from ..kernel_lookup import without_kernels
from . import wire
from .asking import AskedStudent
from .guard import SOLUTION
from .student import reply, student_of


class LocalStudent(AskedStudent):
    """Asks in this process, by the package's texts and without the solution of the exercise in hand."""

    def take(self, exercise):
        """Turn to the function of another exercise; None, or the Trouble that its file or its function is in."""
        loud = self.taken is None  # what the file prints at its top is shown once
        self.taken = exercise
        self.student = student_of(_travelled(self._preparation(exercise)))
        with _put_away(exercise):
            return self._ask({"do": "take", "loud": loud}).trouble

    def answer(self, call):
        """The Answer of the function in hand to a Call."""
        return self._ask({"do": "call", "args": list(call.args), "data": call.data})

    def _ask(self, request):
        with without_kernels():
            came = reply(self.student, _travelled(request))
        way = io.BytesIO()
        wire.send_any(way, {**came, "violations": []})
        way.seek(0)
        return self._read(wire.receive(way))


def _travelled(request):
    """A request as it arrives after a way between two processes."""
    return wire.unpack(wire.pack(request))


@contextlib.contextmanager
def _put_away(exercise):
    """While a file is loaded, what it imports of the package does not hold the solution of the exercise."""
    blank = exercise.blank

    def refusal(*_, **__):
        raise PermissionError(f"{blank.id}: {SOLUTION} is not allowed in homework")

    with contextlib.ExitStack() as after:
        for name in (blank.function, *exercise.without):
            owner = blank.owner()
            kept = vars(owner).get(name)
            if callable(kept):
                setattr(owner, name, refusal)
                after.callback(setattr, owner, name, kept)
        yield
