"""The gradient check: derivatives by differences of forward, along directions or one number at a time."""

import functools

import numpy as np

from ..backend import to_host
from .case import fail
from .trees import is_float, leaves, map_arrays

STEPS = (1e-5, 1e-6, 1e-7)  # tried in turn: a true gradient agrees with one of them, a wrong one with none
TOLERANCE = 1e-6  # relative, in float64
GOOD = 1e-7  # so close that no other step is tried
TINY = 256  # with so few numbers in all inputs and parameters, every single derivative is checked
PROBES = 6  # single numbers looked at when a direction of a large array is wrong
SHOWN = 10  # rows in the table of a message


def check_gradients(case):
    """Every gradient that backward returns, and every parameter's, against differences of the forward.

    Returns the largest relative error; of what y's own digits cannot resolve only the share that TOLERANCE allows for.
    """
    worst = 0.0
    for name, value, rows, judge in _judged(case):
        if not all(row[-1] for row in rows):
            if judge is not None:
                rows += [(label, *judge(v)) for label, v in _probes(value)]
            fail("gradient", _message(case, name, value, rows))
        worst = max([worst, *(float(error) for *_, error, _ in rows)])
    return worst


def largest_error(case):
    """As `check_gradients`, and of a wrong gradient too: the largest relative error, with no judgement on it."""
    return max((float(error) for _, _, rows, _ in _judged(case) for *_, error, _ in rows), default=0.0)


def _judged(case):
    """(name, value, rows of derivatives, how to make another one; None where every number was looked at already)."""
    case.subject.zero_grad()
    y, cache = case.forward()
    dy = case.seed_for(y)
    gradients = case.backward(dy, cache)
    analytic = case.parameter_gradients()
    rng = np.random.default_rng((case.seed, 7))
    slots = list(_input_slots(case, gradients)) + list(_parameter_slots(case, analytic))
    tiny = sum(value.size for _, value, _, _ in slots) <= TINY
    for name, value, gradient, place in slots:
        judge = functools.partial(_compare, case, dy, value, gradient, place=place)
        directions = _unit_directions(value) if tiny else _random_directions(value, case.directions, rng)
        yield name, value, [(label, *judge(v)) for label, v in directions], None if tiny else judge
    case.subject.zero_grad()


def _input_slots(case, gradients):
    """(name, value, gradient, place): place(new) returns the arguments with this one array replaced by new."""
    for i, (argument, gradient) in enumerate(zip(case.args, gradients)):
        if gradient is None:
            continue
        for (name, value), (_, g) in zip(leaves(argument, case.argument(i)), leaves(gradient)):
            if is_float(value) and value.size:
                yield name, value, to_host(g), _replacing(case, value)


def _replacing(case, value):
    return lambda new: map_arrays(lambda leaf: new if leaf is value else leaf, case.args)


def _parameter_slots(case, analytic):
    for name, p in case.subject.parameters:
        if p.trainable and p.value.size:
            yield name, p.value, to_host(analytic[name]), _setting(case, p)


def _setting(case, parameter):
    def place(new):
        parameter.value = new
        return case.args

    return place


# ---------------------------------------------------------------- differences


def _compare(case, dy, value, gradient, direction, place):
    """(backward's derivative, numeric derivative, relative error, agreed) along one direction.

    The numeric one is sum(dy * (y_high - y_low)) / (2 step), element by element, so that large outputs do not drown it.
    """
    analytic = float((gradient * direction).sum())
    best = None
    for step in STEPS:
        high, _ = case.forward(place(value + step * direction))
        low, _ = case.forward(place(value - step * direction))
        place(value)
        numeric, size = _weighted_difference(dy, high, low, step)
        rounding = 8 * np.finfo(np.float64).eps * size / step  # what y's own digits cannot resolve
        scale = max(abs(analytic), abs(numeric), 1e-300)
        error = abs(analytic - numeric)
        agreed = error <= TOLERANCE * scale + rounding
        measured = error / (scale + rounding / TOLERANCE) if agreed else error / scale
        if best is None or (agreed, -measured) > (best[3], -best[2]):
            best = (analytic, numeric, measured, agreed)
        if agreed and measured <= GOOD:
            break
    return best


def _weighted_difference(dy, high, low, step):
    """sum(dy * (high - low)) / (2 step), and the root of sum((dy * high)**2), the size of what was rounded."""
    total, squares = 0.0, 0.0
    for w, a, b in zip(_floats(dy), _floats(high), _floats(low)):
        total += float((w * (a - b)).sum()) / (2 * step)
        squares += float((w * w * a * a).sum())
    return total, squares**0.5


def _floats(tree):
    return [to_host(leaf) for _, leaf in leaves(tree) if is_float(leaf)]


def _unit_directions(value):
    for index in np.ndindex(value.shape):
        direction = np.zeros(value.shape)
        direction[index] = 1
        yield str(list(index)), direction


def _random_directions(value, count, rng):
    for number in range(count):
        direction = rng.standard_normal(value.shape)
        yield f"direction {number}", direction / max(np.abs(direction).max(), 1e-12)


def _probes(value):
    """A few single numbers, spread over the array, for the table of a message."""
    for flat in np.unique(np.linspace(0, value.size - 1, PROBES).astype(int)):
        index = np.unravel_index(flat, value.shape)
        direction = np.zeros(value.shape)
        direction[index] = 1
        yield str([int(i) for i in index]), direction


# ---------------------------------------------------------------- words


def _message(case, name, value, rows):
    wrong = [row for row in rows if not row[-1]]
    lines = [
        f"{case.names[1]} returns a wrong gradient for {name} {tuple(value.shape)}: "
        f"{len(wrong)} of {len(rows)} derivatives differ from differences of {case.names[0]}.",
        f"{'where':>16} {'backward':>15} {'differences':>15} {'relative error':>15}",
    ]
    for label, analytic, numeric, error, _ in wrong[:SHOWN]:
        lines.append(f"{label:>16} {analytic:15.7g} {numeric:15.7g} {error:15.1e}")
    return "\n".join(lines + _hints(rows, wrong))


def _hints(rows, wrong):
    if all(analytic == 0 for _, analytic, _, _, _ in wrong):
        return ["backward gives 0 there: a path from this input to the output was forgotten."]
    ratios = np.array([analytic / numeric for _, analytic, numeric, _, _ in wrong if abs(numeric) > 1e-12])
    if len(wrong) == len([r for r in rows if abs(r[2]) > 1e-12]) and len(ratios) > 1 and np.ptp(ratios) < 1e-4:
        return [f"Every number is {ratios.mean():.4g} times what it should be: a factor is missing or one too many."]
    if max(error for *_, error, _ in wrong) < 1e-3:
        return ["The error is small: is the input close to a kink (ReLU at 0, a tie in a maximum, a grid line)?"]
    return []
