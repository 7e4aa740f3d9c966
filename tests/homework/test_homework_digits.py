"""Wanted and given in digits that tell them apart."""

import numpy as np
import pytest

from tinymaskrcnn.homework.answer import Answer
from tinymaskrcnn.homework.digits import array_texts
from tinymaskrcnn.homework.exercises import find_exercise
from tinymaskrcnn.homework.explain import explanation
from tinymaskrcnn.homework.judge import agrees, judge


@pytest.mark.parametrize(
    "arrays, texts",
    [
        ([np.array([0.5, -0.0, 1e-7])], ["[0.5 0.  0. ]"]),
        ([np.array([1e-15, -2e-15])], ["1e-15 * [ 1. -2.]"]),
        ([np.array([[1e-15], [2e-15]])], ["1e-15 * [[1.]\n         [2.]]"]),
        ([np.array([np.nan, 2e-5], np.float32)], ["1e-05 * [nan  2.]"]),
        ([np.zeros(2), np.full(2, 1e-16)], ["[0. 0.]", "1e-16 * [1. 1.]"]),
        ([np.array([[1 / 7]]), np.array([[1 / 7 - 2e-8]])], ["[[0.142857143]]", "[[0.142857123]]"]),
        ([np.array([1e10]), np.array([1e10 + 100])], ["[1.e+10]", "[1.00000001e+10]"]),
        ([np.array([9.9e-16]), np.array([1.01e-15])], ["1e-15 * [0.99]", "1e-15 * [1.01]"]),
        ([np.array([1, 2]), np.array([1, 3])], ["[1 2]", "[1 3]"]),
        ([np.zeros((0, 4)), np.zeros((0, 4))], ["[]", "[]"]),
    ],
)
def test_arrays_as_texts(arrays, texts):
    assert array_texts(*arrays) == texts


def numbers(text):
    """[("1e-15", "2.5"), ...]: every number of a text with the power of ten in front of all."""
    power, _, rest = text.rpartition(" * ")
    return [(power, float(number)) for number in rest.replace("[", " ").replace("]", " ").split()]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_differs_is_written_differently_whatever_its_size(dtype):
    rng = np.random.default_rng(0)
    for _ in range(100):
        want = rng.normal(size=(2, 3)) * 10.0 ** rng.uniform(-30, 30)
        by = 10.0 ** rng.uniform(-9, 1, want.shape) * rng.choice([0, 1, -1], want.shape)
        want, got = want.astype(dtype), (want + np.abs(want).max() * by).astype(dtype)
        left, right = map(numbers, array_texts(want, got))
        unlike = [a != b for a, b in zip(left, right, strict=True)]
        assert len(left) == 6 and np.all(agrees(want, got).ravel() | unlike), (want, got)


def test_a_tiny_number_added_is_seen_in_what_is_said_of_it():
    exercise = find_exercise("hw01.softmax_backward")
    right = exercise.blank.reference()
    lines = explanation(judge(exercise, lambda call: Answer(right(*call.args) + 1e-16)))
    table = lines[next(i for i, line in enumerate(lines) if line.startswith("  wanted")) + 1]
    wanted, yours = table.strip().split("1e")[1:]
    assert wanted.strip() != yours.strip()
