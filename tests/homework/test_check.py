"""Checking a file as a student does."""

import time

import pytest
from homework.bodies import fill
from homework.mutants import hw01

from tinymaskrcnn.errors import ArgumentError, DataError
from tinymaskrcnn.homework.check import (
    assert_right,
    check_file,
    check_function,
    chosen,
    explanation,
    headline,
    homework_of,
    looks_like,
)
from tinymaskrcnn.homework.exercises import exercises_of
from tinymaskrcnn.homework.release import student_file
from tinymaskrcnn.ops.linear import linear_backward


def test_every_exercise_gets_a_verdict(tmp_path):
    path = tmp_path / "hw01.py"
    path.write_text(fill("hw01", {"hw01.linear_backward": hw01.RIGHT["hw01.linear_backward"]}))
    words = {v.exercise.id: v.word for v in check_file(path)}
    assert list(words) == [e.id for e in exercises_of("hw01")]
    assert words.pop("hw01.linear_backward") == "right" and set(words.values()) <= {"empty"}


def test_a_file_without_an_end_is_waited_for_once(tmp_path):
    path = tmp_path / "hw01.py"
    path.write_text(student_file("hw01") + "\nwhile True:\n    pass\n")
    verdicts = check_file(path, seconds=2.0)
    assert next(verdicts).word == "too slow"
    began = time.monotonic()
    assert {v.word for v in verdicts} == {"too slow"}
    assert time.monotonic() - began < 2.0  # the time that one more would have taken


def test_only_some(tmp_path):
    path = tmp_path / "alice_hw01.py"
    path.write_text(student_file("hw01"))
    (verdict,) = check_file(path, only=["hw01.linear_backward"])
    assert headline(verdict).split() == ["hw01.linear_backward", "empty"]
    assert explanation(verdict) == ["not filled in yet: it still raises NotImplementedError"]


@pytest.mark.parametrize("name", ["hw01.sum_grads", "sum_grads", "sum", "grads"])
def test_as_much_of_a_name_as_no_other_has_is_enough(name):
    assert [e.id for e in chosen("hw01", [name])] == ["hw01.sum_grads"]


@pytest.mark.parametrize(
    "name, words",
    [
        ("linear_bakcward", "got 'linear_bakcward'; did you mean linear_backward"),
        ("softmax_cross", "did you mean hw01.softmax_cross_entropy_forward or hw01.softmax_cross_entropy_backward"),
        ("hw02.x", "--only must name exercises of hw01; got 'hw02.x'; known are hw01.linear_backward, hw01"),
        ("", "got ''; known are"),
    ],
)
def test_another_name_gets_the_closest_ones(name, words):
    with pytest.raises(ArgumentError, match=words):
        chosen("hw01", [name])


def test_a_file_says_which_homework_it_is_by_its_functions():
    assert [looks_like(student_file(name)) for name in ("hw01", "hw03")] == ["hw01", "hw03"]
    assert looks_like("x = 1") is None and looks_like("def f(:") is None


def test_the_numbers_stand_side_by_side(tmp_path):
    path = tmp_path / "hw01.py"
    path.write_text(fill("hw01", {"hw01.linear_backward": hw01.MUTANTS["hw01.linear_backward"][0].body}))
    (verdict,) = check_file(path, only=["hw01.linear_backward"])
    text = "\n".join(explanation(verdict))
    assert "first wrong: two rows by hand" in text and "wanted" in text and "yours" in text
    assert "=> " + verdict.diagnosis in text


def test_a_syntax_error_names_its_line(tmp_path):
    path = tmp_path / "hw01.py"
    path.write_text("x = 1\ndef f(:\n")
    verdict = next(iter(check_file(path)))
    assert verdict.word == "crashed" and "line 2: def f(:" in explanation(verdict)


@pytest.mark.parametrize("name", ["solution.py", "hw99.py", "homework1.py"])
def test_the_name_must_say_which_homework(name):
    with pytest.raises(ArgumentError, match="the file's name must say which homework it is, like hw01.py"):
        homework_of(name)


def test_a_file_that_is_no_text_is_an_error(tmp_path):
    path = tmp_path / "hw01.py"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a text file in UTF-8"):
        list(check_file(path))


def test_functions_of_a_notebook():
    assert check_function("hw01.linear_backward", linear_backward).word == "right"
    assert_right("hw01.linear_backward", linear_backward, seed=3, hidden=True)
    with pytest.raises(AssertionError, match="wrong order"):
        assert_right("hw01.linear_backward", lambda dy, cache: linear_backward(dy, cache)[::-1])
