"""What a student's file imports is there, or a stand-in that only says so when it is used."""

import ast
import math
import sys

import numpy as np
import pytest

from tinymaskrcnn.homework.library import parsed, program, student_builtins
from tinymaskrcnn.ops import conv


def run(text):
    namespace = {"__name__": "homework", "__builtins__": student_builtins()}
    exec(compile(program(text), "mine.py", "exec"), namespace)
    return namespace


def test_what_is_needed_is_the_real_thing():
    found = run(
        "import numpy.linalg, math as m\nfrom numpy import random as r\nfrom tinymaskrcnn.ops import conv\n"
        "import tinymaskrcnn.ops.conv as again\nfrom tinymaskrcnn import ops"
    )
    assert found["numpy"] is np and found["m"] is math and found["r"] is np.random
    assert found["conv"] is found["again"] is found["ops"].conv is conv


@pytest.mark.parametrize(
    "text",
    [
        "import os\nf = os.path.join",
        "import matplotlib.pyplot as plt\nf = plt.imshow",
        "from torch.nn import functional as F\nf = F.relu",
        "from tinymaskrcnn.homework.blanks import find_blank as f",
        "from tinymaskrcnn.ops.naive import linear as f",
        "from tinymaskrcnn import testing\nf = testing.check_pair",
        "import tinymaskrcnn\nf = tinymaskrcnn.kernels.conv.conv2d_forward",
        "import sys\nf = sys.exit",
        "import sys\nf = sys.modules.get",
    ],
)
def test_everything_else_may_be_imported_and_named_but_not_used(text):
    with pytest.raises(ImportError, match="is not there when homework is checked"):
        run(text)["f"](1)


def test_the_parts_of_sys_that_people_use_are_there():
    assert run("from sys import maxsize\nimport sys\ne = sys.float_info.epsilon")["maxsize"] == sys.maxsize


@pytest.mark.parametrize("name", ["open", "exec", "eval", "breakpoint", "input", "globals", "setattr"])
def test_what_no_exercise_needs_is_not_there(name):
    with pytest.raises(NameError):
        run(f"x = {name}")
    assert run(f"{name} = 3\nx = {name}")["x"] == 3


def test_the_main_block_does_not_run():
    text = "x = 1\nif __name__ == '__main__':\n    x = 2\nelse:\n    y = 3\n__name__ = '__main__'\n"
    found = run(text + "if '__main__' == __name__:\n    x = 4\n")
    assert (found["x"], found["y"]) == (1, 3)


def test_lines_of_a_notebook_are_passed_over_where_they_stand():
    tree, passed_over = parsed("x = 1\n%matplotlib inline\nif x:\n    !ls data\n    y = 2\n")
    assert passed_over == (2, 4)
    assert ast.unparse(tree) == "x = 1\npass\nif x:\n    pass\n    y = 2"
    assert [node.lineno for node in tree.body] == [1, 2, 3]
    assert parsed("x = 1")[1] == ()
    for text in ("def f(:", "%matplotlib inline\ndef f(:"):
        with pytest.raises(SyntaxError):
            parsed(text)
