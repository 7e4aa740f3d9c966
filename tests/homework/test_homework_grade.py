"""Grading a class: whatever a file does, it gets its own verdict, and the run goes on."""

import csv
import json
import os
import signal
import time

import pytest
from homework.classroom import build_class

from tinymaskrcnn.homework.grade import _grade_all, grade, grade_one, grades_csv, summary
from tinymaskrcnn.homework.submissions import Submission, collect


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """(what was expected, the records, the folder with the results) of a class of thirty."""
    folder = tmp_path_factory.mktemp("class")
    expected = build_class(folder / "submissions")
    records = grade(folder / "submissions", out=folder / "graded", homework="hw01", seed=2026, seconds=4)["submissions"]
    return expected, {record["student"]: record for record in records}, folder / "graded"


def test_all_submissions_get_the_right_verdicts(graded):
    expected, records, _ = graded
    assert len(expected) == len(records) == 31
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
    report = json.loads((out / "grades.json").read_text())
    assert report["submissions"] == [records[s] for s in sorted(records)] and report["seed"] == 2026
    (line,) = report["summary"]
    assert line.startswith("30 submissions, mean ") and "; nothing handed in: 1; look at by hand: 8 tampered; " in line
    assert len(list((out / "feedback").iterdir())) == len(expected)


def test_feedback_shows_the_mistake_and_a_picture_and_asks_for_nothing(graded):
    _, records, out = graded
    page = (out / "feedback" / "wrong-0_hw01.html").read_text()
    entry = next(e for e in records["wrong-0"]["exercises"] if e["diagnosis"])
    assert entry["id"] in page and "data:image/png;base64," in page
    assert "http://" not in page and "https://" not in page and "<script" not in page


@pytest.mark.parametrize(
    "student, words",
    [
        ("peeks", "linear_backward` is the package's solution and has no place in homework"),
        ("patches", "changing `np.abs`, which belongs to another module, has no place in homework"),
        ("reads", "`open` has no place in homework"),
    ],
)
def test_what_is_tampered_with_is_shown(graded, student, words):
    _, records, _ = graded
    said, line = records[student]["exercises"][0]["explanation"]
    assert said.endswith(words)
    assert {"peeks": "import linear_backward as f", "patches": "np.abs = lambda", "reads": "open('/etc"}[
        student
    ] in line


def test_the_solution_is_on_no_page(graded):
    _, _, out = graded
    for page in (out / "feedback").iterdir():
        assert "x.T @ dy\n" not in page.read_text()


def test_names_cannot_become_markup_or_formulas(tmp_path):
    (tmp_path / "in" / "<b>bold").mkdir(parents=True)
    (tmp_path / "in" / "=1+1").mkdir()
    records = grade(tmp_path / "in", out=tmp_path / "out", homework="hw01", processes=1)["submissions"]
    assert "'=1+1" in grades_csv(records)
    page = next(p for p in (tmp_path / "out" / "feedback").iterdir() if "bold" in p.name).read_text()
    assert "<b>" not in page and "&lt;b&gt;bold" in page


def hand_in(folder, **files):
    for name, text in files.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "hw01.py").write_text(text)


def test_what_only_points_to_another_s_work_is_not_graded(tmp_path):
    folder = tmp_path / "in"
    hand_in(folder, bob="")
    (folder / "eve").mkdir()
    (folder / "eve" / "hw01.py").symlink_to("../bob/hw01.py")
    (folder / "mallory").symlink_to("bob")
    (folder / "trent_hw01.py").symlink_to("bob/hw01.py")
    assert {s.student: s.linked for s in collect(folder).submissions} == {
        "bob": False,
        "eve": True,
        "mallory": True,
        "trent": True,
    }
    record = grade_one(collect(folder).submissions[1], out=tmp_path / "out", pictures=False)
    assert (record["verdict"], record["points"]) == ("crashed", 0) and "is a link" in record["note"]


def test_names_of_every_kind_do_not_end_the_run(tmp_path):
    folder = tmp_path / "in"
    names = [os.fsdecode(b"fran\xe7ois"), "ł" * 120, "żółć 日本"]
    for name in names:
        (folder / name).mkdir(parents=True)
    records = grade(folder, out=folder / "graded", homework="hw01", processes=1)["submissions"]
    assert {r["student"]: r["verdict"] for r in records} == {
        "fran\\xe7ois": "nothing handed in",
        **dict.fromkeys(names[1:], "nothing handed in"),
    }
    assert "fran\\xe7ois" in (folder / "graded" / "grades.csv").read_text()
    assert len(list((folder / "graded" / "feedback").iterdir())) == 3


def falls(submission, options):
    """Stands in for grading one: a student's name says what becomes of the process."""
    if submission.student == "falls":
        time.sleep(0.2)
        os._exit(9)
    if submission.student == "interrupts":
        os.kill(os.getppid(), signal.SIGINT)
    if submission.student == "works":
        time.sleep(0.5)
    return {"student": submission.student}


def submission(name):
    return Submission(name, "hw01", None)


def test_who_brings_the_process_down_takes_nobody_along(monkeypatch):
    monkeypatch.setattr("tinymaskrcnn.homework.grade._in_pool", falls)
    class_ = [submission(name) for name in ("a", "falls", "b", "c", "d")]
    records = {s.student: record for s, record in _grade_all(class_, 2, {})}
    assert sorted(records) == ["a", "b", "c", "d", "falls"]
    assert records["falls"]["verdict"].startswith("not graded")
    assert all(records[name] == {"student": name} for name in "abcd")


def test_an_interruption_ends_the_run_soon(monkeypatch):
    monkeypatch.setattr("tinymaskrcnn.homework.grade._in_pool", falls)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(_grade_all([submission("interrupts"), *[submission("works")] * 60], 1, {}))
    assert time.monotonic() - began < 25


def in_short(student, verdict, points, homework="hw01", **words):
    entries = [{"id": f"{homework}.{name}", "verdict": word} for name, word in words.items()]
    record = {"student": student, "homework": homework, "verdict": verdict, "points": points, "of": 10}
    return record | {"exercises": entries}


def test_a_class_in_short():
    records = [
        in_short("ann", "right", 10, a="right", b="right", c="right"),
        in_short("bob", "partly right", 3, a="right", b="wrong", c="empty"),
        in_short("carl", "wrong", 0, a="wrong", b="crashed", c="empty"),
        in_short("dora", "tampered", 0, a="tampered", b="tampered", c="tampered"),
        in_short("eve", "not graded: look at it by hand", 0),
        *[in_short(name, "crashed", 0, a="crashed", b="crashed", c="crashed") for name in "xyz"],
        in_short("fred", "nothing handed in", 0),
    ]
    line = "8 submissions, mean 1.6 of 10; nothing handed in: 1; look at by hand: 1 tampered, 1 not graded"
    assert summary(records) == [line + "; most often wrong: hw01.b"]
    assert summary([*records[:1], in_short("ann", "nothing handed in", 0, "hw02")]) == [
        "hw01: 1 submission, mean 10 of 10",
        "hw02: 0 submissions; nothing handed in: 1",
    ]
