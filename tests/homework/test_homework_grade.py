"""Grading a class: whatever a file does, it gets its own verdict, and the run goes on."""

import csv
import json
import os
import signal
import time

import pytest
from homework.bodies import fill
from homework.classroom import build_class
from homework.mutants import hw01

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.homework import grade as grading
from tinymaskrcnn.homework.grade import _at_once, _grade_all, grade, grade_one
from tinymaskrcnn.homework.submissions import Submission, collect


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """(what was expected, the records, the folder with the results) of a class of thirty."""
    folder = tmp_path_factory.mktemp("class")
    expected = build_class(folder / "submissions", beside=2)
    records = grade(folder / "submissions", out=folder / "graded", homework="hw01", seed=2026, seconds=2)["submissions"]
    return expected, {record["student"]: record for record in records}, folder / "graded"


def test_all_submissions_get_the_right_verdicts(graded):
    expected, records, _ = graded
    assert len(expected) == len(records) == 29
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
    assert records["loops"]["points"] == sum(entry["of"] for entry in records["loops"]["exercises"][1:3])


def test_files_say_what_the_records_say(graded):
    expected, records, out = graded
    rows = list(csv.DictReader((out / "grades.csv").open(encoding="utf-8-sig")))
    assert [row["student"] for row in rows] == sorted(expected)
    assert all(float(row["points"]) == records[row["student"]]["points"] for row in rows)
    report = json.loads((out / "grades.json").read_text())
    assert report["submissions"] == [records[s] for s in sorted(records)] and report["seed"] == 2026
    (line,) = report["summary"]
    assert line.startswith("28 submissions, mean ")
    assert "; nothing handed in: 1; look at by hand: 8 tampered, 3 too slow; " in line
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
    grade(tmp_path / "in", out=tmp_path / "out", homework="hw01", processes=1)
    assert "'=1+1" in (tmp_path / "out" / "grades.csv").read_text(encoding="utf-8-sig")
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


def test_an_interruption_ends_the_run_soon(monkeypatch, python_ctrl_c):
    monkeypatch.setattr("tinymaskrcnn.homework.grade._in_pool", falls)

    def seconds():
        """How long an interrupted run took; None when Python lost the signal, as it does while it collects garbage."""
        began = time.monotonic()
        try:
            list(_grade_all([submission("interrupts"), *[submission("works")] * 60], 1, {}))
        except KeyboardInterrupt:
            return time.monotonic() - began

    taken = seconds() or seconds()
    assert taken is not None and taken < 25


@pytest.fixture
def in_this_process(monkeypatch):
    """What becomes of processes that grade has tests of its own."""

    def here(submissions, processes, options):
        for one in submissions:
            yield one, grading._graded(one, **options)

    monkeypatch.setattr(grading, "_grade_all", here)


def hand_in_flat(folder, **texts):
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}_hw01.py").write_text(text)
    return folder


def nothing_handed_in(folder):
    (folder / "a").mkdir(parents=True)
    return folder


RIGHT = fill("hw01", hw01.RIGHT)


def test_the_same_bytes_get_the_same_points_and_are_judged_once(tmp_path, monkeypatch):
    judged = []

    def once(submissions, processes, options):
        judged.extend(submissions)
        for s in submissions:
            yield s, grading._graded(s, **options)

    monkeypatch.setattr(grading, "_grade_all", once)
    folder = hand_in_flat(tmp_path / "in", **{name: RIGHT for name in "abcd"}, e=RIGHT.replace("\n", "\n\n", 1))
    report = grade(folder, out=tmp_path / "out", homework="hw01")
    assert [s.student for s in judged] == ["a", "e"]
    assert {r["student"]: r["points"] for r in report["submissions"]} == dict.fromkeys("abcde", 17)
    assert report["remarks"] == ["the same file, graded once: a, b, c, d"]
    pages = {p.name: p.read_text() for p in (tmp_path / "out" / "feedback").iterdir()}
    assert len(pages) == 5 and "<h1>c</h1>" in pages["c_hw01.html"]
    assert all(isinstance(value, (str, int, float, list)) for r in report["submissions"] for value in r.values())


def test_who_only_waited_is_graded_again_alone(monkeypatch):
    monkeypatch.setattr("tinymaskrcnn.homework.grade._in_pool", waits)
    records = dict(_grade_all([submission(name) for name in ("a", "waits", "b")], 1, {}))
    assert records[submission("waits")]["pid"] != records[submission("a")]["pid"]
    assert list(records)[-1] == submission("waits")


def waits(submission, options):
    """Stands in for grading one: it does not answer as long as others are graded by the same process."""
    return {"student": submission.student, "again": submission.student == "waits", "pid": os.getpid()}


