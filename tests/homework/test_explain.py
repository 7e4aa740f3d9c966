"""What is said of a verdict: what was given, what came, where, and what the student's code printed."""

import numpy as np

from tinymaskrcnn.homework.answer import Answer, Trouble, local_answer
from tinymaskrcnn.homework.diagnose import diagnosed
from tinymaskrcnn.homework.exercises import find_exercise
from tinymaskrcnn.homework.explain import explanation, given, headline, of_the_file, small_arrays
from tinymaskrcnn.homework.judge import Wrong, judge, refused

EXERCISE = find_exercise("hw01.linear_backward")


def verdict_of(ask, identifier="hw01.linear_backward"):
    return diagnosed(judge(find_exercise(identifier), ask))


def mean_bias(call):
    dx, dw, db = local_answer(EXERCISE, EXERCISE.blank.reference(), call).output
    return Answer((dx, dw, db / max(len(dx), 1)), printed=f"{len(dx)} rows\n")


def test_a_wrong_case_can_be_done_again_by_hand():
    lines = explanation(verdict_of(mean_bias))
    assert lines[0] == "first wrong: two rows by hand"
    assert lines[1:4] == ["given:", "  dy       = [[1. 0. 1. 0.]", "              [0. 2. 1. 1.]]"]
    assert "  cache[0] = [[1. 2. 3.]" in lines and "  cache[1] = [[1. 0. 2. 0.]" in lines
    assert [line for line in lines if line.endswith(":")] == ["given:", "your code printed:"]
    assert lines[-3:-1] == ["your code printed:", "  2 rows"] and lines[-1].startswith("=> dbias is the mean")


def test_a_large_argument_is_named_by_its_shape():
    verdict = verdict_of(lambda call: Answer(np.zeros(3)), "hw01.softmax_forward")
    large = verdict.results[3]
    assert large.case.name == "maps: softmax of every pixel" and given(verdict.exercise, large) == []
    exercise = find_exercise("hw01.softmax_cross_entropy_backward")
    verdict = verdict_of(lambda call: Answer(np.zeros(3)), exercise.id)
    assert "  cache[2] = [[1.]]" in given(exercise, verdict.first) and "  dloss    = 1.0" in given(
        exercise, verdict.first
    )


def test_of_what_is_printed_the_beginning_is_shown():
    lines = explanation(verdict_of(lambda call: Answer(None, printed="row\n" * 99)))
    assert lines.count("  row") == 20 and "  ..." in lines


def test_empty_lines_at_the_end_of_what_is_printed_are_left_out():
    lines = explanation(verdict_of(lambda call: Answer(None, printed="row\n\nrow\n\n \n")))
    start = lines.index("your code printed:")
    assert lines[start + 1 : start + 4] == ["  row", "  ", "  row"] and lines[start + 4].strip()


def test_writing_is_said_once_and_with_its_line():
    def writes(call):
        answer = local_answer(EXERCISE, EXERCISE.blank.reference(), call)
        return Answer(answer.output, changed=("dy",), line=7, text="dy += 1")

    lines = explanation(verdict_of(writes))
    assert sum("you write into dy" in line for line in lines) == 1 and "line 7: dy += 1" in lines


def test_half_the_points_are_explained():
    def cast(call):
        return Answer(tuple(np.asarray(part, float) for part in mean_free(call)))

    def mean_free(call):
        return local_answer(EXERCISE, EXERCISE.blank.reference(), call).output

    verdict = verdict_of(cast)
    assert verdict.points == 1 and explanation(verdict)[-1] == "half the points: all plain cases are right"


def test_brackets_tell_shapes_apart():
    lines = small_arrays(Wrong("x", np.ones(3), np.ones((1, 3)), ""))
    assert lines == ["  wanted        yours", "  [1. 1. 1.]    [[1. 1. 1.]]"]


def test_what_concerns_the_whole_file():
    assert of_the_file(refused(EXERCISE, Trouble("exception", "SyntaxError: invalid syntax", 2, "def f(:")))
    missing = refused(EXERCISE, Trouble("missing", "the file defines no function linear_backward"))
    assert not of_the_file(missing) and headline(missing) == f"{EXERCISE.id:<40} missing"
