"""What an exercise is: its recipe, the cases it is checked on, and the mistakes that are known by name."""

from collections.abc import Callable
from dataclasses import dataclass, field

from .blanks import find_blank

KINDS = {
    "value": "a small example by hand",
    "shape": "shapes and types",
    "adversarial": "where a plausible idea breaks",
    "ownership": "what you were given stays as it was",
    "gradient": "the backward against differences of the forward",
}


@dataclass(frozen=True)
class Call:
    """One call of the function: positional arguments and keyword data, all plain arrays, numbers, tuples and lists."""

    args: tuple = ()
    data: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A situation the function is tried in.

    make(rng) draws the Call; the same rng state gives the same call. kind is one of KINDS; a hidden case is used in
    grading only. `why` is shown when the case goes wrong: what this situation has that others lack.
    """

    name: str
    kind: str
    make: Callable
    why: str = ""
    hidden: bool = False


@dataclass(frozen=True)
class GradientCase:
    """The public harness on a pair of which one half is the student's.

    make(rng) draws the Call of the forward. half is "forward" or "backward"; `other` names the package's other half as
    "tinymaskrcnn.ops.linear:linear_forward". options go to check_pair.
    """

    name: str
    half: str
    other: str
    make: Callable
    options: dict = field(default_factory=dict)
    why: str = ""
    hidden: bool = False
    kind: str = "gradient"


@dataclass(frozen=True)
class Mistake:
    """A known mistake: `says` names it to the student; edits ((old, new), ...) turn the package's solution into it.

    A student's function that answers every case as the edited solution does has made this mistake. Each `old` must
    stand in the solution exactly once.
    """

    says: str
    edits: tuple


@dataclass(frozen=True)
class Exercise:
    """One blank with all that belongs to it.

    returns: the names of what the function returns, in order. results(output, call) -> {name: value} turns an output
    into what is compared; by default the parts of the output by their names. drive(function, *args, **data) calls the
    student's function where it is not called with plain arrays (a method, say); it runs beside the student's code, with
    the function laid over the package. without: names used by the solution that the student's file does not import,
    since they would give it away. picture(call, want, got) -> Figure or None replaces the general picture of what is
    wrong.
    """

    id: str
    title: str
    points: int
    lesson: str
    recipe: str
    returns: tuple
    cases: tuple
    mistakes: tuple
    results: Callable | None = None
    drive: Callable | None = None
    without: tuple = ()
    picture: Callable | None = None

    @property
    def blank(self):
        return find_blank(self.id)

    @property
    def homework(self):
        return self.id.split(".")[0]

    def chosen_cases(self, *, hidden):
        """The cases of a check, or with the hidden ones those of a grading."""
        return [case for case in self.cases if hidden or not case.hidden]

    def parts(self, output, call):
        """{name: value} of what is compared."""
        if self.results is not None:
            return self.results(output, call)
        return name_parts(self.returns, output)


def name_parts(names, output):
    """Give the parts of an output their names; a single one is the output itself. ValueError for a wrong count."""
    if len(names) == 1:
        return {names[0]: output}
    if not isinstance(output, (tuple, list)):
        name = getattr(output, "name", type(output).__name__)  # of what could not travel
        raise ValueError(f"returns one thing, a {name}; wanted {len(names)}: {', '.join(names)}")
    if len(output) != len(names):
        raise ValueError(f"returns {len(output)} things; wanted {len(names)}: {', '.join(names)}")
    return dict(zip(names, output))
