"""A student's file in this process: the same verdicts as from a process of its own."""

import sys

import numpy as np
import pytest
from homework.bodies import fill
from homework.mutants import hw01

from tinymaskrcnn import backend
from tinymaskrcnn.errors import BackendError
from tinymaskrcnn.homework import local
from tinymaskrcnn.homework.check import check_file, explanation, headline
from tinymaskrcnn.homework.exercise import Call
from tinymaskrcnn.homework.exercises import find_exercise
from tinymaskrcnn.homework.remarks import sentences
from tinymaskrcnn.ops import linear

EXERCISE = find_exercise("hw01.linear_backward")
CALL = Call((np.ones((2, 3)), (np.ones((2, 2)), np.ones((2, 3)))))
RIGHT = "x, weight = cache\nreturn dy @ weight.T, x.T @ dy, dy.sum(axis=0)"


def told(path, **options):
    """All that is said of a file."""
    verdicts = list(check_file(path, **options))
    return [[headline(v), v.points, *explanation(v)] for v in verdicts], sentences(verdicts)


FILES = {  # what a file may be, in text that replaces or follows the released one
    "right": ({"hw01.linear_backward": RIGHT}, ""),
    "a mistake with a name": ({"hw01.linear_backward": RIGHT.replace("sum", "mean")}, ""),
    "an exception": ({"hw01.linear_backward": "print('here')\nreturn nothing"}, ""),
    "writes into what it was given": ({"hw01.linear_backward": "dy *= 2\n" + RIGHT}, ""),
    "another number of things": ({"hw01.linear_backward": "return [dy, dy]"}, ""),
    "what cannot travel": ({"hw01.linear_backward": "return object(), {1}, dy"}, ""),
    "empty": ({}, ""),
    "missing": ({}, "\ndel linear_backward\n"),
    "a line that fails": ({"hw01.linear_backward": RIGHT}, "\nprint(1 / 0)\n"),
    "no Python": ({}, "\ndef\n"),
    "the package's own": (
        {"hw01.linear_backward": "return theirs(dy, cache)"},
        "\nfrom tinymaskrcnn.ops.linear import linear_backward as theirs\n",
    ),
    "a module that is not there": ({"hw01.linear_backward": RIGHT}, "\nimport subprocess\nsubprocess.run(['ls'])\n"),
}


@pytest.mark.in_turn
@pytest.mark.parametrize("name", FILES)
def test_the_same_is_said_as_by_a_process_of_its_own(name, tmp_path, monkeypatch):
    bodies, after = FILES[name]
    path = tmp_path / "hw01.py"
    path.write_text(fill("hw01", bodies) + after)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "emscripten")
        here = told(path, only=["linear_backward"])
    assert here == told(path, only=["linear_backward"])
    assert linear.linear_backward.__module__ == "tinymaskrcnn.ops.linear"  # nothing stays laid over or put away


@pytest.mark.long
@pytest.mark.parametrize("mutant", hw01.MUTANTS["hw01.linear_backward"], ids=lambda mutant: mutant.name)
def test_mistakes_have_the_same_names(mutant, tmp_path, monkeypatch):
    path = tmp_path / "hw01.py"
    path.write_text(fill("hw01", {"hw01.linear_backward": mutant.body}))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "emscripten")
        here = told(path, only=["linear_backward"])
    assert here == told(path, only=["linear_backward"])


def test_the_package_answers_by_its_texts_meanwhile(tmp_path, monkeypatch):
    seen, reply = [], local.reply
    monkeypatch.setattr(local, "reply", lambda *asked: seen.append(backend._KERNELS_ENABLED) or reply(*asked))
    path = tmp_path / "hw01.py"
    path.write_text(fill("hw01", {EXERCISE.id: RIGHT}))
    with local.LocalStudent(path) as student:
        assert student.take(EXERCISE) is None
        answer = student.answer(CALL)
    assert answer.trouble is None and answer.output[2].tolist() == [2, 2, 2]
    assert seen == [False, False] and backend._KERNELS_ENABLED


def test_grading_needs_processes(tmp_path, monkeypatch):
    path = tmp_path / "hw01.py"
    path.write_text(fill("hw01", {}))
    monkeypatch.setattr(sys, "platform", "emscripten")
    with pytest.raises(BackendError, match="homework is graded in processes, and none can be started here"):
        list(check_file(path, strict=True))
