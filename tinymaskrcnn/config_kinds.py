"""The kinds of rule that a setting can be held to: whole numbers, numbers, words, texts, and lists of these."""

import numbers
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """In words what is wanted, and a function that gives the value in the type of the setting, or raises ValueError."""

    wanted: str
    take: Callable


def whole(low, high):
    """A whole number; NumPy's become Python's."""

    def take(value):
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not low <= value <= high:
            raise ValueError
        return int(value)

    return Rule(f"a whole number in {_round(low)}..{_round(high)}", take)


def number(low, high, *, above=False):
    """A finite number, 1 standing for 1.0; `above`: `low` itself is too small."""

    def take(value):
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or not low <= value <= high:  # NaN fails
            raise ValueError
        if above and value == low:
            raise ValueError
        return float(value)

    limits = f"above {low:g} and up to {_round(high)}" if above else f"in {low:g}..{_round(high)}"
    return Rule(f"a number {limits}", take)


def flag():
    def take(value):
        if not isinstance(value, bool):
            raise ValueError
        return value

    return Rule("true or false", take)


def one_of(*words):
    def take(value):
        if not isinstance(value, str) or value not in words:
            raise ValueError
        return value

    *first, last = map(repr, words)
    return Rule(f"{', '.join(first)} or {last}" if first else last, take)


def some_of(*words):
    """Words joined by a plus, each once."""

    def take(value):
        chosen = value.split("+") if isinstance(value, str) else [None]
        if not set(chosen) <= set(words) or len(set(chosen)) < len(chosen):
            raise ValueError
        return value

    return Rule(f"some of {', '.join(words)}, joined by +", take)


def text(most=4096):
    """A text that can be a file's name or a title."""

    def take(value):
        if not isinstance(value, str) or len(value) > most or "\0" in value:
            raise ValueError
        return value

    return Rule(f"a text of at most {most} characters", take)


def one_line():
    """A text that can stand in a line, a table and a picture."""

    def take(value):
        if not isinstance(value, str) or not is_name(value):
            raise ValueError
        return value

    return Rule("a name of one line", take)


def is_name(value):
    """Whether a text is a class's name: not blank, not endless, without control characters and ends of lines."""
    return bool(value.strip()) and len(value) <= 200 and not any(_controls(c) for c in value)


def _controls(character):
    code = ord(character)
    return code < 32 or 127 <= code < 160 or 0xD800 <= code < 0xE000 or character in "\u2028\u2029\ufeff"


def row(entry, *, least=0, most=64):
    """A list of entries of one kind, kept as a tuple."""
    count = f"{least}" if least == most else f"{least}..{most}"

    def take(value):
        if not isinstance(value, (list, tuple)) or not least <= len(value) <= most:
            raise ValueError
        return tuple(map(entry.take, value))

    return Rule(f"a list of {count} entries, each {entry.wanted}", take)


def two(kind, low, high):
    """Two numbers, whole or not, of which the first is not the larger."""
    both = row(kind(low, high), least=2, most=2)

    def take(value):
        first, second = both.take(value)
        if first > second:
            raise ValueError
        return first, second

    return Rule(f"two {kind.__name__.replace('whole', 'whole number')}s, the smaller first, in {low}..{high}", take)


def levels():
    """Anchor sizes level by level; the head that all levels share needs equally many of each."""
    sizes = row(row(number(0, 1e5, above=True), least=1, most=16), least=1, most=16)

    def take(value):
        taken = sizes.take(value)
        if len(set(map(len, taken))) > 1:
            raise ValueError
        return taken

    return Rule("for each level a list of equally many anchor sizes, each above 0 and up to 100000", take)


def _round(value):
    """A limit as short as it goes: 65536, 0.001, 1e9; the last place of 2**63 helps nobody."""
    return f"{value:g}" if abs(value) < 10**6 else f"{value:.0e}".replace("e+0", "e").replace("e+", "e")


def heads():
    """The heads of a model; without a box nothing is found."""
    def take(value):
        known = row(one_of("box", "mask", "keypoint"), least=1, most=3).take(value)
        if "box" not in known or len(set(known)) < len(known):
            raise ValueError
        return known

    return Rule("a list that holds 'box' and may hold 'mask' and 'keypoint', each once", take)
