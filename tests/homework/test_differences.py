"""Differences in words; what is said of all numbers holds in every wrong case."""

import dataclasses
import itertools
import re
import types

import numpy as np
import pytest

from tinymaskrcnn.homework.answer import Answer, local_answer
from tinymaskrcnn.homework.diagnose import diagnosed
from tinymaskrcnn.homework.differences import _of_shapes, _of_shifts
from tinymaskrcnn.homework.exercises import find_exercise
from tinymaskrcnn.homework.judge import judge

EXERCISE = find_exercise("hw01.linear_backward")
PLAIN = dataclasses.replace(EXERCISE, mistakes=())
SOFTMAX = dataclasses.replace(find_exercise("hw01.softmax_forward"), mistakes=())
SOFTMAX_BACK = dataclasses.replace(find_exercise("hw01.softmax_backward"), mistakes=())


def verdict_of(change, exercise=PLAIN):
    """The diagnosed verdict of the right answer after a change."""

    def ask(call):
        output = local_answer(exercise, exercise.blank.reference(), call).output
        return Answer(change(*output) if isinstance(output, tuple) else change(output))

    return diagnosed(judge(exercise, ask))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda dx, dw, db: None, "is the `return` missing?"),
        (lambda dx, dw, db: (dw, dx, db), "wrong order: return dx, dweight, dbias"),
        (lambda dx, dw, db: (dx, dw.T, db), "dweight has its axes in the wrong order: (4, 3) instead of (3, 4)"),
        (lambda dx, dw, db: (dx, dw, db[None]), "dbias has 2 axes instead of 1"),
        (lambda dx, dw, db: (2 * dx, dw, db), "every number of dx is 2 times what it should be"),
        (lambda dx, dw, db: (dx, -dw, db), "dweight has the wrong sign everywhere"),
        (lambda dx, dw, db: (dx, dw, 0 * db), "dbias is 0 everywhere"),
        (lambda dx, dw, db: (dx / 0 if dx.size else dx, dw, db), "dx is infinite somewhere"),
        (lambda dx, dw, db: (dx, dw * np.nan, db), "dweight holds NaN"),
        (lambda dx, dw, db: (dx, dw, db / max(len(dx), 1)), "in each case another one (0.5, 0.3333, 0.3333, ...)"),
        (lambda dx, dw, db: (dx, dw, db + 1), "every number of dbias is +1 off"),
        (lambda dx, dw, db: (dx.astype(np.float64), dw, db), "dx became float64"),
        (lambda dx, dw, db: (dx, dw.astype(int), db), "dweight must hold float64 and holds int64"),
    ],
)
def test_differences_in_words(change, words):
    with np.errstate(all="ignore"):
        verdict = verdict_of(change)
    assert words in verdict.diagnosis and verdict.known


def test_a_factor_of_the_first_case_alone_is_not_claimed():
    calls = []

    def change(dx, dw, db):
        calls.append(dx)
        return dx * (2 if len(calls) == 1 else np.arange(1.0, dx.size + 1).reshape(dx.shape)), dw, db

    assert "times what it should be" not in verdict_of(change).diagnosis


def test_an_offset_of_the_first_case_alone_is_not_claimed():
    assert " off" not in verdict_of(lambda dx, dw, db: (dx + np.arange(len(dx))[:, None], dw, db)).diagnosis
    assert " off" not in verdict_of(lambda dx, dw, db: (dx + len(dx), dw, db)).diagnosis


def test_an_offset_is_that_of_the_case_shown_however_large_the_numbers_of_others():
    off = itertools.chain([-0.26], itertools.repeat(-1.06))
    big = itertools.chain([1.0], itertools.repeat(1e6))

    def change(dx, dw, db):
        return dx, dw, np.ones_like(db) * next(off) + db

    cases = tuple(dataclasses.replace(c, make=_larger(c.make, next(big))) for c in PLAIN.cases)
    assert " off" not in verdict_of(change, dataclasses.replace(PLAIN, cases=cases)).diagnosis


