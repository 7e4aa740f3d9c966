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
    "from tinymaskrcnn.ops import conv\ny = conv._image_to_columns",
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
    ("from subprocess import run; run", "`from subprocess import run`"),
    ("open('/etc/passwd')", "`open`"),
    ("from pathlib import Path; Path(np.__file__).read_text()", "`Path`"),
    ("np.fromfile('/usr/lib/site-packages/tinymaskrcnn/ops/linear.py')", "`fromfile`"),
    ("import os; os.system('cat hw01.py')", "`os.system`"),
    ("from os import _exit; _exit(0)", "`from os import _exit`"),
    ("import subprocess; subprocess.run(['curl', 'pip'])", "`import subprocess`"),
    ("np.__dict__", "`.__dict__`"),
    ("from tinymaskrcnn.ops import conv\nm = conv\nm.__dict__", "`.__dict__`"),
    ("def f(self): return super().backward.__wrapped__", "`.__wrapped__`"),
    ("x = ().__class__.__bases__", "`.__bases__`"),
    ("conv.readable(1)", "`.readable`"),
    ("np.testing.runstring('x', {})", "`.runstring`"),
    ("import numpy as np\nnp.abs = max", "changing `np.abs`, which belongs to another module,"),
    ("import numpy as np\ndel np.linalg.norm", "changing `np.linalg.norm`"),
    ("from tinymaskrcnn.ops.linear import linear_backward; linear_backward", "` is the package's solution and"),
    ("from tinymaskrcnn.ops.pool import *", "import *"),
    ("from tinymaskrcnn.kernels import conv; conv", "`from tinymaskrcnn.kernels import conv`"),
    ("from tinymaskrcnn import homework; homework", "`from tinymaskrcnn import homework`"),
    ("from tinymaskrcnn.backend import importlib; importlib", "`from tinymaskrcnn.backend import importlib`"),
    ("from dataclasses import sys as s; s", "`from dataclasses import sys`"),
    ("import dataclasses; dataclasses.sys", "`.sys`"),
    ("import operator; operator.attrgetter('x.__globals__')", "`operator.attrgetter("),
    ("getattr(max, '__globals__')", "`getattr(max, '__globals__')`"),
    ("def f(e): return e.tb_frame", "`.tb_frame`"),
    ("match max:\n  case object(__globals__=g): pass", "`.__globals__`"),
    ("def f(self): return max(self).__dict__", "`.__dict__`"),
    ("def f(self): return type(self, (), {}).__dict__", "`.__dict__`"),
    ("from operator import attrgetter as a, attrgetter; attrgetter('x' * 2)", "`attrgetter('x' * 2)`"),
    ("if __name__ == '__main__':\n    pass\nelse: open('/proc/self/maps')", "`open`"),
]


