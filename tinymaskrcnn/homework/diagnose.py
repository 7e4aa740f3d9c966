"""What went wrong, by name: known mistakes by imitation, others by how the numbers differ.

A known mistake is an edit of the package's own solution. When the student's function answers every case just as the
edited solution does, it has made that mistake, however differently it is written.
"""

import dataclasses
import itertools

import numpy as np

from .answer import local_answer
from .judge import Wrong, agrees, first_difference


def diagnosed(verdict):
    """The Verdict with a diagnosis of its first wrong case."""
    first = verdict.first
    if first is None:
        return verdict
    known = True
    words = _of_trouble(first.trouble) if first.trouble is not None else ""
    if first.trouble is None and first.case.kind != "gradient" and first.output is None:
        words = "it returns None: is the `return` missing?"
    if not words and not _is_final(first.trouble):
        words = name_mistake(verdict) or _of_ownership(verdict)
    if not words and first.wrong is not None:
        words = describe_difference(verdict.exercise, first)
    if not words:
        known, words = False, first.message.splitlines()[0] if first.message else ""
    return dataclasses.replace(verdict, diagnosis=words, known=known and bool(words))


def _is_final(trouble):
    return trouble is not None and trouble.kind != "exception"


def _of_trouble(trouble):
    words = {
        "empty": "not filled in yet: it still raises NotImplementedError",
        "slow": "it never came to an end: does a loop wait for something that does not happen?",
        "memory": "it asked for far too much memory: is an array as large as the square of what is needed?",
    }
    if trouble.kind == "exception" and "read-only" in trouble.message:
        return "you write into something you were given: what you received is read-only, write a + b instead of a += b"
    return words.get(trouble.kind, "")


def _of_ownership(verdict):
    first = verdict.first
    if first.case is not None and first.case.kind == "ownership" and first.message:
        return f"{first.message}; write a + b instead of a += b, and into arrays of your own"
    if "ownership" in first.message or "wrote into" in first.message:
        return first.message.splitlines()[0]
    return ""


# ---------------------------------------------------------------- imitation


def name_mistake(verdict):
    """The known mistake that explains every case, or else the first wrong one; "" when none does."""
    compared = [r for r in verdict.results if r.output is not None or _raised(r)]
    wrong = [r for r in compared if not r.passed and r.case.kind != "gradient"]
    if not wrong:
        return ""
    partly = ""
    for mistake in verdict.exercise.mistakes:
        function = imitation(verdict.exercise, mistake)
        if _explains(verdict.exercise, function, wrong[0]):
            if all(_explains(verdict.exercise, function, r) for r in compared if r.case.kind != "gradient"):
                return mistake.says
            partly = partly or ("" if _raised(wrong[0]) else mistake.says)  # that both fail there says too little
    return partly


def _raised(result):
    return result.trouble is not None and result.trouble.kind == "exception"


def imitation(exercise, mistake):
    """The package's function with a mistake in it. ValueError when an edit does not fit the solution."""
    text = "\n".join(exercise.blank.solution)
    for old, new in mistake.edits:
        if text.count(old) != 1:
            raise ValueError(f"{exercise.id}: {old!r} must stand in the solution once; it does {text.count(old)} times")
        text = text.replace(old, new)
    reference = exercise.blank.reference()
    while hasattr(reference, "__wrapped__"):
        reference = reference.__wrapped__
    namespace = dict(reference.__globals__)
    exec(exercise.blank.with_solution(text.splitlines()), namespace)
    return namespace[exercise.blank.function]


def _explains(exercise, function, result):
    """Whether a function answers a case as the student did."""
    answer = local_answer(exercise, function, result.call)
    if _raised(result) or answer.trouble is not None:
        both = _raised(result) and answer.trouble is not None
        return both and result.trouble.message.split(":")[0] == answer.trouble.message.split(":")[0]
    if result.case.kind == "ownership" and bool(answer.changed) != (not result.passed and result.wrong is None):
        return False  # one of them wrote into what it was given, the other did not
    mine, theirs = (_compared(exercise, output, result.call) for output in (answer.output, result.output))
    return first_difference(mine, theirs) is None


def _compared(exercise, output, call):
    """What a judge compares of an output; the bare output when that cannot be told."""
    try:
        return exercise.parts(output, call)
    except Exception:  # of a form that no right answer has, a mistake's own one included
        return {"": output}


# ---------------------------------------------------------------- how numbers differ


def describe_difference(exercise, result):
    """What the difference looks like: a wrong order, a transpose, a factor, a sign; "" if nothing."""
    wrong = result.wrong
    swapped = _swapped(exercise, result)
    if swapped:
        return swapped
    if not isinstance(wrong.want, np.ndarray) or not isinstance(wrong.got, np.ndarray):
        return ""
    return _of_shapes(wrong) or _of_types(wrong) or _of_numbers(wrong)


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
        return f"{wrong.name} has {g.ndim} axes instead of {w.ndim}: is one axis summed too little or too much?"
    return ""


def _of_types(wrong):
    w, g = wrong.want, wrong.got
    if w.dtype.kind == "f" and g.dtype.kind == "f" and w.dtype != g.dtype:
        return f"{wrong.name} became {g.dtype}: new arrays need the dtype of the input, np.zeros(shape, x.dtype)"
    if w.dtype.kind != g.dtype.kind:
        return f"{wrong.name} must hold {w.dtype} and holds {g.dtype}"
    return ""


def _of_numbers(wrong: Wrong):
    w, g = wrong.want, wrong.got
    if w.dtype.kind != "f" or w.shape != g.shape or not w.size:
        return ""
    if np.isnan(g).any() and not np.isnan(w).any():
        return f"{wrong.name} holds NaN: a 0 / 0, an infinity minus an infinity, or the logarithm of a negative number"
    if np.isinf(g).any() and not np.isinf(w).any():
        return f"{wrong.name} is infinite somewhere: a division by 0, or exp of a large number"
    if agrees(w, -g).all():
        return f"{wrong.name} has the wrong sign everywhere"
    if not g.any():
        return f"{wrong.name} is 0 everywhere"
    nonzero = np.abs(w) > 1e-12 * np.abs(w).max()
    ratio = g[nonzero] / w[nonzero]
    if len(ratio) > 1 and np.ptp(ratio) <= 1e-6 * abs(ratio[0]) and not agrees(w, g).all():
        return f"every number of {wrong.name} is {ratio.mean():.6g} times what it should be"
    shift = g - w
    if w.size > 1 and np.ptp(shift) <= 1e-6 * max(np.abs(w).max(), 1e-30):
        return f"every number of {wrong.name} is {shift.mean():+.6g} off"
    return ""
