"""What an explanation is made of: a chain of steps, at each the number that would have changed it, and words."""

import textwrap
from dataclasses import dataclass, field

import numpy as np

from ..ops.boxes import to_center

WIDTH = 84  # characters of a line


@dataclass(frozen=True)
class Counterfactual:
    """A number that decided, and how far away it was from deciding otherwise.

    setting: its dotted name in a ModelConfig ("rpn.nms_iou"), or what the network said ("objectness"); now: what it is;
    same, other: next to the limit, the value with which the step decides as it did, and the one with which it does not;
    text: this in words; then: what would become of it all, "" where only the network could tell.
    """

    setting: str
    now: float
    same: float
    other: float
    text: str
    then: str = ""

    def __str__(self):
        now = f" (now {self.now:g})" if "." in self.setting else ""
        return f"{self.text}{now}{f': then {self.then}' if self.then else ''}"


@dataclass(frozen=True)
class Step:
    """One decision. name: "anchor", "objectness", ...; text: what happened; numbers: by name; counterfactuals."""

    name: str
    text: str
    numbers: dict = field(default_factory=dict)
    counterfactuals: tuple = ()

    def __str__(self):
        others = [wrapped(str(other), f"{'':14}- ", 16) for other in self.counterfactuals]
        return "\n".join([wrapped(self.text, f"{self.name:>12}  ", 14), *others])


@dataclass(frozen=True)
class Chain:
    """All steps of one detection, or of a missed object, after which it has none. title: what it is."""

    title: str
    steps: tuple

    def __getitem__(self, name):
        """A step by its name."""
        return {step.name: step for step in self.steps}[name]

    @property
    def counterfactuals(self):
        return tuple(other for step in self.steps for other in step.counterfactuals)

    def __str__(self):
        return "\n".join([self.title, *map(str, self.steps)])


# ---------------------------------------------------------------- boxes and names in words


def wrapped(text, first, indent):
    """Text that begins with `first`, in lines that a page has room for, all but the first with so many spaces."""
    look = {"initial_indent": first, "subsequent_indent": " " * indent, "break_long_words": False}
    return textwrap.fill(text, WIDTH, break_on_hyphens=False, **look)


def name_of(config, label):
    """The name of a class."""
    return config.class_names[int(label)]


def size_of(box):
    """ "23x34 px"."""
    return f"{box[2] - box[0]:.0f}x{box[3] - box[1]:.0f} px"


def place_of(box):
    """ "at 41, 20 to 63, 52"."""
    return "at {:.0f}, {:.0f} to {:.0f}, {:.0f}".format(*np.asarray(box).tolist())


def moved(before, after):
    """How a box became another: "2.1 px to the left, 1.0 px up, 12 % wider, 5 % lower"."""
    (x, y, w, h), (x2, y2, w2, h2) = (to_center(np.asarray(box, np.float64)).tolist() for box in (before, after))
    words = [
        _by(x2 - x, "px to the right", "px to the left"),
        _by(y2 - y, "px down", "px up"),
        _by(100 * (w2 / max(w, 1e-6) - 1), "% wider", "% narrower", digits=0),
        _by(100 * (h2 / max(h, 1e-6) - 1), "% higher", "% lower", digits=0),
    ]
    return ", ".join(filter(None, words)) or "left where it was"


def _by(amount, more, less, *, digits=1):
    said = f"{abs(amount):.{digits}f}"
    return f"{said} {more if amount > 0 else less}" if float(said) else ""


def ordinal(rank):
    """ "the best", or "number 3"."""
    return "the best" if rank == 1 else f"number {rank}"


def plural(count, one, many=None):
    """ "no box", "1 box", "3 boxes"."""
    return f"{count or 'no'} {one if count == 1 else many or one + 's'}"
