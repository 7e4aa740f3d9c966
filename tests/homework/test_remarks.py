"""What honest people hand in gets its own true sentence, and costs what it is used for."""

import textwrap

import pytest
from homework.bodies import fill, first_of
from homework.mutants import hw01, hw04

from tinymaskrcnn.homework.check import check_file
from tinymaskrcnn.homework.explain import explanation
from tinymaskrcnn.homework.remarks import Note, sentences

FIRST = "hw01.linear_backward"
LINES = textwrap.dedent(first_of(hw01.RIGHT[FIRST])).strip()
FULL = fill("hw01", hw01.RIGHT)
STUB = "def linear_backward(dy, cache):\n    raise NotImplementedError('hw01.linear_backward')\n"


def top(lines):
    place = FULL.index("\n# ---")
    return f"{FULL[:place]}\n{lines}\n{FULL[place:]}"


def blank(lines):
    return fill("hw01", hw01.RIGHT | {FIRST: lines})


def before(lines):
    return FULL.replace("def linear_backward", f"{lines}\ndef linear_backward")


def verdicts_of(folder, text, *, only=FIRST, seconds=5):
    path = folder / "hw01.py"
    path.write_text(text, encoding="utf-8")
    return list(check_file(path, only=[only] if only else None, strict=True, hidden=True, seconds=seconds))


HARMLESS = {  # in the file or in the function, and nothing is lost
    "scipy": top("from scipy import signal\nimport scipy.signal\nsignal.convolve2d"),
    "threads": top("import os\nos.environ['OMP_NUM_THREADS'] = '1'\nprint(os.environ['OMP_NUM_THREADS'])"),
    "a path": top("import sys\nsys.path.append('..')\nsys.path.insert(0, '../src')"),
    "a class of one's own": blank(
        "class A:\n    def __init__(self): self.__x = 1\n    def get(self, name): return getattr(self, name)\n"
        f"print(A().__dict__, A().get('get'))\n{LINES}"
    ),
    "a simple namespace": blank(f"from types import SimpleNamespace\nSimpleNamespace(x=1)\n{LINES}"),
    "a test that fails": FULL + "\nassert linear_backward is None, 'my own test'\n",
    "a unit test": FULL + "\nimport unittest\nclass T(unittest.TestCase): pass\nunittest.main()\n",
    "beside the solution": top("from tinymaskrcnn.ops.linear import linear_backward as ref")
    + "\nprint(ref(np.ones((1, 2)), (np.ones((1, 3)), np.ones((3, 2)))), linear_backward)\n",
    "a notebook's lines": top("%matplotlib inline\n!pip install numpy\nget_ipython().system('ls')"),
    "a seed and a module that are not there": top("import torch\ntorch.manual_seed(0)"),
}


@pytest.mark.in_turn
@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_merely_not_there_costs_nothing_where_nothing_uses_it(tmp_path, name):
    (verdict,) = verdicts_of(tmp_path, HARMLESS[name])
    assert verdict.word == "right", explanation(verdict)


SENTENCES = {  # file: (verdict, what is said)
    "scipy": (
        blank("from scipy import special\nreturn special.softmax(dy)"),
        "crashed",
        "scipy.special.softmax is not",
    ),
    "a file": (blank("np.save('x', dy)"), "crashed", "no file can be opened when homework is checked"),
    "an array's file": (blank("dy.tofile('x')"), "crashed", "no file can be opened when homework is checked"),
    "open": (blank("open('x')"), "crashed", "no file can be opened when homework is checked"),
    "input": (blank("input('x')"), "crashed", "nobody answers input()"),
    "a decorator": (before("import numba\n@numba.njit"), "crashed", "numba.njit is not there"),
    "lru_cache": (before("import functools\n@functools.lru_cache"), "crashed", "nor remembered by lru_cache"),
    "a name": (
        top("import torch\nEPS = torch.finfo().eps").replace("(dy, cache):", "(dy, cache):\n    EPS", 1),
        "crashed",
        "EPS is not there, because line 24 fails: ImportError: torch.finfo is not there",
    ),
    "map": (blank("return map(abs, [dy])"), "wrong", "a map only promises values: list(map(...))"),
    "yield": (blank("yield dy"), "wrong", "a function with `yield` needs a `return` instead"),
    "complex": (blank("x, w = cache\nreturn dy @ w.T + 0j, x.T @ dy, dy.sum(0)"), "wrong", "it holds complex numbers"),
    "masked": (
        blank("x, w = cache\nreturn np.ma.masked_less(dy @ w.T, 9), x.T @ dy, dy.sum(0)"),
        "wrong",
        "it holds masked numbers",
    ),
    "half": (blank("x, w = cache\nreturn dy @ w.T, x.T @ dy, dy.sum(0) / 2"), "wrong", "every number of dbias is 0.5"),
    "a stub below": (f"{FULL}\n{STUB}", "empty", "is written more than once, at line 27 and at line"),
    "a raise below": (
        blank(LINES.replace("return", "print(1)\nresult =") + "\nraise NotImplementedError"),
        "empty",
        "there are lines of your own, and line",
    ),
    "a helper": (FULL + "\ndef helper():\n    raise NotImplementedError\n", "right", ""),
    "an empty helper": (
        before("def helper():\n    raise NotImplementedError").replace("(dy, cache):", "(dy, cache):\n    helper()", 1),
        "empty",
        "it calls what is not filled in yet: line 28",
    ),
    "one branch": (
        blank(f"if len(dy) != 2: raise NotImplementedError\n{LINES}"),
        "wrong",
        "it raises NotImplementedError here, and answers elsewhere",
    ),
    "misspelt": (FULL.replace("linear_backward", "linear_backwards"), "missing", "is linear_backwards meant to be it?"),
    "in the main block": (
        FULL.replace("def linear_backward", "if __name__ == '__main__':\n  def linear_backward"),
        "missing",
        "stands in the __main__ block",
    ),
    "imported only": ("from tinymaskrcnn.ops.linear import linear_backward\n", "missing", "it imports the package's"),
    "an endless test": (FULL + "\nwhile True: pass\n", "too slow", "loading the file: not done after 2 seconds"),
}


