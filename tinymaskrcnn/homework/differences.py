"""How numbers differ, in words: a wrong order, a transpose, a factor, rows that do not add up."""

import itertools

import numpy as np

from .answer import local_answer
from .digits import TINY
from .judge import agrees, first_difference

ROUNDING = {4: 1e-3, 8: 1e-6}  # of a factor, by the bytes of a float


def describe_difference(verdict):
    """What the first wrong part of a Verdict looks like beside the wanted one; "" if like nothing known.

    What is said of all numbers holds in every wrong case of that part, and not in the first one alone.
    """
    first = verdict.first
    swapped = _swapped(verdict.exercise, first)
    if swapped:
        return swapped
    wrong = first.wrong
    if not isinstance(wrong.want, np.ndarray) or not isinstance(wrong.got, np.ndarray):
        return ""
    alike = [r.wrong for r in verdict.results if r.wrong is not None and r.wrong.name == wrong.name]
    alike = [w for w in alike if isinstance(w.want, np.ndarray) and isinstance(w.got, np.ndarray)]
    said = _of_shapes(wrong) or _of_types(wrong) or _of_numbers(alike)
    if said == _zero(wrong.name) and _right_elsewhere(verdict, wrong.name):
        small = float(np.abs(wrong.want).max()) < TINY
        return f"{said} in this case, and right in others" + small * ": is something small taken for 0?"
    return said


def _zero(name):
    return f"{name} is 0 everywhere"


def _right_elsewhere(verdict, name):
    """Whether a part is right in some case in which it is not 0."""
    outputs = [(r.output, r.call) for r in verdict.results if r.passed and r.output is not None]
    return any(np.any(verdict.exercise.parts(*pair).get(name, 0)) for pair in outputs)


def _swapped(exercise, result):
    """Right results in a wrong order."""
    names, output = exercise.returns, result.output
    if len(names) < 2 or not isinstance(output, tuple) or len(output) != len(names) or exercise.results is not None:
        return ""
    want = local_answer(exercise, exercise.blank.reference(), result.call).output
    for order in itertools.permutations(range(len(names))):
        if list(order) != sorted(order) and first_difference(want, tuple(output[i] for i in order), "r") is None:
            return f"the results stand in the wrong order: return {', '.join(names)}"
    return ""


def _of_shapes(wrong):
    w, g = wrong.want, wrong.got
    if w.shape == g.shape:
        return ""
    if w.ndim == g.ndim and sorted(w.shape) == sorted(g.shape):
        return f"{wrong.name} has its axes in the wrong order: {g.shape} instead of {w.shape}"
    if g.ndim < w.ndim and tuple(n for n in w.shape if n != 1) == g.shape:
        return f"an axis of length 1 is lost in {wrong.name}: is keepdims=True missing?"
    if w.ndim == g.ndim - 1 or g.ndim == w.ndim - 1:
        return f"{wrong.name} has {_axes(g)} instead of {w.ndim}: is one axis summed too little or too much?"
    return ""


def _axes(array):
    return "1 axis" if array.ndim == 1 else f"{array.ndim} axes"


def _of_types(wrong):
    w, g = wrong.want, wrong.got
    if w.dtype.kind == "f" and g.dtype.kind == "f" and w.dtype != g.dtype:
        return f"{wrong.name} became {g.dtype}: new arrays need the dtype of the input, np.zeros(shape, x.dtype)"
    if w.dtype.kind != g.dtype.kind:
        return f"{wrong.name} must hold {w.dtype} and holds {g.dtype}"
    return ""


