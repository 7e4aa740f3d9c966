"""The proof of a cache: a right result with a cache that its backward cannot use is not right."""

import numpy as np
import pytest

from tinymaskrcnn.homework.exercise import Call
from tinymaskrcnn.homework.exercises import all_exercises
from tinymaskrcnn.homework.exercises._shared import cache_proven_by, distinct, drive_layer, other_form
from tinymaskrcnn.homework.judge import first_difference
from tinymaskrcnn.ops.softmax import softmax_backward, softmax_forward

RESULTS = cache_proven_by(softmax_forward, softmax_backward, ("dx",), "y itself")
CALL = Call((np.array([[1.0, 2.0, 4.0], [0.0, 0.0, 1.0]]),))
Y, CACHE = softmax_forward(*CALL.args)


def difference(output):
    return first_difference(RESULTS((Y, CACHE), CALL), RESULTS(output, CALL))


def test_a_cache_of_another_object_with_the_same_numbers_is_right():
    assert difference((Y, CACHE.copy())) is None
    assert difference([Y, CACHE]) is None


def test_a_cache_of_other_numbers_shows_in_the_gradient():
    assert "dx (made of your cache by the package's softmax_backward)[0, 0]" in difference((Y, CALL.args[0])).words


def test_a_wrong_result_is_told_before_its_cache():
    assert difference((Y + 1, None)).name == "y"


@pytest.mark.parametrize("cache", [None, (), (Y, Y), {"y": Y}])
def test_a_cache_of_another_layout_is_told_with_the_layout(cache):
    with pytest.raises(ValueError, match=r"the cache must be y itself: it must be float64 \(2, 3\); got"):
        RESULTS((Y, cache), CALL)


@pytest.mark.parametrize("output, words", [(Y, "one thing, of type ndarray"), ((Y, Y, Y), "3 things")])
def test_a_pair_is_asked_for(output, words):
    with pytest.raises(ValueError, match=words):
        RESULTS(output, CALL)


def test_distinct_numbers_are_far_apart():
    x = distinct(np.random.default_rng(0), (2, 3, 4))
    assert x.shape == (2, 3, 4) and np.diff(np.sort(x.reshape(-1))).min() > 0.05


def test_who_drives_a_student_s_function_brings_no_exercise_along():
    """Beside a student's code its module is imported: hidden cases and the text of mistakes must not lie there."""
    assert {e.drive.__module__ for e in all_exercises() if e.drive} == {drive_layer.__module__}


@pytest.mark.parametrize(
    "cache, words",
    [
        ((np.zeros(3), None, (1, 1)), ""),
        ([np.ones(3), None, [1, 1]], ""),
        ((np.zeros(3, np.float32), None, (1, 1)), "x must be float64 (3,); got float32 (3,)"),
        ((np.zeros(4), None, (1, 1)), "x must be float64 (3,); got float64 (4,)"),
        ((np.zeros(3), None, (10**9, 1)), "stride[0] must be 1; got 1000000000"),
        ((np.zeros(3), np.zeros(1), (1, 1)), "bias must be None; got float64 (1,)"),
        ((np.zeros(3), None), "it must hold 3 things; got a tuple of 2"),
        (None, "it must hold 3 things; got None"),
    ],
)
def test_a_strange_cache_never_reaches_the_package_s_backward(cache, words):
    assert other_form((np.zeros(3), None, (1, 1)), cache, "(x, bias, stride)") == words
