"""The page a student gets back."""

import base64

from homework.bodies import fill
from homework.mutants import hw01

from tinymaskrcnn.homework.feedback import feedback_page, picture_of
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
    page = feedback_page(record | {"exercises": [entry]}, {"hw01.linear_backward": b"\x89PNG"})
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
