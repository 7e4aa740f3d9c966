"""A file is loaded statement by statement: what fails is left out, and the rest counts."""

import pytest

from tinymaskrcnn.homework.library import student_builtins
from tinymaskrcnn.homework.loading import Stumble, compiled, load, notebook_lines, without_followers
from tinymaskrcnn.homework.overlay import new_namespace


def loaded(text):
    namespace = new_namespace(student_builtins())
    return namespace, load(text, "hw01.py", namespace)


def test_what_fails_is_left_out_and_told():
    text = "a = 1\nassert a == 2, 'mine'\nb, c = a / 0, 1\ndef f():\n    raise NotImplementedError\nf()\nd = 4\n"
    namespace, stumbles = loaded(text)
    assert (namespace["a"], namespace["d"]) == (1, 4) and "b" not in namespace
    assert [(s.line, s.names) for s in stumbles] == [(2, ()), (3, ("b", "c")), (6, ())]
    assert [s.in_words() for s in stumbles] == [
        "line 2 was left out, because it fails: assert a == 2, 'mine' (AssertionError: mine)",
        "line 3 was left out, because it fails: b, c = a / 0, 1 (ZeroDivisionError: division by zero)",
        "line 6 was left out, because it calls what is not filled in yet: f()",
    ]


def test_a_form_feed_ends_no_line():
    _, stumbles = loaded("a = 'x\x0cy\u2028z'\x0c\n\x0c\n1 / 0\n")
    assert [(s.line, s.text) for s in stumbles] == [(3, "1 / 0")]


def test_lines_for_notebooks_are_passed_over():
    text = "%matplotlib inline\nif True:\n    !pip install numpy\nnp.sum?\n%%time\na = (7\n  % 4)\nget_ipython()\n"
    namespace, stumbles = loaded(text)
    assert namespace["a"] == 3
    assert [s.line for s in notebook_lines(text)] == [1, 3, 4, 5]
    assert "get_ipython() is there in a notebook only" in stumbles[0].in_words()
    assert notebook_lines("a = (7\n% a)") == []


@pytest.mark.parametrize("text", ["def f(:", "return 1", "!x\ndef f(:", "a = 1\nfrom __future__ import division"])
def test_what_is_no_python_is_an_error(text):
    with pytest.raises(SyntaxError):
        compiled(text, "hw01.py")


def test_hints_need_not_be_there():
    text = "from __future__ import division\nimport torch\n"
    text += "def f(x: torch.Tensor | None, y: Float[Array, 'b c']) -> NDArray[float]:\n    return x\nz: Nothing = 3\n"
    namespace, stumbles = loaded(text)
    assert stumbles == [] and namespace["f"](2, 0) == 2 and namespace["z"] == 3


def test_memory_that_runs_out_ends_it():
    with pytest.raises(MemoryError):
        loaded("raise MemoryError")


def test_what_only_misses_a_lost_name_is_no_cause():
    _, stumbles = loaded("a = 1 / 0\nb = a\nprint(b)\nprint(c)\nassert a is None\nd = 2\nassert d == 3, 'mine'\n")
    assert [s.line for s in stumbles] == [1, 2, 3, 4, 5, 7]
    assert [s.line for s in without_followers(stumbles)] == [1, 4, 7]


def test_what_is_put_away_is_nobodys_mistake():
    message = "PermissionError: hw04.roi_align_points: the package's own solution is not allowed in homework"
    assert Stumble(7, "f()", message).put_away == "hw04.roi_align_points"
    assert "fails" not in Stumble(7, "f()", message).in_words()
    assert Stumble(7, "f()", "PermissionError: open 'x' is not allowed in homework").put_away == ""
