"""Every wrong solution is rejected and most mistakes are named; every right one passes, however it is written."""

import functools
import importlib
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from homework.bodies import fill
from mutation.equivalent import is_listed
from mutation.homework import examined, killer
from mutation.report import table

from tinymaskrcnn.homework.answer import local_answer
from tinymaskrcnn.homework.blanks import all_blanks
from tinymaskrcnn.homework.check import explanation
from tinymaskrcnn.homework.diagnose import diagnosed, imitation
from tinymaskrcnn.homework.exercises import all_exercises, exercises_of, find_exercise, titles
from tinymaskrcnn.homework.judge import draw_call, judge
from tinymaskrcnn.homework.overlay import student_function
from tinymaskrcnn.homework.wire import pack

BOOKS = {name: importlib.import_module(f"homework.mutants.{name}") for name in titles()}
MUTANTS = [(i, m) for book in BOOKS.values() for i, mutants in book.MUTANTS.items() for m in mutants]
LIMITS = [(i, m) for book in BOOKS.values() for i, mutants in getattr(book, "LIMITS", {}).items() for m in mutants]
RIGHT = [
    pytest.param(identifier, body, id=f"{identifier}-{number}")
    for book in BOOKS.values()
    for identifier, bodies in book.RIGHT.items()
    for number, body in enumerate(bodies)
]


def verdict_of(identifier, body, *, hidden=False, seed=0):
    """What checking says of a body, all in this process."""
    exercise = find_exercise(identifier)
    code = compile(fill(exercise.homework, {identifier: body}), "student.py", "exec")
    function = student_function(code, exercise.blank)
    return diagnosed(judge(exercise, lambda call: local_answer(exercise, function, call), hidden=hidden, seed=seed))


@pytest.mark.in_turn
@pytest.mark.parametrize("identifier, mutant", MUTANTS + LIMITS, ids=lambda v: getattr(v, "name", v))
def test_every_mutant_is_rejected_and_named(identifier, mutant):
    verdict = verdict_of(identifier, mutant.body)
    assert verdict.word in ("wrong", "crashed"), f"{identifier}: {mutant.name} passed"
    assert verdict.points < verdict.exercise.points
    assert explanation(verdict)
    if mutant.says:
        assert verdict.known and mutant.says in verdict.diagnosis, verdict.diagnosis


def test_two_thirds_of_the_mistakes_are_named():
    named = [bool(mutant.says) for _, mutant in MUTANTS]
    assert np.mean(named) >= 2 / 3


@pytest.mark.parametrize("identifier", [e.id for e in all_exercises()])
def test_every_blank_has_three_mutants_and_three_right_solutions(identifier):
    book = BOOKS[identifier.split(".")[0]]
    assert len(book.MUTANTS.get(identifier, ())) >= 3
    assert len(set(book.RIGHT[identifier])) >= 3 and not isinstance(book.RIGHT[identifier], str)


@pytest.mark.in_turn
@pytest.mark.parametrize("identifier, body", RIGHT)
def test_right_solutions_in_other_words_pass(identifier, body):
    for seed in (0, 7):  # no number that is drawn may be one where rounding decides
        verdict = verdict_of(identifier, body, hidden=True, seed=seed)
        assert verdict.word == "right", explanation(verdict)


@pytest.mark.in_turn
@pytest.mark.parametrize("exercise", all_exercises(), ids=lambda e: e.id)
def test_the_reference_passes_on_other_seeds_too(exercise):
    reference = exercise.blank.reference()
    for seed in (0, 2026, 2027):
        verdict = judge(exercise, lambda call: local_answer(exercise, reference, call), seed=seed, hidden=True)
        assert verdict.word == "right" and verdict.points == exercise.points, explanation(verdict)


