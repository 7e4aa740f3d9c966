"""A student's file with some of its blanks filled in."""

import textwrap
from dataclasses import dataclass

from tinymaskrcnn.homework.release import student_file


@dataclass(frozen=True)
class Mutant:
    """A plausible wrong solution: the lines a student puts in the place of the blank.

    says: words that the diagnosis must hold, "" where the mistake need not be named.
    """

    name: str
    body: str
    says: str = ""


def nearly(name, body, *edits, says=""):
    """A right solution with some of its text replaced, edits (old, new): wrong where its author did not look."""
    for old, new in edits:
        assert body.count(old) == 1, f"{name}: {old!r} stands {body.count(old)} times in the solution"
        body = body.replace(old, new)
    return Mutant(name, body, says)


def first_of(body):
    """The lines of a blank, or the first of several ways to fill it."""
    return body if isinstance(body, str) else body[0]


def fill(homework, bodies):
    """The released file with bodies {id: lines} in the place of the blanks; of several, a list, the first.  ->  text"""
    lines = student_file(homework).splitlines()
    for identifier, body in bodies.items():
        body = first_of(body)
        place = next(i for i, line in enumerate(lines) if f'raise NotImplementedError("{identifier}")' in line)
        indent = lines[place][: len(lines[place]) - len(lines[place].lstrip())]
        lines[place : place + 1] = textwrap.indent(textwrap.dedent(body).strip("\n"), indent).splitlines()
    return "\n".join(lines) + "\n"