def _larger(make, factor):
    def larger(rng):
        call = make(rng)
        return dataclasses.replace(call, args=(call.args[0] * call.args[0].dtype.type(factor), *call.args[1:]))

    return larger


def test_a_square_array_may_be_transposed():
    square = next(case for case in PLAIN.cases if case.name == "as many rows as features")
    alone = dataclasses.replace(PLAIN, cases=(square,))
    assert verdict_of(lambda dx, dw, db: (dx.T, dw, db), alone).diagnosis.startswith("dx is transposed")


def test_rows_must_add_up():
    def some(y, cache):
        return y * np.linspace(0.5, 0.9, y.shape[-1]), cache

    assert "along its last axis y must add up to 1; yours adds up to 0." in verdict_of(some, SOFTMAX).diagnosis
    words = "along its last axis dx must add up to 0; yours adds up to"
    assert words in verdict_of(lambda dx: dx + np.arange(dx.shape[-1]), SOFTMAX_BACK).diagnosis


def test_rows_of_zeros_need_not_add_up():
    zero = dataclasses.replace(SOFTMAX_BACK, cases=tuple(_without_gradient(c) for c in SOFTMAX_BACK.cases))
    verdict = verdict_of(lambda dx: dx + np.arange(dx.shape[-1]), zero)
    assert verdict.word == "wrong" and "add up" not in verdict.diagnosis


def _without_gradient(case):
    def make(rng):
        call = case.make(rng)
        return dataclasses.replace(call, args=(call.args[0] * 0, *call.args[1:]))

    return dataclasses.replace(case, make=make)


def test_lost_digits_are_no_factor():
    words = "dx is right but for its last digits"
    assert words in verdict_of(lambda dx, dw, db: (dx.astype(np.float32).astype(dx.dtype), dw, db)).diagnosis


def test_zeros_in_some_cases_are_not_said_of_all():
    """A part that is right where its numbers are large is not 0 everywhere."""
    small = verdict_of(lambda dx: np.where(np.abs(dx).max(initial=0.0) < 1e-9, 0 * dx, dx), SOFTMAX_BACK)
    assert small.diagnosis == "dx is 0 everywhere in this case, and right in others: is something small taken for 0?"
    large = verdict_of(lambda dx, dw, db: (dx, dw, db * (len(dx) < 3)))
    assert large.diagnosis == "dbias is 0 everywhere in this case, and right in others"
    assert verdict_of(lambda dx: 0 * dx, SOFTMAX_BACK).diagnosis == "dx is 0 everywhere"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_offset_is_seen_among_large_numbers_whose_last_digits_it_loses(dtype):
    want = np.random.default_rng(0).uniform(500, 1000, 40).astype(dtype)
    off = dtype(0.3)
    assert re.match(r"every number of x is \+0\.(3|300|299)\d* off$", _of_shifts("x", [(want, want + off)]))
    spoiled = want + off
    spoiled[3] += dtype(0.01)
    assert _of_shifts("x", [(want, spoiled)]) == ""


@pytest.mark.parametrize(
    "want, got, words",
    [
        ((3, 1), (3,), "an axis of length 1 is lost in m: is keepdims=True missing?"),
        ((1, 4), (4,), "an axis of length 1 is lost in m"),
        ((2, 1, 1), (2,), "an axis of length 1 is lost in m"),
        ((3, 4), (3,), "m has 1 axis instead of 2: is one axis summed too little or too much?"),
        ((3,), (3, 3), "m has 2 axes instead of 1"),
        ((2, 3, 4), (4, 2, 3), "m has its axes in the wrong order"),
        ((2, 3, 4), (4,), ""),
        ((2, 3), (2, 5), ""),
    ],
)
def test_shapes_in_words(want, got, words):
    said = _of_shapes(types.SimpleNamespace(name="m", want=np.zeros(want), got=np.zeros(got)))
    assert said.startswith(words) and bool(said) == bool(words)
