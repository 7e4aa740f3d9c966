"""Mistakes by name, and differences in words."""

import dataclasses

import numpy as np
import pytest

from tinymaskrcnn.homework.answer import Answer, local_answer
from tinymaskrcnn.homework.diagnose import diagnosed, imitation
from tinymaskrcnn.homework.exercise import Mistake
from tinymaskrcnn.homework.exercises import find_exercise
from tinymaskrcnn.homework.judge import judge

EXERCISE = find_exercise("hw01.linear_backward")
PLAIN = dataclasses.replace(EXERCISE, mistakes=())


def verdict_of(change, exercise=PLAIN):
    """The diagnosis of the right answer after a change."""

    def ask(call):
        return Answer(change(*local_answer(EXERCISE, EXERCISE.blank.reference(), call).output))

    return diagnosed(judge(exercise, ask))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda dx, dw, db: None, "is the `return` missing?"),
        (lambda dx, dw, db: (dw, dx, db), "wrong order: return dx, dweight, dbias"),
        (lambda dx, dw, db: (dx, dw.T, db), "dweight has its axes in the wrong order: (3, 2) instead of (2, 3)"),
        (lambda dx, dw, db: (dx, dw, db[None]), "dbias has 2 axes instead of 1"),
        (lambda dx, dw, db: (2 * dx, dw, db), "every number of dx is 2 times what it should be"),
        (lambda dx, dw, db: (dx, -dw, db), "dweight has the wrong sign everywhere"),
        (lambda dx, dw, db: (dx, dw, 0 * db), "dbias is 0 everywhere"),
        (lambda dx, dw, db: (dx / 0 if dx.size else dx, dw, db), "dx is infinite somewhere"),
        (lambda dx, dw, db: (dx, dw * np.nan, db), "dweight holds NaN"),
        (lambda dx, dw, db: (dx, dw, db + 1), "every number of dbias is +1 off"),
        (lambda dx, dw, db: (dx.astype(np.float64), dw, db), "dx became float64"),
        (lambda dx, dw, db: (dx, dw.astype(int), db), "dweight must hold float64 and holds int64"),
    ],
)
def test_differences_in_words(change, words):
    with np.errstate(all="ignore"):
        verdict = verdict_of(change)
    assert words in verdict.diagnosis and verdict.known


def test_a_count_of_results_is_told():
    verdict = verdict_of(lambda dx, dw, db: (dx, dw))
    assert "returns 2 things; wanted 3: dx, dweight, dbias" in verdict.diagnosis


def test_a_known_mistake_goes_before_a_description():
    verdict = verdict_of(lambda dx, dw, db: (dx, dw, db), EXERCISE)
    assert verdict.word == "right" and verdict.diagnosis == ""
    mistake = EXERCISE.mistakes[0]
    function = imitation(EXERCISE, mistake)
    verdict = diagnosed(judge(EXERCISE, lambda call: local_answer(EXERCISE, function, call)))
    assert verdict.diagnosis == mistake.says


def test_a_mistake_is_named_only_when_it_explains_the_answer():
    verdict = verdict_of(lambda dx, dw, db: (dx, dw, db * 0.37), EXERCISE)
    assert verdict.diagnosis not in [m.says for m in EXERCISE.mistakes]


def test_an_edit_that_does_not_fit_is_an_error():
    with pytest.raises(ValueError, match="must stand in the solution once; it does 0 times"):
        imitation(EXERCISE, Mistake("no such line", (("never written", ""),)))


def test_writing_into_an_argument_is_not_taken_for_a_mistake_that_leaves_it_alone():
    exercise = find_exercise("hw01.sum_grads")
    function = imitation(exercise, exercise.mistakes[0])  # adds into the first term
    others = dataclasses.replace(exercise, mistakes=exercise.mistakes[1:])
    verdict = diagnosed(judge(others, lambda call: local_answer(others, function, call)))
    assert "you write into argument 1" in verdict.diagnosis
    assert verdict.diagnosis not in [m.says for m in exercise.mistakes]


def test_failing_where_a_mistake_fails_is_not_enough_to_be_named():
    exercise = find_exercise("hw02.image_to_columns")
    right = exercise.blank.reference()

    def fails_with_wide_borders(x, kernel, stride, padding, dilation, windows):
        if padding[1] > 1:
            raise ValueError("something else")
        return right(x, kernel, stride, padding, dilation, windows)

    verdict = diagnosed(judge(exercise, lambda call: local_answer(exercise, fails_with_wide_borders, call)))
    assert verdict.first.case.name == "a border" and not verdict.known
