"""Grading a class: whatever a file does, it gets its own verdict, and the run goes on."""

import csv
import json

import pytest
from homework.classroom import build_class

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.homework.grade import find_submissions, grade, grades_csv


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """(what was expected, the records, the folder with the results) of a class of thirty."""
    folder = tmp_path_factory.mktemp("class")
    expected = build_class(folder / "submissions")
    records = grade(folder / "submissions", out=folder / "graded", homework="hw01", seed=2026, seconds=4)
    return expected, {record["student"]: record for record in records}, folder / "graded"


def test_thirty_submissions_get_the_right_verdicts(graded):
    expected, records, _ = graded
    assert len(expected) == len(records) == 30
    for student, (whole, words) in expected.items():
        record = records[student]
        if whole is not None:
            assert record["verdict"] == whole, (student, record)
        for entry in record["exercises"]:
            wanted = words[entry["id"]]
            assert entry["verdict"] in ((wanted,) if isinstance(wanted, str) else wanted), (student, entry)
        assert len(record["exercises"]) == len(words), student


def test_points_follow_the_verdicts(graded):
    _, records, _ = graded
    full = records["right-0"]["of"]
    assert records["right-0"]["points"] == full > 0
    for student in ("empty-0", "empty-1", "absent", "kills", "peeks", "syntax", "binary", "top-loop"):
        assert records[student]["points"] == 0, student
    assert 0 <= records["wrong-0"]["points"] <= full / 2
    assert records["loops"]["points"] == full - records["loops"]["exercises"][0]["of"]


def test_files_say_what_the_records_say(graded):
    expected, records, out = graded
    rows = list(csv.DictReader((out / "grades.csv").open()))
    assert [row["student"] for row in rows] == sorted(expected)
    assert all(float(row["points"]) == records[row["student"]]["points"] for row in rows)
    assert json.loads((out / "grades.json").read_text())["submissions"] == [records[s] for s in sorted(records)]
    assert len(list((out / "feedback").iterdir())) == 30


def test_feedback_shows_the_mistake_and_a_picture_and_asks_for_nothing(graded):
    _, records, out = graded
    page = (out / "feedback" / "wrong-0_hw01.html").read_text()
    entry = next(e for e in records["wrong-0"]["exercises"] if e["diagnosis"])
    assert entry["id"] in page and "data:image/png;base64," in page
    assert "http://" not in page and "https://" not in page and "<script" not in page


def test_the_solution_is_on_no_page(graded):
    _, _, out = graded
    for page in (out / "feedback").iterdir():
        assert "x.T @ dy\n" not in page.read_text()


def test_names_cannot_become_markup_or_formulas(tmp_path):
    (tmp_path / "in" / "<b>bold").mkdir(parents=True)
    (tmp_path / "in" / "=1+1").mkdir()
    records = grade(tmp_path / "in", out=tmp_path / "out", homework="hw01", processes=1)
    assert "'=1+1" in grades_csv(records)
    page = next(p for p in (tmp_path / "out" / "feedback").iterdir() if "bold" in p.name).read_text()
    assert "<b>" not in page and "&lt;b&gt;bold" in page


def test_flat_files_and_folders_are_found(tmp_path):
    (tmp_path / "bob").mkdir()
    for name in ("bob/hw01.py", "alice_hw01.py", "hw01-carol.py", "notes.py"):
        (tmp_path / name).write_text("")
    assert [s.student for s in find_submissions(tmp_path)] == ["alice", "bob", "carol"]


def test_a_folder_without_submissions_is_an_error(tmp_path):
    with pytest.raises(ArgumentError, match="holds no submissions"):
        find_submissions(tmp_path)
    with pytest.raises(ArgumentError, match="is none"):
        find_submissions(tmp_path / "nowhere")
