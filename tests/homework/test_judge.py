"""Comparing answers, and the verdict and the points that follow."""

import numpy as np
import pytest

from tinymaskrcnn.homework.answer import Answer, Trouble, local_answer
from tinymaskrcnn.homework.exercises import find_exercise
from tinymaskrcnn.homework.judge import agrees, draw_call, first_difference, judge, refused
from tinymaskrcnn.homework.wire import Other

EXERCISE = find_exercise("hw01.linear_backward")


def right(call):
    return local_answer(EXERCISE, EXERCISE.blank.reference(), call)


@pytest.mark.parametrize(
    "want, got, words",
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), "must have shape (2, 3); got (3, 2)"),
        (np.zeros(2, np.float32), np.zeros(2), "must be float32; got float64"),
        (np.array([1.0, 2.0]), np.array([1.0, 2.5]), "r[1]: wanted 2, got 2.5; 1 of 2 numbers differ"),
        (np.array([1.0, 2.0]), np.array([1.0, np.nan]), "wanted 2, got nan"),
        (np.array([1 / 7]), np.array([1 / 7 - 2e-8]), "wanted 0.142857143, got 0.142857123"),
        (np.array([1 / 7]), np.array([1 / 7 + 2e-10]), "wanted 0.142857142857, got 0.142857143057"),
        (np.array([1e-15]), np.array([1e-15 + 1e-23]), "wanted 1e-15, got 1.00000001e-15"),
        (np.array([1234567]), np.array([1234568]), "wanted 1234567, got 1234568"),
        (np.array([True]), np.array([1]), "must be bool; got int64"),
        (np.zeros(2), None, "must be float64 array (2,); got None"),
        (None, np.zeros(2), "must be None; got float64 array (2,)"),
        ([np.zeros(1), np.zeros(1)], [np.zeros(1)], "must hold 2 things"),
        (np.zeros(2), Other("set"), "got set"),
        (np.zeros(2), {"a": 1}, "must be float64 array (2,); got dict"),
        (np.zeros(2), [1.0], "must be float64 array (2,); got a list of 1"),
        ([1, 2], 3, "must hold 2 things; got int"),
        ({"a": 1, "b": 2}, {"a": 1}, "b is missing"),
    ],
)
def test_the_first_difference_in_words(want, got, words):
    assert words in first_difference(want, got, "r").words


def test_rounding_is_no_difference_but_a_millionth_is():
    want = np.array([1.0, 1000.0])
    assert first_difference(want, want * (1 + 1e-12), "r") is None
    assert first_difference(want, want * (1 + 1e-6), "r") is not None
    single = want.astype(np.float32)
    assert first_difference(single, single * np.float32(1 + 1e-6), "r") is None


def test_infinities_and_nan_must_be_where_they_should():
    want = np.array([np.inf, -np.inf, np.nan, 1.0])
    assert agrees(want, want.copy()).all()
    assert agrees(want, np.array([-np.inf, -np.inf, 0.0, np.inf])).tolist() == [False, True, False, False]


def test_a_case_is_drawn_alike_for_a_seed_and_otherwise_for_another():
    case = next(c for c in EXERCISE.cases if c.kind == "ownership")
    draws = [draw_call(EXERCISE, case, seed=s).args[0] for s in (1, 1, 2)]
    assert np.array_equal(draws[0], draws[1]) and not np.array_equal(draws[0], draws[2])


def test_without_options_the_cases_are_the_open_ones_as_seed_0_draws_them():
    asked = []

    def keeps(call):
        asked.append(call)
        return right(call)

    verdict = judge(EXERCISE, keeps)
    assert verdict.seed == 0 and [r.case for r in verdict.results] == EXERCISE.chosen_cases(hidden=False)
    for result in verdict.results:
        want = draw_call(EXERCISE, result.case, seed=0)
        assert first_difference([*want.args], [*result.call.args]) is None and result.call.data == want.data
    assert judge(EXERCISE, right, seed=3).seed == 3


def test_right_earns_all_points():
    verdict = judge(EXERCISE, right, hidden=True)
    assert (verdict.word, verdict.points, verdict.first) == ("right", EXERCISE.points, None)
    assert len(verdict.results) == len(EXERCISE.cases)


def test_the_easy_cases_alone_earn_half():
    def fails_on_one_row(call):
        answer = right(call)
        return Answer(output=(0,)) if len(call.args[0]) == 1 else answer

    verdict = judge(EXERCISE, fails_on_one_row)
    assert (verdict.word, verdict.points) == ("wrong", EXERCISE.points / 2)


def test_writing_into_an_argument_is_wrong_though_the_numbers_are_right():
    def writes(call):
        return Answer(right(call).output, changed=("dy",))

    verdict = judge(EXERCISE, writes)
    assert verdict.word == "wrong" and verdict.first.case.kind == "ownership" and "dy" in verdict.first.message


def test_the_harness_asks_the_student():
    def subtly_wrong(call):
        dx, dweight, dbias = right(call).output
        return Answer((dx, dweight * (1.001 if call.args[0].shape[0] == 5 else 1), dbias))

    verdict = judge(EXERCISE, subtly_wrong)  # only the harness draws five rows
    assert verdict.word == "wrong" and "wrong gradient for weight" in verdict.first.message


@pytest.mark.parametrize(
    "kind, word",
    [
        ("empty", "empty"),
        ("slow", "too slow"),
        ("memory", "too much memory"),
        ("died", "crashed"),
        ("forbidden", "tampered"),
    ],
)
def test_after_a_final_trouble_no_case_is_tried(kind, word):
    asked = []

    def troubled(call):
        asked.append(call)
        return Answer(trouble=Trouble(kind, "it went wrong"))

    verdict = judge(EXERCISE, troubled)
    assert (verdict.word, verdict.points, len(asked)) == (word, 0, 1)


def test_exceptions_everywhere_are_a_crash_and_somewhere_a_mistake():
    trouble = Answer(trouble=Trouble("exception", "ValueError: no"))
    assert judge(EXERCISE, lambda call: trouble).word == "crashed"
    assert judge(EXERCISE, lambda call: trouble if len(call.args[0]) == 1 else right(call)).word == "wrong"


def test_a_function_that_cannot_be_had_is_refused():
    assert refused(EXERCISE, Trouble("exception", "SyntaxError: no")).word == "crashed"
    verdict = refused(EXERCISE, Trouble("missing", "no such function"))
    assert verdict.word == "missing" and verdict.points == 0
    assert (verdict.seed, verdict.diagnosis, verdict.known, verdict.notes) == (0, "", False, ())
    first = verdict.first
    assert (first.wrong, first.message, first.printed) == (None, "", "")
    assert (first.line, first.text, first.changed) == (0, "", ())
