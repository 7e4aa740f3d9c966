"""One function at a time is laid over the package; everything else stays the package's own."""

import numpy as np
import pytest

from tinymaskrcnn.homework.blanks import find_blank
from tinymaskrcnn.homework.overlay import MissingFunction, function_in, laid_over, student_function
from tinymaskrcnn.nn.layers import Linear
from tinymaskrcnn.ops import linear, softmax

FILE = """
import numpy as np
def helper(x):
    return softmax_forward(x)
def softmax_forward(x):
    return "mine", None
def softmax_backward(dy, cache):
    return helper(dy)
"""


def code(text):
    return compile(text, "student.py", "exec")


def test_other_blanks_of_the_same_file_are_the_package_s():
    function = student_function(code(FILE), find_blank("hw01.softmax_backward"))
    y, _ = function(np.zeros((1, 2)), None)  # through the helper to softmax_forward, which is another exercise
    assert y.tolist() == [[0.5, 0.5]]
    assert student_function(code(FILE), find_blank("hw01.softmax_forward"))(0)[0] == "mine"


def test_the_package_uses_it_and_is_itself_again_afterwards():
    blank, before = find_blank("hw01.softmax_forward"), softmax.softmax_forward
    with pytest.raises(ZeroDivisionError):
        with laid_over(blank, lambda x: "laid over"):
            assert softmax.softmax_forward(1) == "laid over"
            raise ZeroDivisionError
    assert softmax.softmax_forward is before


def test_a_method_is_laid_over_its_class(rng):
    text = "class Linear:\n    def backward(self, dy, cache):\n        return 'mine'\n"
    blank = find_blank("hw01.linear_layer_backward")
    layer = Linear(2, 3, rng=rng)
    with laid_over(blank, student_function(code(text), blank)):
        assert layer.backward(None, None) == "mine"
    assert layer.backward(np.ones((1, 3), np.float32), (np.ones((1, 2), np.float32), layer.weight.value)).shape == (
        1,
        2,
    )


@pytest.mark.parametrize("text", ["", "linear_backward = 3", "class linear_backward: pass"])
def test_a_file_without_the_function_is_told(text):
    with pytest.raises(MissingFunction, match="defines no function linear_backward"):
        student_function(code(text), find_blank("hw01.linear_backward"))
    assert linear.linear_backward.checked


def test_the_function_of_another_exercise_is_not_taken_for_a_slip_of_the_pen():
    blanks = [find_blank(f"hw01.softmax_cross_entropy_{half}") for half in ("forward", "backward")]
    namespace = {"softmax_cross_entropy_backward": lambda: None}
    with pytest.raises(MissingFunction, match="no function softmax_cross_entropy_forward$"):
        function_in(namespace, blanks[0], others=blanks[1:])
    with pytest.raises(MissingFunction, match="is softmax_cross_entropy_backward meant to be it"):
        function_in(namespace, blanks[0], others=[])

