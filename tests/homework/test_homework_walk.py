"""docs/homework_walk.md: a real grading of the file it speaks of, held against what it says, in its order."""

import json
import re
from pathlib import Path

import pytest
from homework.followed import followed

from tinymaskrcnn import cli
from tinymaskrcnn.homework.blanks import PACKAGE, all_blanks
from tinymaskrcnn.homework.exercises import find_exercise, load_all

PAGE = (Path(__file__).parents[2] / "docs" / "homework_walk.md").read_text(encoding="utf-8")
STEPS = [  # what stands under a heading runs in one process
    ("student's" if "Ada's code runs" in section.splitlines()[0] else "ours", *step)
    for section in PAGE.split("\n## ")
    for step in re.findall(r"^\| `(\w+\.py)` `([\w.]+)` \| \S", section, re.MULTILINE)
]
MESSAGES = re.findall(r"^\| (once|then|for every case) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
RIGHT, WRONG = "dy.sum(axis=0)", "dy.mean(axis=0)"


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """What was Followed, the record of Ada, and her page: one exercise, handed out, filled in and graded."""
    folder, exercise = tmp_path_factory.mktemp("walk"), find_exercise("hw01.linear_backward")
    path = folder / "class" / "ada" / "hw01.py"
    solution = "\n".join(exercise.blank.solution)
    assert WRONG in PAGE and solution.count(RIGHT) == 1
    all_blanks.cache_clear()  # somebody may have read them before
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(load_all()["hw01"], "EXERCISES", (exercise,))
        with followed(monkeypatch, folder) as found:
            assert cli.main(["homework", "release", "hw01", "--out", str(path.parent)]) == 0
            (hole,) = re.findall(r"^ *raise NotImplementedError.*$", path.read_text(), re.MULTILINE)
            path.write_text(path.read_text().replace(hole, solution.replace(RIGHT, WRONG)))
            out = folder / "out"
            assert cli.main(["homework", "grade", str(folder / "class"), "--out", str(out), "--seed", "1"]) == 0
    (record,) = json.loads((out / "grades.json").read_text())["submissions"]
    return found, record, (out / "feedback" / "ada_hw01.html").read_text()


def test_the_functions_run_in_the_order_of_the_page(graded):
    calls = graded[0].calls
    absent = [step for step in STEPS if step not in calls]
    assert not absent and len(STEPS) >= 30
    assert STEPS == sorted(STEPS, key=calls.index)


def test_every_file_of_the_folder_is_on_the_page(graded):
    """Those that ran, and those that did not."""
    named = set(re.findall(r"`(\w+\.py)`", PAGE)) - {"hw01.py"}
    files = {path.name for path in (PACKAGE / "homework").glob("*.py")} - {"__init__.py"}
    assert named == files and "`exercises/`" in PAGE
    ran = {file for _, file, _ in graded[0].calls}
    assert {file for file in ran if "/" not in file} - {"__init__.py"} <= named


def test_what_goes_over_the_boundary_is_what_the_page_says(graded):
    asked_and_answered = [[set(re.findall(r"`(\w+)`", cell)) for cell in cells] for _, *cells in MESSAGES]
    once, then, *cases = graded[0].messages
    assert [once, then] == asked_and_answered[:2]
    assert len(cases) >= 10 and all(case == asked_and_answered[2] for case in cases)


def test_what_ada_reads(graded):
    _, record, page = graded
    (exercise,) = record["exercises"]
    shown = re.search(r"```text\n(.+?)\n```", PAGE, re.DOTALL)[1]
    assert shown.replace("\n   their", " their") == "\n".join(exercise["explanation"])
    assert exercise["verdict"] == "wrong" and exercise["diagnosis"] in page and WRONG in page