@pytest.mark.in_turn
@pytest.mark.parametrize("name", SENTENCES)
def test_each_gets_its_own_true_sentence(tmp_path, name):
    text, word, words = SENTENCES[name]
    (verdict,) = verdicts_of(tmp_path, text, seconds=2 if word == "too slow" else 5)
    assert verdict.word == word, explanation(verdict)
    assert words in "\n".join(explanation(verdict))


def test_a_blank_called_before_it_is_filled_in_costs_only_itself(tmp_path):
    filled = {i: body for i, body in hw01.RIGHT.items() if i != "hw01.softmax_forward"}
    text = fill("hw01", filled) + "\nprint(softmax_forward(np.zeros((2, 2))))\n"
    found = verdicts_of(tmp_path, text, only=None)
    assert {v.exercise.id for v in found if v.word != "right"} == {"hw01.softmax_forward"}
    assert all("calls what is not filled in yet: print(softmax_forward" in v.notes[0].words for v in found)


@pytest.mark.parametrize("lines", ["getattr(np.sum, '__glo' + 'bals__')", "list(map(getattr, [max], ['__self__']))"])
def test_a_name_put_together_is_evidence_with_its_line(tmp_path, lines):
    (verdict,) = verdicts_of(tmp_path, blank(f"{lines}\n{LINES}"))
    assert verdict.word == "tampered" and lines in "\n".join(explanation(verdict))


def test_an_honest_test_of_several_exercises_is_told_once(tmp_path):
    """RoIAlign is put away while it is checked, and mask_targets of the same file is built on it."""
    lines = "\nimport numpy as np\nmasks, rois = np.ones((1, 1, 8, 8)), np.array([[0.0, 0.0, 8.0, 8.0]])\n"
    lines += "out = mask_targets(masks, rois, np.zeros(1, int), sizes=np.array([[8, 8]]), size=4, aligned=False)\n"
    lines += "print(out)\nshape = out.shape\nprint(shape)\nassert out.ndim == 9, 'mine'\n"
    path = tmp_path / "hw04.py"
    bodies = {identifier: body for identifier, body in hw04.RIGHT.items() if identifier != "hw04.roi_align_points"}
    text = fill("hw04", bodies).replace("def roi_align_points", "def own_roi_align_points") + lines
    path.write_text(text)
    verdicts = list(check_file(path, only=["roi_align_points", "mask_targets"], strict=True, seconds=5))
    last = text.count("\n")
    away, wrong = sentences(verdicts)
    assert away.startswith(
        f"line {last - 4} was not run while hw04.roi_align_points is checked (it needs the package's"
    )
    assert wrong == f"line {last} was left out, because it fails: assert out.ndim == 9, 'mine' (AssertionError: mine)"


def test_notes_are_merged_by_line():
    class Of:
        def __init__(self, *notes):
            self.notes = notes

    first = Of(Note(9, "nine, put away", True), Note(3, "three"), Note(12, ""), Note(0, "twice"))
    second = Of(Note(9, "nine fails"), Note(3, "three, otherwise"), Note(12, ""), Note(14, ""))
    assert sentences([first, second]) == ["three", "nine fails", "twice", "2 more lines were left out"]
    assert sentences([Of(Note(9, "fails"), Note(5, "")), Of(Note(9, "away", True))]) == [
        "fails",
        "1 more line was left out",
    ]
    assert sentences([Of()]) == []
