"""The page a student gets back."""

import base64
import sys

import pytest
from homework.bodies import fill
from homework.mutants import hw01

from tinymaskrcnn.homework.blanks import PACKAGE
from tinymaskrcnn.homework.check import looks_like
from tinymaskrcnn.homework.feedback import LINES, feedback_page, own_functions, picture_of
from tinymaskrcnn.homework.grade import grade_one
from tinymaskrcnn.homework.submissions import Submission


def record_of(tmp_path, body, name="ann"):
    path = tmp_path / "hw01.py"
    path.write_text(fill("hw01", {"hw01.linear_backward": body}))
    return grade_one(Submission(name, "hw01", path), out=tmp_path / "out", seed=1)


def test_the_page_says_what_was_wrong(tmp_path):
    record = record_of(tmp_path, hw01.MUTANTS["hw01.linear_backward"][0].body)
    page = (tmp_path / "out" / "feedback" / "ann_hw01.html").read_text()
    entry = record["exercises"][0]
    assert entry["verdict"] == "wrong" and entry["diagnosis"] in page
    assert "<img alt=" in page and "<script" not in page and "http" not in page.replace('<html lang="en">', "")


def test_a_right_exercise_needs_no_section(tmp_path):
    record_of(tmp_path, hw01.RIGHT["hw01.linear_backward"])
    page = (tmp_path / "out" / "feedback" / "ann_hw01.html").read_text()
    assert "<td>hw01.linear_backward<td" in page and "<h2>hw01.linear_backward:" not in page


def test_pictures_are_embedded():
    record = {"student": "x", "homework": "hw01", "verdict": "wrong", "points": 0.5, "of": 2, "note": ""}
    entry = {
        "id": "hw01.linear_backward",
        "verdict": "wrong",
        "points": 0.5,
        "of": 2,
        "diagnosis": "<b>",
        "explanation": [],
    }
    entry |= {"cases_passed": 1, "cases_tried": 2}
    page = feedback_page(record | {"exercises": [entry]}, {"hw01.linear_backward": b"\x89PNG"}, {})
    assert base64.b64encode(b"\x89PNG").decode() in page and "&lt;b&gt;" in page and "0.5 of 2" in page


def test_a_picture_that_fails_is_left_out():
    class Strange:
        first = property(lambda self: 1 / 0)

    assert picture_of(Strange()) is None


def test_what_all_exercises_share_is_said_once(tmp_path):
    path = tmp_path / "hw01.py"
    path.write_text("def f(:\n")
    record = grade_one(Submission("bob", "hw01", path), out=tmp_path, seed=1)
    page = (tmp_path / "feedback" / "bob_hw01.html").read_text()
    assert len(record["exercises"]) == 7 and page.count("<section>") == page.count("line 1: def f(:") == 1


def test_the_page_shows_what_was_given_and_printed(tmp_path):
    record_of(tmp_path, "print('here:', len(dy))\nreturn dy, dy, dy")
    page = (tmp_path / "out" / "feedback" / "ann_hw01.html").read_text()
    assert "given:\n  dy       = [[1. 0. 1. 0.]" in page and "your code printed:\n  here: 2" in page


def test_the_page_shows_what_the_student_wrote(tmp_path):
    record_of(tmp_path, "a = '<b>&'\nreturn dy, dy, dy")
    page = (tmp_path / "out" / "feedback" / "ann_hw01.html").read_text()
    code = page[page.index('<pre class="code">') :]
    code = code[: code.index("</pre>")]
    place = (tmp_path / "hw01.py").read_text().split("\n").index("    a = '<b>&'") + 1
    assert f"<span>{place:>4}      a = &#x27;&lt;b&gt;&amp;&#x27;</span>" in code
    assert code.endswith("return dy, dy, dy</span>")
    assert page.count('class="code"') == 1  # of those that are empty there is nothing to see


def test_a_line_for_notebooks_costs_no_function():
    text = "%matplotlib inline\ndef linear_backward(dy, cache):\n    return dy\n"
    assert own_functions("hw01", text) == {
        "hw01.linear_backward": "   2  def linear_backward(dy, cache):\n   3      return dy"
    }
    assert looks_like(text) == "hw01"


def test_functions_are_found_in_classes_and_cut_when_long():
    body = "\n".join(f"        x = {i}" for i in range(100))
    text = f"class Linear:\n    def backward(self, dy, cache):\n{body}\n\ndef sum_grads(*a): return '{'x' * 999}'\n"
    found = own_functions("hw01", text)
    lines = found["hw01.linear_layer_backward"].split("\n")
    assert lines[:2] == ["   2  def backward(self, dy, cache):", "   3      x = 0"]
    assert len(lines) == LINES + 1 and lines[-1] == "      ... and 41 more lines"
    assert len(found["hw01.sum_grads"]) < 220 and set(found) == {"hw01.linear_layer_backward", "hw01.sum_grads"}
    assert own_functions("hw01", "def f(:") == own_functions("hw01", "\0") == {}


@pytest.mark.parametrize(
    "contents, words",
    [
        (b"\xff\xfe\x00", "hw01.py: not a text file in UTF-8"),
        (b"from tinymaskrcnn.ops.linear import nothing", "from &#x27;tinymaskrcnn.ops.linear&#x27; (tinymaskrcnn/ops"),
        (b"from numpy import nothing", "site-packages/numpy/__init__.py"),
        (b"raise ValueError(__import__)", "ValueError"),
    ],
)
def test_a_page_says_nothing_of_where_the_grader_keeps_things(contents, words, tmp_path):
    path = tmp_path / "class" / "hw01.py"
    path.parent.mkdir()
    path.write_bytes(contents)
    grade_one(Submission("bob", "hw01", path), out=tmp_path)
    page = (tmp_path / "feedback" / "bob_hw01.html").read_text()
    assert words in page
    assert not any(str(place) in page for place in (tmp_path, PACKAGE.parent, sys.prefix))