def _of_numbers(alike):
    """alike: the Wrongs of one part, that of the first wrong case first."""
    name, w, g = alike[0].name, alike[0].want, alike[0].got
    if w.dtype.kind != "f" or w.shape != g.shape or not w.size:
        return ""
    if np.isnan(g).any() and not np.isnan(w).any():
        return f"{name} holds NaN: a 0 / 0, an infinity minus an infinity, or the logarithm of a negative number"
    if np.isinf(g).any() and not np.isinf(w).any():
        return f"{name} is infinite somewhere: a division by 0, exp of a large number, or the logarithm of 0"
    pairs = [(a.want, a.got) for a in alike]
    if _all(pairs, lambda w, g: agrees(w, -g)):
        return f"{name} has the wrong sign everywhere"
    if _all(pairs, lambda w, g: g == 0):
        return _zero(name)
    if w.ndim == 2 and min(w.shape) > 1 and all(w.shape == g.T.shape and agrees(w, g.T).all() for w, g in pairs):
        return f"{name} is transposed: yours has the rows where the columns belong"
    return _of_factors(name, pairs) or _of_shifts(name, pairs) or _of_rows(name, pairs)


def _all(pairs, holds):
    return all(w.shape == g.shape and bool(np.all(holds(w, g))) for w, g in pairs)


def _of_factors(name, pairs):
    factors = [_ratio(w, g) for w, g in pairs]
    if None in factors or sum(w.size for w, _ in pairs) < 2:
        return ""
    if all(abs(factor - 1) <= ROUNDING[w.dtype.itemsize] for factor, (w, _) in zip(factors, pairs)):
        return f"{name} is right but for its last digits: is something rounded on the way, or made float32?"
    if np.ptp(factors) <= max(ROUNDING[w.dtype.itemsize] for w, _ in pairs) * abs(factors[0]):
        return f"every number of {name} is {factors[0]:.6g} times what it should be"
    if any(np.count_nonzero(w) < 2 for w, _ in pairs):
        return ""
    some = ", ".join(f"{factor:.4g}" for factor in factors[:3])
    return (
        f"{name} is a multiple of what it should be, in each case another one ({some}, ...): do you divide or multiply "
        "by a number of rows or pixels?"
    )


def _ratio(want, got):
    """The one number that got is of want, or None."""
    if want.shape != got.shape or not np.isfinite(got).all():
        return None
    nonzero = np.abs(want) > 1e-12 * np.abs(want).max(initial=0.0)
    ratio = got[nonzero] / want[nonzero]
    if not ratio.size or np.any(got[~nonzero]) or np.ptp(ratio) > ROUNDING[want.dtype.itemsize] * abs(ratio.flat[0]):
        return None
    return float(ratio.mean())


def _of_shifts(name, pairs):
    if any(w.shape != g.shape for w, g in pairs) or sum(w.size for w, _ in pairs) < 2:
        return ""
    shifts = np.concatenate([(g - w).ravel() for w, g in pairs])
    if not np.isfinite(shifts).all():
        return ""
    first = float(shifts[: pairs[0][0].size].mean()) if pairs[0][0].size else float(shifts.mean())
    noise = max(np.finfo(w.dtype).eps * float(np.abs(w).max(initial=0.0)) for w, _ in pairs)
    rounding = max(ROUNDING[w.dtype.itemsize] for w, _ in pairs)
    if np.abs(shifts - first).max() <= rounding * abs(first) + 16 * noise:  # as it is in the case that is shown
        return f"every number of {name} is {first:+.6g} off"
    return ""


def _of_rows(name, pairs):
    """Probabilities add up to 1, the gradients of their scores to 0."""
    for total in (1, 0):
        known = all(_adds_up(want, total) for want, _ in pairs) and any(want.any() for want, _ in pairs)
        if known and not _adds_up(pairs[0][1], total):
            sums = [f"{s:.4g}" for s in np.ravel(pairs[0][1].sum(axis=-1))]
            given = ", ".join(sums[:3]) + ", ..." * (len(sums) > 3)
            return f"along its last axis {name} must add up to {total}; yours adds up to {given}"
    return ""


def _adds_up(array, total):
    if array.ndim == 0 or array.shape[-1] < 2:
        return False
    largest = max(float(np.abs(array).max(initial=0.0)), 1e-30)
    return bool(np.all(np.abs(array.sum(axis=-1) - total) <= 1e-5 * largest * array.shape[-1]))
