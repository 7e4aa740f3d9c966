"""What is said of a verdict: the headline, the first wrong case in numbers, and what it means."""

import numpy as np

from .digits import array_texts

READABLE = 24  # numbers of an argument that are shown; of a result that is wrong twice as many and more
LINES = 20  # of what was printed


def headline(verdict):
    """hw01.linear_backward   right   (7 of 7 cases)."""
    passed = sum(result.passed for result in verdict.results)
    count = f"{passed} of {len(verdict.results)} cases" if verdict.results[0].case is not None else ""
    if verdict.word in ("empty", "too slow", "too much memory", "tampered"):
        count = ""
    return f"{verdict.exercise.id:<40} {verdict.word:<16} {count}".rstrip()


def explanation(verdict):
    """The lines below the headline: the first wrong case, its numbers, what they mean; [] when all is right."""
    first = verdict.first
    if first is None:
        return []
    if verdict.word == "empty":
        return [verdict.diagnosis]
    lines = []
    if first.case is not None:
        lines.append(f"first wrong: {first.case.name}" + f" ({first.case.why})" * bool(first.case.why))
        lines += given(verdict.exercise, first)
    lines += _what_happened(first, verdict.diagnosis)
    if first.printed.strip():
        printed = first.printed.rstrip().splitlines()
        lines += ["your code printed:", *(f"  {line}" for line in printed[:LINES])]
        lines += ["  ..."] * (len(printed) > LINES)
    if verdict.diagnosis and verdict.diagnosis not in lines:
        lines.append(f"=> {verdict.diagnosis}")
    if 0 < verdict.points < verdict.exercise.points:
        lines.append("half the points: all plain cases are right")
    return lines


def of_the_file(verdict):
    """Whether a verdict speaks of the whole file, which does not load or may not be run, and not of its function."""
    first = verdict.first
    own = first is not None and first.trouble is not None and first.trouble.kind in ("missing", "definition")
    return first is not None and first.case is None and not own


def _what_happened(first, diagnosis):
    if first.trouble is not None:
        return [] if first.trouble.kind == "empty" else [first.trouble.message, *_where(first.trouble)]
    if first.wrong is not None:
        return [first.wrong.words, *small_arrays(first.wrong)]
    said = first.message.splitlines()
    return [line for line in said if not diagnosis.startswith(line)] + _where(first)


def _where(place):
    return [f"line {place.line}: {place.text}"] if place.line else []


# ---------------------------------------------------------------- numbers


def given(exercise, result):
    """The arguments of a wrong case by name, so that it can be done again by hand: small arrays in full."""
    if result.call is None or result.case.kind == "gradient":
        return []
    names = exercise.blank.parameters(len(result.call.args))
    found = [pair for name, value in zip(names, result.call.args) for pair in _parts(name, value)]
    found += [pair for name, value in result.call.data.items() for pair in _parts(name, value)]
    if not any(isinstance(value, np.ndarray) and 0 < value.size <= READABLE for _, value in found):
        return []
    width = max(len(name) for name, _ in found)
    lines = []
    for name, value in found:
        first, *rest = _written(value)
        lines += [f"  {name:<{width}} = {first}", *(f"  {'':<{width}}   {line}" for line in rest)]
    return ["given:", *lines]


def _parts(name, value):
    """(name, value) of what an argument holds: a list of arrays goes part by part."""
    if isinstance(value, (tuple, list)) and any(isinstance(part, (np.ndarray, tuple, list)) for part in value):
        return [pair for i, part in enumerate(value) for pair in _parts(f"{name}[{i}]", part)]
    return [(name, value)]


def _written(value):
    if isinstance(value, np.ndarray) and value.ndim and 0 < value.size <= READABLE:
        shape = f"  {value.shape}" if value.ndim > 2 else ""
        [text] = array_texts(value if value.ndim <= 2 else np.squeeze(value))
        first, *rest = text.splitlines()
        return [first + shape, *rest] if not rest else [first, *rest[:-1], rest[-1] + shape]
    if isinstance(value, np.ndarray) and value.ndim:
        return [f"{value.dtype} array of shape {value.shape}"]
    if value is None or isinstance(value, (bool, int, float, str, tuple, list, np.generic, np.ndarray)):
        return [f"{value}"]
    shape = getattr(value, "shape", None)
    return [f"a {type(value).__name__}" + (f" of shape {shape}" if shape is not None else "")]


def small_arrays(wrong):
    """Wanted and given side by side, when they are small enough to read."""
    want, got = wrong.want, wrong.got
    if not isinstance(want, np.ndarray) or not isinstance(got, np.ndarray) or not 0 < want.size <= 64 or got.size > 64:
        return []
    if want.ndim == got.ndim == 0:
        return []  # the line above holds both
    if want.ndim == got.ndim > 2:
        want, got = np.squeeze(want), np.squeeze(got)  # else the brackets are what one has to see
    left, right = (text.splitlines() for text in array_texts(want, got))
    height, width = max(len(left), len(right)), max(map(len, left)) + 4
    left, right = (side + [""] * (height - len(side)) for side in (left, right))
    return [f"  {'wanted':<{width}}yours", *(f"  {a:<{width}}{b}" for a, b in zip(left, right))]
