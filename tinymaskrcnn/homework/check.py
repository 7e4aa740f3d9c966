"""Checking a file: every exercise in it, the first wrong case in numbers, in a picture, and where possible by name."""

import ast
import dataclasses
import difflib
import re
from pathlib import Path

from ..errors import ArgumentError
from ..machine import can_start_processes
from .answer import Trouble, local_answer
from .asking import MEMORY, SECONDS
from .audit import audit
from .diagnose import diagnosed
from .exercises import exercises_of, find_exercise, titles
from .explain import explanation, headline
from .files import read_program
from .judge import judge, refused
from .library import parsed
from .remarks import LOADING, with_remarks

NAME = re.compile(r"(hw\d\d)", re.IGNORECASE)


def homework_of(path):
    """hw02 of ".../hw02.py" or ".../hw02_alice.py"; ArgumentError when the name does not say."""
    match = NAME.search(Path(path).stem)
    if match is None or match.group(1).lower() not in titles():
        raise ArgumentError(
            f"the file's name must say which homework it is, like hw01.py; got {Path(path).name!r} "
            f"(known are {', '.join(titles())})"
        )
    return match.group(1).lower()


def chosen(homework, only):
    """The exercises of a homework, or those named in `only`: by id, or by as much of it as no other one has."""
    exercises = exercises_of(homework)
    wanted = [_full_name(homework, name, [exercise.id for exercise in exercises]) for name in only or ()]
    return [exercise for exercise in exercises if not only or exercise.id in wanted]


def _full_name(homework, name, known):
    alike = [i for i in known if name in (i, i.partition(".")[2])] or [i for i in known if name in i.partition(".")[2]]
    if name and len(alike) == 1:
        return alike[0]
    close = difflib.get_close_matches(name.lower(), [*known, *(i.partition(".")[2] for i in known)], n=1)
    words = (
        f"did you mean {' or '.join(alike or close)}?" if name and (alike or close) else f"known are {', '.join(known)}"
    )
    raise ArgumentError(f"--only must name exercises of {homework}; got {name!r}; {words}")


def looks_like(text):
    """The homework whose functions a file defines most of; None when it defines none, or cannot be read."""
    try:
        nodes = list(ast.walk(parsed(text)[0]))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    counts = {homework: sum(e.blank.function in names for e in exercises_of(homework)) for homework in titles()}
    best = max(counts, key=counts.get)
    return best if counts[best] else None


def check_file(path, *, only=None, seed=0, hidden=False, strict=False, seconds=SECONDS, memory=MEMORY):
    """Yield the diagnosed Verdict of each exercise of a file, as they come.

    The file runs in a process of its own for each exercise, with `seconds` for it and `memory` bytes; in this one, and
    without limits, where no other can be started. strict: as in grading, where a file that does what homework does not
    need is called tampered; BackendError where it cannot be given a process.
    """
    homework = homework_of(path)
    exercises = chosen(homework, only)
    text = read_program(path)
    findings = audit(text)
    if strict and findings:
        line, words = findings[0]
        shown = text.split("\n")[line - 1].strip()[:200]
        trouble = Trouble("forbidden", f"line {line}: {words} has no place in homework", line, shown)
        yield from (refused(exercise, trouble) for exercise in exercises)
        return
    with _asked(path, text=text, seconds=seconds, memory=memory, strict=strict) as student:
        trouble = None
        for exercise in exercises:
            if trouble is None or trouble.kind not in ("slow", "waits"):  # else the file has no end, for any blank
                trouble = student.take(exercise)
            if trouble is not None:
                verdict = refused(exercise, _of_loading(trouble))
            else:
                verdict = judge(exercise, student.answer, seed=seed, hidden=hidden)
            yield with_remarks(diagnosed(verdict), text, student.stumbles, student.more)


def _asked(path, *, memory, strict, **options):
    """Who asks the file: in a process where there are some, and always in grading."""
    if strict or can_start_processes():
        from .remote import RemoteStudent

        return RemoteStudent(path, memory=memory, strict=strict, **options)
    from .local import LocalStudent

    return LocalStudent(path, **options)


def _of_loading(trouble):
    """The Trouble of a file that does not come to the end of its own lines."""
    if trouble.kind not in ("slow", "waits"):
        return trouble
    return dataclasses.replace(trouble, message=f"loading the file: {trouble.message} ({LOADING})")


def assert_right(identifier, function, *, seed=0, hidden=False):
    """Raise AssertionError, with the explanation, unless a function is right: the test cell of a notebook."""
    verdict = check_function(identifier, function, seed=seed, hidden=hidden)
    assert verdict.word == "right", "\n".join([headline(verdict), *explanation(verdict)])


def check_function(identifier, function, *, seed=0, hidden=False):
    """The diagnosed Verdict of one function, in this process: for notebooks.

    "hw01.linear_backward", function  ->  Verdict
    """
    exercise = find_exercise(identifier)
    return diagnosed(judge(exercise, lambda call: local_answer(exercise, function, call), seed=seed, hidden=hidden))
