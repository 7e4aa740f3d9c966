"""A call is answered, or its trouble told, and what it wrote into is noticed."""

import numpy as np
import pytest

from tinymaskrcnn.homework.answer import local_answer, trouble_of
from tinymaskrcnn.homework.exercise import Call
from tinymaskrcnn.homework.exercises import find_exercise

EXERCISE = find_exercise("hw01.linear_backward")
CALL = Call((np.ones((2, 3)), (np.ones((2, 2)), np.ones((2, 3)))))


def test_the_arguments_stay_as_they_were():
    def writes(dy, cache):
        dy[0, 0] = 9
        cache[1][0] += 1
        return dy

    answer = local_answer(EXERCISE, writes, CALL)
    assert answer.changed == ("dy", "cache[1]")
    assert answer.output[0, 0] == 9 and CALL.args[0][0, 0] == 1


def test_a_list_that_became_shorter_or_holds_something_else_is_changed():
    exercise = find_exercise("hw01.sum_grads")
    call = Call(([np.zeros(2), None], [np.zeros(2), np.ones(1)]))

    def empties(*gradients):
        for term in gradients[:1]:
            term.clear()

    def pops(*gradients):
        gradients[1].pop()

    def replaces(*gradients):
        gradients[0][1] = gradients[1][1]

    def equals(*gradients):
        gradients[1][0] = gradients[1][0].copy()

    def swaps(*gradients):
        gradients[0][1] = np.zeros(2)

    assert local_answer(exercise, swaps, call).changed == ("gradients[0][1]",)  # a None that became an array
    found = [local_answer(exercise, f, call).changed for f in (empties, pops, replaces, equals)]
    assert found == [("gradients[0]",), ("gradients[1]",), ("gradients[0][1]",), ()]


def test_an_honest_function_changes_nothing():
    answer = local_answer(EXERCISE, EXERCISE.blank.reference(), CALL)
    assert answer.changed == () and answer.trouble is None and len(answer.output) == 3


@pytest.mark.parametrize(
    "error, kind",
    [
        (NotImplementedError("hw01.linear_backward"), "empty"),
        (MemoryError(), "memory"),
        (ValueError("shapes do not fit"), "exception"),
        (RecursionError("too deep"), "exception"),
    ],
)
def test_an_exception_becomes_trouble(error, kind):
    def fails(dy, cache):
        raise error

    answer = local_answer(EXERCISE, fails, CALL)
    assert answer.trouble.kind == kind and type(error).__name__ in answer.trouble.message


def test_the_line_is_the_student_s_own():
    lines = ["def f(x):", "    return g(x)", "def g(x):", "    return x['no']"]
    namespace = {}
    exec(compile("\n".join(lines), "mine.py", "exec"), namespace)
    try:
        namespace["f"](np.zeros(3))
    except IndexError as error:
        trouble = trouble_of(error, "mine.py", lines)
    assert (trouble.line, trouble.text) == (4, "return x['no']")


def test_the_line_that_writes_into_an_argument_is_found():
    lines = ["def f(dy, cache):", "    print('once')", "    total = dy", "    total += 1", "    return total"]
    namespace = {}
    exec(compile("\n".join(lines), "mine.py", "exec"), namespace)
    answer = local_answer(EXERCISE, namespace["f"], CALL, path="mine.py", lines=lines)
    assert (answer.changed, answer.line, answer.text) == (("dy",), 4, "total += 1")


def test_a_syntax_error_has_its_line_and_text():
    lines = ["x = 1", "  y = 2"]
    try:
        compile("\n".join(lines), "mine.py", "exec")
    except SyntaxError as error:
        trouble = trouble_of(error, "mine.py", lines)
    assert (trouble.line, trouble.text) == (2, "y = 2")
