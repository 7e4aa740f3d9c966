"""What a walked step is made of: the functions that ran, their calls, and what each statement made."""

import dataclasses
import re
from typing import Any

MARKS = ("checked.<locals>.door", "has_kernel.<locals>.dispatch")  # stand around a function and hand its call on


@dataclasses.dataclass(frozen=True)
class Seen:
    """A value that a line made: its name, its shape (None: no array), and what it looked like, by the walk's `look`.

    A list of arrays, as a pyramid, has a Seen for each in `parts`; text says what is no array, or has few numbers.
    kept: of a cache, the bytes that it keeps.
    """

    name: str
    shape: tuple | None = None
    dtype: str = ""
    text: str = ""
    parts: tuple = ()
    look: Any = None
    kept: int | None = None


@dataclasses.dataclass
class Ran:
    """A statement that ran: the call in which it first did, how often in that one, what it made, whom it called.

    seen: what it made the first time, or at the end where something grows; shapes {name: [those of later times]}.
    """

    first_call: int
    times: int = 0
    seen: list = dataclasses.field(default_factory=list)
    shapes: dict = dataclasses.field(default_factory=dict)
    called: dict = dataclasses.field(default_factory=dict)  # Functions, in order


@dataclasses.dataclass(eq=False, repr=False)
class Call:
    """One call of a function: its place in the order of all, who called it from which line, and for which module.

    given and returned [Seen] without looks; kept: bytes that its cache keeps, those of the weights not counted;
    station: the number of the Station that it is part of.
    """

    function: "Function"
    number: int
    caller: "Call | None"
    line: int
    module: str
    given: list
    returned: list = dataclasses.field(default_factory=list)
    kept: int | None = None
    station: int = -1

    def __repr__(self):
        return f"Call({self.number}, {self.function.name})"


@dataclasses.dataclass(eq=False, repr=False)
class Function:
    """A function that ran: where it stands, the numbers of its lines that ran, {first line: Ran} of its statements.

    given [Seen] of its first call, with looks; keeps [(place, shape, bytes)] of the cache that its first call returned.
    """

    file: str
    name: str
    definition: Any
    lines: set = dataclasses.field(default_factory=set)
    ran: dict = dataclasses.field(default_factory=dict)
    calls: list = dataclasses.field(default_factory=list)
    given: list = dataclasses.field(default_factory=list)
    keeps: list = dataclasses.field(default_factory=list)

    def __repr__(self):
        return f"Function({self.file}, {self.name}, {len(self.calls)} calls)"

    @property
    def mark(self):
        """Whether it only stands around other functions: what checks shapes, what looks for kernels."""
        return self.file == "contract.py" or self.hands_on

    @property
    def hands_on(self):
        """Whether a call of it is a call of the function that it stands around."""
        return self.name in MARKS

    @property
    def partner(self):
        """The name of its mirror, "" where it cannot have one."""
        *owner, last = self.name.split(".")
        for word, other in (("backward", "forward"), ("forward", "backward")):
            if last == word or last.endswith(f"_{word}"):
                return ".".join([*owner, last.removesuffix(word) + other])
        return ""


@dataclasses.dataclass(eq=False, repr=False)
class Station:
    """A part of the step: a call that the whole network's forward or backward makes itself.

    doc: what its class says of it, or its function; given and returned [Seen] with looks; kept: bytes that its part of
    the caches keeps.
    """

    call: Call
    backward: bool
    doc: str
    given: list
    returned: list = dataclasses.field(default_factory=list)
    kept: int = 0

    def __repr__(self):
        return f"Station({self.title}, backward={self.backward})"

    @property
    def title(self):
        """The module's name, and what it does where that is neither forward nor backward: "rpn loss"."""
        last = self.call.function.name.rpartition(".")[2]
        words = re.sub(r"_?(forward|backward)$", "", last).replace("_", " ")
        return f"{self.call.module.rpartition('.')[2].replace('_', ' ')} {words}".strip()


@dataclasses.dataclass(frozen=True, repr=False)
class Walk:
    """A step that was walked.

    functions [Function] in the order of their first calls, stations [Station], losses {name: float}, kept: bytes that
    waited for backward, calls: how many calls there were, image (H, W, C), its Target, and sizes.
    """

    functions: list
    stations: list
    losses: dict
    kept: int
    calls: int

    def __repr__(self):
        return f"Walk({len(self.functions)} functions, {len(self.lines)} lines, {self.calls} calls)"

    @property
    def lines(self):
        """{(file, line)} of all lines that ran."""
        return {(f.file, line) for f in self.functions for line in f.lines}

    def find(self, file, name):
        """The Function of that name, or None when it did not run."""
        return next((f for f in self.functions if (f.file, f.name) == (file, name)), None)