def test_no_more_processes_than_cores(monkeypatch):
    monkeypatch.setattr(grading, "available_cores", lambda: 1)
    told = []
    assert _at_once(16, 30, told.append) == 1
    assert told == ["16 processes were asked for; 1 core can be used: 1 at a time"]
    monkeypatch.setattr(grading, "available_cores", lambda: 8)
    assert (_at_once(None, 30, print), _at_once(3, 30, print), _at_once(None, 2, print)) == (8, 3, 2)


def test_results_of_before_are_kept(tmp_path, in_this_process):
    folder, out, told = nothing_handed_in(tmp_path / "in"), tmp_path / "out", []
    grade(folder, out=out, homework="hw01", tell=told.append)
    assert told == []
    first = (out / "grades.csv").read_bytes()
    assert b"nothing handed in" in first
    (out / "grades.csv").write_bytes(first.replace(b"nothing handed in", b"right"))
    grade(folder, out=out, homework="hw01", tell=told.append)
    assert told == [
        f"the results that were in {out} are kept in {out}/earlier-1; grades.csv was changed since by hand: carry over "
        "what should stay"
    ]
    assert (out / "earlier-1" / "grades.csv").read_bytes() == first.replace(b"nothing handed in", b"right")
    assert {p.name for p in (out / "earlier-1").iterdir()} == {"grades.csv", "grades.json", "feedback"}
    grade(folder, out=out, homework="hw01", tell=told.append)
    assert told[1] == f"the results that were in {out} are kept in {out}/earlier-2"


def test_an_interruption_leaves_what_is_known(tmp_path, monkeypatch):
    def interrupted(submissions, processes, options):
        yield submissions[0], grading._graded(submissions[0], **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(grading, "_grade_all", interrupted)
    folder, told = hand_in_flat(tmp_path / "in", a=RIGHT, b=""), []
    with pytest.raises(KeyboardInterrupt):
        grade(folder, out=tmp_path / "out", homework="hw01", tell=told.append)
    rows = list(csv.DictReader((tmp_path / "out" / "grades.csv").open(encoding="utf-8-sig")))
    assert [(row["student"], row["verdict"], row["points"]) for row in rows] == [
        ("a", "right", "17"),
        ("b", "not graded: interrupted", "0"),
    ]
    assert told[0].startswith("interrupted: 1 of 2 are graded")


@pytest.mark.parametrize(
    "options, words",
    [
        ({"seed": -5}, "--seed must be a whole number, 0 or more; got -5"),
        ({"seconds": 0.0}, "--seconds must be a time above 0; got 0"),
        ({"seconds": float("nan")}, "--seconds must be a time above 0; got nan"),
        ({"memory": 0}, "--memory must be at least 64 MB"),
        ({"processes": 0}, "--processes must be at least 1; got 0"),
        ({"homework": "hw99"}, "there is no homework 'hw99'; known are hw01"),
        ({"out": "in"}, "--out must be a folder of its own"),
        ({"out": "."}, "--out must be a folder of its own"),
    ],
)
def test_what_means_nothing_is_refused_before_anything_is_written(tmp_path, options, words):
    folder = hand_in_flat(tmp_path / "in", a=RIGHT)
    options = {"homework": "hw01", **options, "out": tmp_path / options.get("out", "out")}
    with pytest.raises(ArgumentError, match=words):
        grade(folder, **options)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a_hw01.py", "in"]


def test_a_full_disk_loses_no_grades(tmp_path, monkeypatch, in_this_process):
    write = grading.write_file

    def full(path, contents):
        if path.name == "grades.csv":
            raise OSError(28, "No space left on device", str(path))
        return write(path, contents)

    monkeypatch.setattr(grading, "write_file", full)
    report = grade(nothing_handed_in(tmp_path / "in"), out=tmp_path / "out", homework="hw01")
    assert report["unwritten"].endswith("grades.csv: No space left on device") and len(report["submissions"]) == 1


def test_a_file_that_cannot_be_read_is_not_blamed_on_its_author(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(grading, "read_program", refused)
    record = grade_one(Submission("a", "hw01", tmp_path / "hw01.py"), out=tmp_path / "out")
    assert record["verdict"].startswith("not graded") and record["note"] == "hw01.py: Permission denied"


def test_a_notebook_under_the_name_of_a_program_is_told_in_the_note(tmp_path):
    (tmp_path / "hw01.py").write_text('{"cells": [], "nbformat": 4}')
    record = grade_one(Submission("a", "hw01", tmp_path / "hw01.py"), out=tmp_path / "out")
    assert record["points"] == 0 and record["note"].startswith("hw01.py: this is a notebook's own file; hand it in")
