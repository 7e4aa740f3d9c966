"""What a file may not hold is found; what students write is not."""

import pytest
from homework.bodies import fill
from homework.mutants import hw01

from tinymaskrcnn.homework.audit import audit
from tinymaskrcnn.homework.exercises import titles
from tinymaskrcnn.homework.release import student_file

ALLOWED = [
    "import numpy as np",
    "from math import exp",
    "from collections import defaultdict",
    "from tinymaskrcnn.ops.common import taps",
    "x = np.zeros(3)\nx[0] = 1",
    "class A:\n    def __init__(self):\n        self.x = 1",
    "def f(a):\n    a.b = 3",
    "print('here')",
]
FORBIDDEN = [
    ("import os", "`import os`"),
    ("import numpy, sys", "`import sys`"),
    ("from subprocess import run", "`from subprocess import ...`"),
    ("from .x import y", "`from .x import ...`"),
    ("open('x')", "`open`"),
    ("f = eval", "`eval`"),
    ("x = ().__class__.__bases__", "`.__bases__`"),
    ("conv.readable(1)", "`.readable`"),
    ("np.load('x')", "`.load`"),
    ("import numpy as np\nnp.abs = max", "changing `np.abs`, which belongs to another module"),
    ("import numpy as np\ndel np.linalg.norm", "changing `np.linalg.norm`"),
    ("from tinymaskrcnn.ops.linear import linear_backward", "that is the package's solution"),
    ("from tinymaskrcnn.ops import conv", "that module holds the package's solutions"),
    ("from tinymaskrcnn.ops.pool import *", "import *"),
    ("from tinymaskrcnn.kernels import conv", "`from tinymaskrcnn.kernels import conv`"),
    ("from tinymaskrcnn import homework", "`from tinymaskrcnn import homework`"),
    ("import tinymaskrcnn", "`import tinymaskrcnn`"),
]


@pytest.mark.parametrize("homework", list(titles()))
def test_a_released_file_has_nothing_to_object_to(homework):
    assert audit(student_file(homework)) == []


@pytest.mark.parametrize("text", ALLOWED)
def test_ordinary_code_passes(text):
    assert audit(text) == []


@pytest.mark.parametrize("text, words", FORBIDDEN, ids=[text for text, _ in FORBIDDEN])
def test_what_homework_does_not_need_is_found_with_its_line(text, words):
    findings = audit(f"# a comment\n{text}")
    assert findings and words in findings[0][1]
    assert findings[0][0] == 2 + text.count("\n")


def test_right_solutions_pass():
    assert audit(fill("hw01", hw01.RIGHT)) == []


@pytest.mark.parametrize("text", ["def f(:", "\0", "(" * 500])
def test_what_is_no_python_has_no_findings(text):
    assert audit(text) == []
