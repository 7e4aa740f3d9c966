"""Is it right? Every case of an exercise is answered by the student's function and by the package's, and compared."""

import functools
import importlib
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..testing import CheckFailed, check_pair
from .answer import Answer, Trouble, local_answer
from .exercise import GradientCase
from .wire import Other

TOLERANCE = {4: 1e-4, 8: 1e-9}  # relative to the largest number, by the bytes of a float
DIGITS = (6, 9, 12, 17)  # of a number that is wrong: the first that show it
ENDS = ("slow", "waits", "died", "forbidden", "memory")  # after these no further case is tried
WORDS = {
    "empty": "empty",
    "slow": "too slow",
    "waits": "too slow",
    "memory": "too much memory",
    "forbidden": "tampered",
    "missing": "missing",
}


@dataclass(frozen=True)
class Wrong:
    """The first part of an answer that differs: its name, what was wanted, what came, and that in words."""

    name: str
    want: Any
    got: Any
    words: str


@dataclass(frozen=True)
class Result:
    """One case: passed, or the trouble, what was wrong, or the harness's message; call and output for a diagnosis."""

    case: Any
    passed: bool
    trouble: Trouble | None = None
    wrong: Wrong | None = None
    message: str = ""
    call: Any = None
    output: Any = None
    printed: str = ""
    line: int = 0  # of the message, or of what wrote into the arguments, where known, and that line
    text: str = ""
    changed: tuple = ()  # names of the arguments that were written into


@dataclass(frozen=True)
class Verdict:
    """What became of an exercise: right, wrong, crashed, empty, missing, too slow, too much memory or tampered."""

    exercise: Any
    word: str
    results: tuple
    points: float
    seed: int = 0
    diagnosis: str = ""
    known: bool = False  # the diagnosis names the mistake, rather than only describing what differs
    notes: tuple = ()  # remarks.Note on what of the file was left out, whatever the verdict

    @property
    def first(self):
        """The first Result that is not right, or None."""
        return next((result for result in self.results if not result.passed), None)


@dataclass
class _Reference:
    """The package's own answers, which need no process."""

    exercise: Any
    function: Any = field(init=False)

    def __post_init__(self):
        self.function = self.exercise.blank.reference()

    def parts(self, call):
        answer = local_answer(self.exercise, self.function, call)
        if answer.trouble is not None:
            raise AssertionError(f"{self.exercise.id}: the reference fails: {answer.trouble.message}")
        return self.exercise.parts(answer.output, call)


def draw_call(exercise, case, *, seed):
    """The Call of a case: the same for the same seed, whatever other cases there are."""
    key = [seed, zlib.crc32(exercise.id.encode()), zlib.crc32(case.name.encode())]
    return case.make(np.random.default_rng(key))


def judge(exercise, ask, *, seed=0, hidden=False):
    """Try all cases; ask(call) -> Answer calls the function to be judged. Returns a Verdict without a diagnosis."""
    reference = _Reference(exercise)
    results = []
    for case in exercise.chosen_cases(hidden=hidden):
        call = draw_call(exercise, case, seed=seed)
        one = _harness if isinstance(case, GradientCase) else _compare
        results.append(one(exercise, case, call, ask, reference))
        if results[-1].trouble is not None and results[-1].trouble.kind in ENDS:
            break
        if results[-1].trouble is not None and results[-1].trouble.kind == "empty" and len(results) == 1:
            break
    return Verdict(exercise, _word(results), tuple(results), _points(exercise, results), seed)


def refused(exercise, trouble):
    """The Verdict when the function cannot even be had."""
    word = WORDS.get(trouble.kind, "crashed")
    return Verdict(exercise, word, (Result(None, False, trouble),), 0.0)


def _word(results):
    first = next((r for r in results if not r.passed), None)
    if first is None:
        return "right"
    troubles = [r.trouble for r in results if r.trouble is not None]
    filled = any(r.trouble is None or r.trouble.kind != "empty" for r in results)
    final = next((t for t in troubles if t.kind in WORDS and not (filled and t.kind == "empty")), None)
    if final is not None:
        return WORDS[final.kind]
    died = any(t.kind == "died" for t in troubles)
    return "crashed" if died or len(troubles) == len(results) else "wrong"


def _points(exercise, results):
    """All points when all is right; half of them when only the easy cases are; else none."""
    if all(r.passed for r in results):
        return float(exercise.points)
    values = [r.passed for r in results if r.case.kind == "value"]
    complete = not any(r.trouble is not None and r.trouble.kind in ENDS for r in results)
    return exercise.points / 2 if values and all(values) and complete else 0.0


# ---------------------------------------------------------------- one case


def _compare(exercise, case, call, ask, reference):
    answer = ask(call)
    if answer.trouble is not None:
        return Result(case, False, answer.trouble, call=call, printed=answer.printed)
    kept = {"call": call, "output": answer.output, "printed": answer.printed}
    if answer.changed:
        kept |= {"changed": answer.changed, "line": answer.line, "text": answer.text}
    try:
        got = exercise.parts(answer.output, call)
    except Exception as error:  # the answer has a form that nothing further can be made of
        return Result(case, False, message=f"{error}", **kept)
    wrong = first_difference(reference.parts(call), got)
    if wrong is None and case.kind == "ownership" and answer.changed:
        names = ", ".join(answer.changed)
        return Result(case, False, message=f"you write into {names}", **kept)
    return Result(case, wrong is None, wrong=wrong, **kept)


