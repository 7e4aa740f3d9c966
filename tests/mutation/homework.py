"""Mutants of the package's own solutions, handed in to the checks of their exercises."""

import dataclasses
import functools
import signal

from tinymaskrcnn.homework.answer import local_answer
from tinymaskrcnn.homework.exercise import Call, GradientCase
from tinymaskrcnn.homework.exercises import all_exercises
from tinymaskrcnn.homework.judge import draw_call, judge

from .equivalent import known_equivalents
from .limits import limited
from .operators import mutants
from .report import sorted_out

SECONDS = 5  # a case of an exercise takes milliseconds


@dataclasses.dataclass(frozen=True)
class Handed:
    """A wrong solution: what was done to the right one, what it is known by, and make() -> function."""

    name: str
    key: str
    make: object


def chosen(names):
    """The exercises of names like hw01 or hw01.sum_grads; all of them without a name."""
    found = [e for e in all_exercises() if not names or e.homework in names or e.id in names]
    if not found:
        raise SystemExit(f"no exercise is called {' or '.join(names)}")
    return found


def wrong_solutions(exercise):
    """Every mutant of an exercise's solution, and the solution within every limit."""
    blank = exercise.blank
    source, lines = blank.with_solution(blank.solution), (blank.first + 1, blank.first + len(blank.solution))
    for mutant in mutants(source, lines=lines):
        yield Handed(mutant.name, mutant.key, functools.partial(defined, exercise, mutant.source))
    for name, wrap in limited(*observed(exercise)):
        yield Handed("within limits", name, lambda wrap=wrap: wrap(bare(exercise)))


def observed(exercise):
    """What the function of an exercise is called with in all cases, and what it answers.  ->  calls, outputs"""
    calls, outputs = [], []
    right = bare(exercise)

    @functools.wraps(right)
    def recorded(*args, **data):
        calls.append(Call(args, data))
        outputs.append(right(*args, **data))
        return outputs[-1]

    for case in exercise.cases:
        if not isinstance(case, GradientCase):
            local_answer(exercise, recorded, draw_call(exercise, case, seed=0))
    return calls, outputs


def bare(exercise):
    """The package's function without what is wrapped around it."""
    return defined(exercise, exercise.blank.with_solution(exercise.blank.solution))


def defined(exercise, source):
    """The function that a source of the blank's function defines, among the names of the package's own module."""
    reference = exercise.blank.reference()
    while hasattr(reference, "__wrapped__"):
        reference = reference.__wrapped__
    namespace = dict(reference.__globals__)
    exec(compile(source, f"<{exercise.id}>", "exec"), namespace)
    return namespace[exercise.blank.function]


def killer(exercise, make, *, hidden=True, seed=0, first=None, seconds=SECONDS):
    """The case that notices a wrong solution, tried first if it is given; None when it gets full points."""
    cases = sorted(exercise.chosen_cases(hidden=hidden), key=lambda c: (c is not first, isinstance(c, GradientCase)))
    try:
        function = make()
    except Exception:  # it cannot even be defined
        return cases[0]
    for case in cases:
        alone = dataclasses.replace(exercise, cases=(case,))
        try:
            with limited_to(seconds):
                verdict = judge(alone, functools.partial(local_answer, exercise, function), seed=seed, hidden=hidden)
        except TooLong:
            return case
        if verdict.word != "right":
            return case
    return None


def examined(exercise, *, hidden=True, seed=0, only=None):
    """The Row of an exercise. only(number) says which of its mutants are tried."""
    known = known_equivalents(exercise.homework).get(exercise.id, {})
    total, unnoticed, case = 0, [], None
    for number, wrong in enumerate(wrong_solutions(exercise)):
        if only is not None and not only(number):
            continue
        total += 1
        case = killer(exercise, wrong.make, hidden=hidden, seed=seed, first=case)
        if case is None:
            unnoticed.append((wrong.name, wrong.key))
    return sorted_out(exercise.id, total, unnoticed, known)


class TooLong(BaseException):
    """A mutant that never ends; no handler of ordinary errors catches it."""


class limited_to:
    """Raises TooLong inside the block after so many seconds (in the main thread of a process)."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        self.before = signal.signal(signal.SIGALRM, self._stop)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def __exit__(self, *error):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)

    @staticmethod
    def _stop(number, frame):
        raise TooLong
