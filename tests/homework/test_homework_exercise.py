"""The parts of an exercise."""

import inspect
import re
from dataclasses import replace

import pytest

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.homework.exercise import KINDS, Call, Case, GradientCase, name_parts
from tinymaskrcnn.homework.exercises import all_exercises, exercises_of, find_exercise, titles


def test_parts_get_their_names():
    assert name_parts(("y",), (1, 2)) == {"y": (1, 2)}
    assert name_parts(("a", "b"), [1, 2]) == {"a": 1, "b": 2}
    with pytest.raises(ValueError, match="returns 3 things; wanted 2: a, b"):
        name_parts(("a", "b"), (1, 2, 3))
    with pytest.raises(ValueError, match="returns one thing, a int; wanted 2"):
        name_parts(("a", "b"), 1)


def test_ids_say_the_homework_and_cases_have_known_kinds_and_names():
    for name in titles():
        for exercise in exercises_of(name):
            assert exercise.homework == name and exercise.lesson in [f"0{n}" for n in range(8)]
            assert all(case.kind in KINDS for case in exercise.cases)
            assert len({case.name for case in exercise.cases}) == len(exercise.cases)
    assert len({e.id for e in all_exercises()}) == len(all_exercises())


def test_hidden_cases_are_for_grading():
    exercise = find_exercise("hw01.linear_backward")
    assert len(exercise.chosen_cases(hidden=True)) > len(exercise.chosen_cases(hidden=False))


def test_a_case_is_for_everybody_unless_it_says_that_it_is_hidden():
    def cases(**options):
        return (Case("a", "value", Call, **options), GradientCase("b", "backward", "x:y", Call, **options))

    exercise = replace(find_exercise("hw01.linear_backward"), cases=(*cases(), *cases(hidden=True)))
    assert exercise.chosen_cases(hidden=False) == [*cases()]
    assert exercise.chosen_cases(hidden=True) == [*cases(), *cases(hidden=True)]


def test_unknown_names_are_errors():
    with pytest.raises(ArgumentError, match="there is no exercise 'hw01.x'; known are hw01"):
        find_exercise("hw01.x")


@pytest.mark.parametrize("exercise", all_exercises(), ids=lambda exercise: exercise.id)
def test_what_an_exercise_returns_is_called_as_its_function_says(exercise):
    """By the names behind the arrow of its docstring, in their order; a cache is on no such line."""
    names = [name for name in exercise.returns if name != "cache"]
    said = re.findall(r"(\w+) (?:\(|None)", (inspect.getdoc(exercise.blank.reference()) or "").partition("->")[2])
    assert len(set(exercise.returns)) == len(exercise.returns)
    assert not said or [name for name in said if name != "or"][: len(names)] == names
