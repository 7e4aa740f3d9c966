"""What a file may not hold is found; what students write is not."""

import pytest
from homework.bodies import fill
from homework.mutants import hw01

from tinymaskrcnn.homework.audit import audit
from tinymaskrcnn.homework.exercises import titles
from tinymaskrcnn.homework.release import student_file

ALLOWED = [
    "import numpy as np",
    "import numpy\nnumpy.set_printoptions(precision=3)",
    "from math import exp",
    "from collections import defaultdict",
    "from typing import Any\ndef f(x: Any) -> None: ...",
    "import itertools, functools, time, random, copy, warnings",
    "from tinymaskrcnn.ops.common import taps",
    "from tinymaskrcnn.ops import conv\ny = conv._split",
    "x = np.zeros(3)\nx[0] = 1\nfirst, *rest = x",
    "class A:\n    def __init__(self):\n        super().__init__()\n        self.x = self.__class__.__name__",
    "from dataclasses import dataclass\n@dataclass\nclass Box:\n    x: float = 0.0\n    def __post_init__(self): ...",
    "def f(a):\n    a.b = 3",
    "print('here', f'{np.zeros(3)!r:>9}', type(np).__name__, np.__version__)",
    "rng = np.random.default_rng(0)\nnp.testing.assert_allclose(1, 1)",
    "windows = np.lib.stride_tricks.sliding_window_view(np.zeros((4, 4)), (2, 2))",
    "from numpy.lib.stride_tricks import as_strided\ny = as_strided(np.zeros(3))",
    "import sys\nnp.set_printoptions(threshold=sys.maxsize)",
    "import os, torch, pdb  # left in",
    "import matplotlib.pyplot as plt\ndef show(x):\n    plt.imshow(x)",
    "from scipy import sparse\nA = sparse.eye(3)",
    "from tinymaskrcnn.testing import check_pair\ncheck_pair(1)",
    "from tinymaskrcnn.ops.linear import linear_backward  # and below one's own, or nothing",
    "from tinymaskrcnn.ops import naive\ny = naive.linear_forward",
    "n = getattr(np.zeros(3), 'ndim', 0) + hasattr(np, 'abs')",
    "input = np.zeros(3)\nvars = input + 1\ncompile = lambda open: open",
    "if __name__ == '__main__':\n    import os\n    print(open('x').read(), os.getcwd())",
    "breakpoint(); exit()",
]
FORBIDDEN = [
    ("import os; os", "`import os`"),
    ("import numpy, inspect; inspect", "`import inspect`"),
    ("from subprocess import run; run", "`from subprocess import run`"),
    ("from .x import y; y", "`from .x import y`"),
    ("open('x')", "`open`"),
    ("f = eval", "`eval`"),
    ("x = ().__class__.__bases__", "`.__bases__`"),
    ("conv.readable(1)", "`.readable`"),
    ("np.load('x')", "`.load`"),
    ("np.lib.npyio", "`.lib`"),
    ("np.testing.runstring('x', {})", "`.runstring`"),
    ("import numpy as np\nnp.abs = max", "changing `np.abs`, which belongs to another module,"),
    ("import numpy as np\ndel np.linalg.norm", "changing `np.linalg.norm`"),
    ("from tinymaskrcnn.ops.linear import linear_backward; linear_backward", "` is the package's solution and"),
    ("from tinymaskrcnn.ops.pool import *", "import *"),
    ("from tinymaskrcnn.kernels import conv; conv", "`from tinymaskrcnn.kernels import conv`"),
    ("from tinymaskrcnn import homework; homework", "`from tinymaskrcnn import homework`"),
    ("import tinymaskrcnn; tinymaskrcnn", "`import tinymaskrcnn`"),
    ("from tinymaskrcnn.backend import importlib; importlib", "`from tinymaskrcnn.backend import importlib`"),
    ("from dataclasses import sys as s; s", "`from dataclasses import sys`"),
    ("import dataclasses; dataclasses.sys", "`.sys`"),
    ("import operator; operator.attrgetter('x')", "`.attrgetter`"),
    ("getattr(max, '__glo' + 'bals__')", "`getattr`"),
    ("getattr(max, '__globals__')", "`getattr`"),
    ("map(getattr, [], [])", "`getattr`"),
    ("def f(e): return e.tb_frame", "`.tb_frame`"),
    ("match max:\n  case object(__globals__=g): pass", "`.__globals__`"),
    ("if __name__ == '__main__':\n    pass\nelse: open('x')", "`open`"),
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
    assert 2 <= findings[0][0] <= 2 + text.count("\n")


def test_right_solutions_pass():
    assert audit(fill("hw01", hw01.RIGHT)) == []


@pytest.mark.parametrize("text", ["def f(:", "\0", "(" * 500, "x" + ".y" * 2900 + " = 1"])
def test_what_is_no_python_has_no_findings(text):
    assert audit(text) == []
