"""Mutants of the package's own solutions, handed in to the checks of their exercises."""

import dataclasses
import functools
import os
import resource
import signal

from tinymaskrcnn.homework.answer import local_answer
from tinymaskrcnn.homework.exercise import Call, GradientCase
from tinymaskrcnn.homework.exercises import all_exercises
from tinymaskrcnn.homework.judge import draw_call, judge

from .equivalent import known_equivalents
from .limits import limited
from .operators import mutants
from .report import sorted_out

MEMORY = 6 << 30  # bytes: a mutant may ask for an array of any size
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
    tried = [wrong for number, wrong in enumerate(wrong_solutions(exercise)) if only is None or only(number)]
    unnoticed = [(tried[k].name, tried[k].key) for k in _unnoticed(exercise, tried, hidden, seed)]
    return sorted_out(exercise.id, len(tried), unnoticed, known)


def _unnoticed(exercise, tried, hidden, seed):
    """Yield the numbers of the wrong solutions that get full points.

    They run in a process of their own: an index out of bounds may end it where compiled code does not look. It may also
    damage the memory of those that come after it, so who is there when a process ends is tried again as the first one.
    """
    done = 0
    while done < len(tried):
        first = done
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            _try_all(exercise, tried, range(done, len(tried)), hidden, seed, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as answers:
            for word in iter(lambda: answers.read(1), b""):
                if word == b"-":
                    yield done
                done += 1
        if os.waitpid(child, 0)[1] and done == first:
            done += 1  # this one ended the process: nobody gets points for that


def _try_all(exercise, tried, numbers, hidden, seed, writing):
    """In the child: write one byte for each, "+" where a case notices it, and end."""
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
        case = None
        for number in numbers:
            case = killer(exercise, tried[number].make, hidden=hidden, seed=seed, first=case)
            os.write(writing, b"-" if case is None else b"+")
        code = 0
    finally:
        os._exit(code)


class TooLong(BaseException):
    """A mutant that never ends; no handler of ordinary errors catches it."""


class limited_to:
    """Raises TooLong inside the block after so many seconds of work, however busy the machine is (main thread only)."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        self.before = signal.signal(signal.SIGPROF, self._stop)
        signal.setitimer(signal.ITIMER_PROF, self.seconds)

    def __exit__(self, *error):
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, self.before)

    @staticmethod
    def _stop(number, frame):
        raise TooLong
