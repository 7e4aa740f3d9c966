"""Visits: a bug is in its own process and nowhere else; a student's file is limited, its troubles are told."""

import functools

import numpy as np
import pytest

from tinymaskrcnn.errors import BackendError
from tinymaskrcnn.museum import visit as visiting
from tinymaskrcnn.museum import worker
from tinymaskrcnn.museum.exhibits import EXHIBITS
from tinymaskrcnn.museum.visit import Program, visit, visits
from tinymaskrcnn.ops import boxes


def program(text, **limits):
    return Program("/somewhere/my_check.py", text, **limits)


MINE = """
import numpy as np

def check(package):
    a = np.array([[0.0, 0, 4, 2]])
    assert package.ops.boxes.iou_matrix(a, a)[0, 0] == 1, "a box and itself"

def check_crops(package):
    place = {"image_index": np.zeros(1, int), "output_size": 2, "scale": 1.0}
    package.ops.roi_align.roi_align_forward(np.ones((1, 4, 4, 1)), np.array([[0.0, 0, 2, 3]]), **place)

def check_files(package):
    open("/tmp/museum_was_here", "w")

def helper(package):
    raise ValueError
"""


def test_a_bug_is_seen_there_and_not_here():
    reply = visit(EXHIBITS["plus-one"], checks=["boxes-by-hand", "anchors-by-hand"], views=["iou"])
    assert reply["checks"]["boxes-by-hand"]["found"] and not reply["checks"]["anchors-by-hand"]["found"]
    assert "IoU of 4 x 2 boxes" in reply["checks"]["boxes-by-hand"]["said"]
    assert reply["views"]["iou"]["values"]["IoU"][0] < 0.6 and reply["gradients"] == {}
    assert boxes.iou_matrix(np.array([[0.0, 0, 3, 5]]), np.array([[0.0, 0, 3, 5]]))[0, 0] == 1


def test_a_students_checks_run_within_limits():
    replies = visits([EXHIBITS["plus-one"]], checks=None, program=program(MINE), processes=2)
    clean, bug = (replies[name]["checks"] for name in ("", "plus-one"))
    assert list(clean) == ["check", "check_crops", "check_files"]
    assert not clean["check"]["found"] and not clean["check_crops"]["found"]
    assert bug["check"]["said"] == "a box and itself (line 6)"
    said = "PermissionError: open 'museum_was_here' is not allowed here (line 13)"
    assert clean["check_files"]["said"] == bug["check_files"]["said"] == said


def test_a_file_that_cannot_be_asked_is_asked_once():
    told = []
    replies = visits(EXHIBITS.values(), program=program("def check(p:"), told=lambda names: told.extend(names) or names)
    assert list(replies) == [""] and "SyntaxError" in replies[""]["trouble"]


def test_a_loop_without_end_is_ended():
    endless = "def check(package):\n    while True:\n        pass"
    trouble = visit(program=program(endless, seconds=0.2))["trouble"]
    assert trouble == "not done after 0.2 seconds of computing"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def chek(package): pass", "defines no function check"),
        ("def check(package:", "SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module' (line 1)"),
        ("raise SystemExit(3)", "SystemExit: 3 (line 1)"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(text, words):
    found, trouble = worker.student_checks("my_check.py", text)
    assert not found and words in trouble


def test_a_view_that_fails_is_a_symptom_too(monkeypatch):
    from tinymaskrcnn.museum.views import VIEWS

    monkeypatch.setitem(VIEWS, "crop", lambda package: 1 / 0)
    request = {"views": ["crop"], "gradients": False, "checks": [], "seconds": 0}
    told = worker.answer(None, request)["views"]["crop"]
    assert told == {"trouble": "ZeroDivisionError: division by zero"}


def test_where_no_process_starts_or_ours_breaks_it_says_so(monkeypatch):
    monkeypatch.setattr(visiting, "BOOT", "import sys; sys.exit('broken')")
    with pytest.raises(BackendError, match="ended with 1: broken"):
        visit()
    assert "ended with 1" in visit(program=program("def check(p): pass"))["trouble"]
    monkeypatch.setattr(visiting, "BOOT", "import time; time.sleep(60)")
    monkeypatch.setattr(visiting, "PATIENCE", 0.2)
    assert "no answer within 0.2 seconds" in visit()["trouble"]
    monkeypatch.setattr(visiting, "can_start_processes", lambda: False)
    with pytest.raises(BackendError, match="none can be started here"):
        visit()


def test_all_are_visited_in_their_order_however_many_at_a_time(monkeypatch):
    asked = []
    monkeypatch.setattr(visiting, "visit", lambda exhibit, **wanted: asked.append(exhibit) or (exhibit, wanted))
    two = [EXHIBITS["plus-one"], EXHIBITS["other-ranks"]]
    for run in (functools.partial(visits, processes=1), functools.partial(visits, processes=2)):
        replies = run(two, views=["iou"])
        assert list(replies.items()) == [
            (name, (e, {"views": ["iou"]})) for name, e in zip(["", "plus-one", "other-ranks"], [None, *two])
        ]
    assert len(asked) == 6