# What is not there when homework is checked, or not there in this form, is no evidence of anything.
HONEST = [
    "from scipy import signal; signal.convolve2d",
    "import scipy.signal; scipy.signal.convolve2d(1,2)",
    "class A:\n  def f(self):\n    self.__cache = 3; return self.__cache",
    "def f(self, name): return getattr(self, name)",
    "from types import SimpleNamespace; c = SimpleNamespace(x=1)",
    'import os; os.environ["OMP_NUM_THREADS"] = "1"',
    "def f(self): print(self.weight.__dict__)",
    'import sys; sys.path.append("..")',
    'import os, sys; sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))',
    "import inspect; print(inspect.signature(print))",
    "import skimage.measure; from skimage import measure; measure.label(3)",
    "import tinymaskrcnn; print(tinymaskrcnn.__version__)",
    "from .utils import helper; helper(1)",
    'open("debug.txt", "w").write("x")',
    'x = eval("1+1")',
    'np.load("mine.npy"); np.save("y", 3)',
    'import pickle; pickle.load(open("x.pkl", "rb"))',
    'import json; json.load(open("x.json"))',
    'from pathlib import Path; Path("plots").mkdir()',
    'import subprocess; subprocess.run(["pip", "install", "numpy"])',
    'import subprocess, sys; subprocess.check_call([sys.executable, "-m", "pip", "install", "numpy"])',
    'import os; os.system("pip install numpy"); os.system("cls")',
    'get_ipython().system("pip install tinymaskrcnn")',
    "import importlib; importlib.reload(np)",
    "import gc; gc.collect()",
    "import threading; threading.Thread(target=print).start()",
    "from multiprocessing import Pool; Pool(2)",
    'from tinymaskrcnn.homework.check import check_function; check_function("hw01.linear_backward", 3)',
    'from tinymaskrcnn.homework import check; check.assert_right("x", 1)',
    "from tinymaskrcnn.kernels.threads import set_threads; set_threads(1)",
    (
        "from tinymaskrcnn.ops.linear import linear_backward as ref\n"
        "def linear_backward(dy, cache): return dy\n"
        "assert np.allclose(ref(1,2), linear_backward(1,2))\n"
    ),
    (
        "from tinymaskrcnn.ops.linear import linear_backward\n"
        "def linear_backward(dy, cache): return linear_backward(1)\n"
    ),
    "from tinymaskrcnn.ops.activation import softmax_forward\ndef nms(a): return softmax_forward(a)",
    "np.float = float; np.bool = bool",
    "import numpy as np; np.int = int",
    'import warnings; warnings.formatwarning = lambda *a: ""',
    'import matplotlib.pyplot as plt; plt.rcParams["x"] = 3; plt.show = lambda: None',
    "from functools import lru_cache\n@lru_cache\ndef f(x): return x\nf.__wrapped__",
    (
        "def f(x):\n"
        "  return x\n"
        "print(f.__doc__, f.__name__, f.__module__, f.__qualname__, f.__defaults__, f.__annotations__)\n"
    ),
    '__all__ = ["f"]; __author__ = "me"; __version__ = "1"',
    (
        "class P:\n"
        '  __slots__ = ("x",)\n'
        '  __match_args__ = ("x", "y")\n'
        "  def __eq__(self, o): return self.__class__ is o.__class__ and self.__dict__ == o.__dict__\n"
    ),
    (
        "class P:\n"
        "  def __getitem__(self, i): return i\n"
        "  def __array__(self): return 1\n"
        "  def __setattr__(self, k, v): object.__setattr__(self, k, v)\n"
    ),
    'import operator; sorted([1], key=operator.attrgetter("score")); operator.itemgetter(1)',
    'from operator import attrgetter; attrgetter("a.b")',
    "def attrgetter(name): return name\nattrgetter('x' * 2)",
    "def f(self, name): return self.attrgetter(name)",
    "def f(self): return type(self).__dict__, self.parts[0].first(3).__dict__",
    'setattr(np, "x", 3); print(globals(), locals(), vars())',
    "import traceback; traceback.print_exc()",
    "import signal; signal.alarm(3)",
    "from io import StringIO; StringIO()",
    "import code; code.interact()",
    "import socketserver",
    'import cv2; cv2.imread("x.png")',
    'import torch; torch.load("x")',
    'from PIL import Image; Image.open("a.png")',
    'import os; print(os.getcwd(), os.listdir("."), os.getpid(), os.cpu_count()); os.makedirs("x")',
    "import builtins; builtins.sum([1])",
    'x = np.zeros(3); x.tofile("a.bin"); x.dump("b")',
    "import random; random.seed(0)",
    "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()): pass",
    "import sys; sys.setrecursionlimit(10**6); sys.modules[__name__]",
    "from tinymaskrcnn.ops import linear; linear.linear_forward",
    (
        "from tinymaskrcnn.nn.layers import Linear\n"
        "class Linear(Linear):\n"
        "  def backward(self, dy, cache):\n"
        "    return self.__class__.__mro__, type(self).__name__\n"
    ),
    'import time; start = time.time(); print(f"{time.time() - start:.3f}")',
    "print(np.__file__)",
    "import logging; logging.getLogger(__name__).setLevel(logging.DEBUG)",
    "from tinymaskrcnn.data.scenes import Scenes; Scenes()",
    "import tinymaskrcnn as tm; tm.ops.linear.linear_forward",
    "import tinymaskrcnn.testing as t; t.check_pair(1)",
]
BLANK = "def linear_backward(dy, cache):\n    return helper(dy, cache)\n"
TO_THE_SOLUTION = {
    "in a helper": f"{BLANK}from tinymaskrcnn.ops.linear import linear_backward as ref\n"
    "def helper(*a):\n    return ref(*a)\n",
    "inside": "def linear_backward(*a):\n    from tinymaskrcnn.ops.linear import linear_backward as ref\n"
    "    return ref(*a)\n",
    "by its own name": f"{BLANK}def helper(*a):\n    from tinymaskrcnn.ops.linear import linear_backward\n"
    "    return linear_backward(*a)\n",
    "below": f"{BLANK}from tinymaskrcnn.ops.linear import linear_backward\nlinear_backward\n",
    "in a circle": f"{BLANK}from tinymaskrcnn.ops.linear import linear_backward as ref\n"
    "def helper(*a):\n    return linear_backward(*a) if a[0] else ref(*a)\n",
    "kept": f"from tinymaskrcnn.ops.linear import linear_backward as ref\nhelper = ref\n{BLANK}",
}


@pytest.mark.parametrize("text", HONEST)
def test_what_is_merely_not_there_is_no_tampering(text):
    compile(text, "hw01.py", "exec")
    assert audit(text) == []


@pytest.mark.parametrize("name", TO_THE_SOLUTION)
def test_a_blank_that_leads_to_the_solution_is_found(name):
    assert [words for _, words in audit(TO_THE_SOLUTION[name]) if words.endswith("is the package's solution and")]


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