def _harness(exercise, case, call, ask, reference):
    """The ten checks of the public harness, with one half answered by the student's function."""
    module, name = case.other.split(":")
    other = getattr(importlib.import_module(module), name)
    other = getattr(other, "readable", other)  # not a kernel: what it keeps must travel

    answer = Answer()

    @functools.wraps(reference.function)
    def student(*args, **data):
        nonlocal answer
        answer = ask(type(call)(args, data))
        if answer.trouble is not None:
            raise _Stopped(answer.trouble)
        several = case.half == "forward" or len(exercise.returns) > 1
        return tuple(answer.output) if several and isinstance(answer.output, list) else answer.output

    pair = (student, other) if case.half == "forward" else (other, student)
    try:
        check_pair(*pair, list(call.args), **case.options, **call.data)
        return Result(case, True, call=call)
    except _Stopped as stopped:
        found = {"trouble": stopped.trouble}
    except CheckFailed as error:
        stopped = isinstance(error.__cause__, _Stopped)
        found = {"trouble": error.__cause__.trouble} if stopped else {"message": str(error)}
    except Exception as error:  # what came back could not even be added up
        found = {"message": f"{type(error).__name__}: {error}"}
    return Result(case, False, call=call, printed=answer.printed, **found)


class _Stopped(Exception):
    """Carries a Trouble through the harness."""

    def __init__(self, trouble):
        super().__init__(trouble.message)
        self.trouble = trouble


# ---------------------------------------------------------------- comparing


def first_difference(want, got, name=""):
    """The first part in which two trees differ, as a Wrong; None when they agree."""
    if isinstance(want, dict):
        missing = [key for key in want if not isinstance(got, dict) or key not in got]
        if missing:
            return Wrong(missing[0], want[missing[0]], None, f"{missing[0]} is missing")
        pairs = [(want[key], got[key], f"{name}[{key!r}]" if name else key) for key in want]
    elif isinstance(want, (tuple, list)):
        if not isinstance(got, (tuple, list)) or len(got) != len(want):
            return Wrong(name, want, got, f"{name} must hold {len(want)} things; got {describe(got)}")
        pairs = [(w, g, f"{name}[{i}]") for i, (w, g) in enumerate(zip(want, got))]
    else:
        return _leaf_difference(want, got, name)
    return next((wrong for w, g, n in pairs if (wrong := first_difference(w, g, n)) is not None), None)


def _leaf_difference(want, got, name):
    if want is None or got is None or isinstance(got, Other) or isinstance(want, str):
        same = want is got or (isinstance(want, str) and want == got)
        return None if same else Wrong(name, want, got, f"{name} must be {describe(want)}; got {describe(got)}")
    w = np.asarray(want)
    if isinstance(got, (dict, list, tuple, str)):
        return Wrong(name, want, got, f"{name} must be {describe(w)}; got {describe(got)}")
    g = np.asarray(got)
    if g.dtype.kind not in "biuf":  # a whole number too large for any array
        return Wrong(name, want, got, f"{name} must be {describe(w)}; got {describe(got)}")
    if w.shape != g.shape:
        return Wrong(name, w, g, f"{name} must have shape {w.shape}; got {g.shape}")
    if isinstance(want, np.ndarray) and (w.dtype.kind != g.dtype.kind or (w.dtype.kind == "f" and w.dtype != g.dtype)):
        return Wrong(name, w, g, f"{name} must be {w.dtype}; got {g.dtype}")
    close = agrees(w, g)
    if close.all():
        return None
    place = tuple(int(i) for i in np.argwhere(~close)[0])
    where = f"{name}{list(place)}" if place else name
    count = f"; {int((~close).sum())} of {w.size} numbers differ" if w.size > 1 else ""
    wanted, given = told_apart(w[place], g[place])
    return Wrong(name, w, g, f"{where}: wanted {wanted}, got {given}{count}")


def told_apart(want, got, least=6):
    """Two numbers as texts, in as few digits as tell them apart: at least so many."""
    for digits in (least, *(d for d in DIGITS if d > least)):
        texts = [f"{x:.{digits}g}" if x.dtype.kind == "f" else f"{x}" for x in (want, got)]
        if texts[0] != texts[1]:
            break
    return texts


def agrees(want, got):
    """Which numbers of two arrays of one shape are equal, but for rounding."""
    if want.dtype.kind in "iub":
        return want == got
    finite = np.isfinite(want)
    largest = float(np.abs(want[finite]).max(initial=0.0))
    with np.errstate(invalid="ignore"):
        near = np.abs(want - got) <= TOLERANCE[want.dtype.itemsize] * max(largest, 1e-30)
    return np.where(finite, near, want == got) | (np.isnan(want) & np.isnan(got))


def describe(x):
    """An array by type and shape, anything else by its type."""
    if isinstance(x, Other):
        return x.name
    if isinstance(x, np.ndarray):
        return f"{x.dtype} array {x.shape}"
    if isinstance(x, (tuple, list)):
        return f"a {type(x).__name__} of {len(x)}"
    return "None" if x is None else f"{type(x).__name__}"