@pytest.mark.in_turn
@pytest.mark.parametrize("exercise", all_exercises(), ids=lambda e: e.id)
def test_the_package_s_own_lines_fit_the_released_file(exercise):
    import textwrap

    body = textwrap.dedent("\n".join(exercise.blank.solution))
    if any(name in body for name in exercise.without):
        pytest.skip("its helpers are not given away")
    assert verdict_of(exercise.id, body, hidden=True).word == "right"


@pytest.mark.parametrize("exercise", all_exercises(), ids=lambda e: e.id)
def test_an_empty_blank_is_empty(exercise):
    verdict = verdict_of(exercise.id, f'raise NotImplementedError("{exercise.id}")')
    assert verdict.word == "empty" and verdict.points == 0 and "not filled in" in verdict.diagnosis


@pytest.mark.parametrize("exercise", all_exercises(), ids=lambda e: e.id)
def test_known_mistakes_are_mistakes(exercise):
    for mistake in exercise.mistakes:
        imitation(exercise, mistake)  # its edits fit the solution
        assert killer(exercise, functools.partial(imitation, exercise, mistake), hidden=False), mistake.says


def test_every_blank_has_an_exercise_and_the_other_way_round():
    assert sorted(e.id for e in all_exercises()) == sorted(all_blanks())


@pytest.mark.parametrize("exercise", all_exercises(), ids=lambda e: e.id)
def test_an_exercise_is_of_a_good_size(exercise):
    lines = [line for line in exercise.blank.solution if line.strip() and not line.strip().startswith("#")]
    assert 3 <= len(lines) <= 15
    kinds = {case.kind for case in exercise.cases}
    assert {"value", "shape", "ownership", "adversarial"} <= kinds
    assert len(exercise.mistakes) >= 2 and exercise.points > 0 and exercise.recipe.strip()


@pytest.mark.parametrize("exercise", all_exercises(), ids=lambda e: e.id)
def test_no_table_of_answers_earns_points(exercise):
    """Some plain value of the grading is drawn: whoever knows all fixed cases by heart gets nothing."""
    cases = [case for case in exercise.cases if case.kind == "value"]
    drawn = [[pack(vars(draw_call(exercise, case, seed=seed))) for case in cases] for seed in (1, 2)]
    assert drawn[0] != drawn[1]


def test_a_plain_value_that_is_shown_tells_the_sides_of_a_mask_apart():
    exercise = find_exercise("hw04.mask_targets")
    shown = [case for case in exercise.cases if case.kind == "value" and not case.hidden]
    shapes = [draw_call(exercise, case, seed=0).args[0].shape[2:] for case in shown]
    assert any(height != width for height, width in shapes)


SHARE = 1 if os.environ.get("TINYMASKRCNN_MUTANTS") == "all" else 6  # of the mutants, every so many is tried


@pytest.mark.in_turn
@pytest.mark.parametrize("exercise", [e for e in all_exercises() if is_listed(e.homework)], ids=lambda e: e.id)
def test_no_mutant_of_the_solution_survives(exercise):
    """A drawn share of what `python -m tests.mutation homework` tries; TINYMASKRCNN_MUTANTS=all tries them all."""
    start = zlib.crc32(exercise.id.encode()) % SHARE
    row = examined(exercise, only=lambda number: number % SHARE == start)
    assert row.total > 8 and not row.survivors, table([row])
    assert SHARE > 1 or not row.stale, table([row])


@pytest.mark.skipif(SHARE > 1, reason="TINYMASKRCNN_MUTANTS=all counts every mutant")
@pytest.mark.parametrize("homework", [name for name in titles() if is_listed(name)])
def test_the_guide_says_how_many_there_are(homework):
    rows = [examined(exercise) for exercise in exercises_of(homework)]
    total, killed = (sum(getattr(row, name) for row in rows) for name in ("total", "killed"))
    line = f"| {int(homework[2:])} | {total} | {killed} | {total - killed} | 0 |"
    assert line in (Path(__file__).parents[2] / "docs" / "instructor_guide.md").read_text(encoding="utf-8"), line
