"""The homework on the command line."""

import importlib
import os
import subprocess
import sys
import types

import pytest
from homework.bodies import fill
from homework.mutants import hw01

from tinymaskrcnn import cli
from tinymaskrcnn.homework.exercises import exercises_of
from tinymaskrcnn.homework.judge import Result, Verdict

FIRST = "hw01.linear_backward"


def run(*words):
    return cli.main(["homework", *map(str, words)])


def test_list_names_every_exercise(capsys):
    assert run("list") == 0
    out = capsys.readouterr().out
    assert "hw01  pairs and gradients" in out and FIRST in out


def test_release_check_and_never_over_a_file(tmp_path, capsys):
    assert run("release", "hw01", "--out", tmp_path) == 0
    path = tmp_path / "hw01.py"
    words = f"fill in its blanks, and check them:  tinymaskrcnn homework check {path}"
    assert capsys.readouterr().out == f"wrote {path}\n{words}\n"
    assert run("release", "hw01", "--out", tmp_path) == 2
    assert "is there already" in capsys.readouterr().err
    assert run("check", path) == 1
    assert "0 of 7 right, 0 of 17 points" in capsys.readouterr().out


def test_a_wrong_one_gets_a_picture_that_goes_away_when_it_is_right(tmp_path, capsys):
    path, picture = tmp_path / "hw01.py", tmp_path / "hw01_pictures" / f"{FIRST}.png"
    path.write_text(fill("hw01", {FIRST: hw01.MUTANTS[FIRST][0].body}))
    assert run("check", path, "--only", FIRST) == 1
    assert f"picture: {picture}" in capsys.readouterr().out and picture.read_bytes()[:4] == b"\x89PNG"
    path.write_text(fill("hw01", {FIRST: hw01.RIGHT[FIRST]}))
    assert run("check", path, "--only", FIRST) == 0
    out = capsys.readouterr().out
    assert "1 of 1 right" in out and "next: hw01.linear_layer_backward" in out and not picture.parent.exists()


def test_a_check_warns_of_what_grading_does_not_allow(tmp_path, capsys):
    path = tmp_path / "hw01.py"
    path.write_text("import os\nend = os._exit\n" + fill("hw01", {FIRST: hw01.RIGHT[FIRST]}))
    assert run("check", path, "--only", FIRST, "--no-pictures") == 0
    out = capsys.readouterr().out
    assert "note: line 2: `os._exit` is not needed here; a file that holds it gets no points at all" in out


def test_grade_prints_a_line_a_student(tmp_path, capsys):
    (tmp_path / "in" / "ann").mkdir(parents=True)
    (tmp_path / "in" / "bob").mkdir()
    (tmp_path / "in" / "ann" / "HW01.PY").write_text(fill("hw01", hw01.RIGHT))
    (tmp_path / "in" / "bob" / "homework1.py").write_text("")
    assert run("grade", tmp_path / "in", "--homework", "hw01", "--out", tmp_path / "out", "--processes", 1) == 0
    out, err = capsys.readouterr()
    assert "note: seed 0, which students can guess; give --seed\n" in err
    lines = out.splitlines()
    assert lines[-1] == "1 submission, mean 17 of 17; nothing handed in: 1"
    assert lines[0].startswith("ann  hw01") and lines[0].endswith("right")
    assert lines[1].startswith("bob  hw01") and lines[1].endswith("nothing handed in")
    assert lines[2] == "not graded, because the name does not say hw01: bob/homework1.py"
    assert "no hw01.py; found homework1.py" in (tmp_path / "out" / "feedback" / "bob_hw01.html").read_text()
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"grades.csv", "grades.json", "feedback"}


@pytest.mark.parametrize("words", [("check", "nowhere/hw01.py"), ("check", "hw77.py"), ("grade", "nowhere")])
def test_what_is_not_there_is_one_line(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_nbgrader_is_offered(tmp_path, capsys):
    assert run("release", "hw01", "--nbgrader", "--out", tmp_path) == 0
    path = tmp_path / "source" / "hw01" / "hw01.ipynb"
    out, err = capsys.readouterr()
    assert "seed=0, hidden=True" in path.read_text() and "note: seed 0" in err
    assert out == f"wrote {path}: an assignment with solutions for nbgrader, not for students\n"
    path.unlink()
    assert run("release", "hw01", "--nbgrader", "--out", tmp_path, "--seed", 31) == 0
    assert "seed=31, hidden=True" in path.read_text() and capsys.readouterr().err == ""


def test_what_is_wrong_with_the_whole_file_is_said_once(tmp_path, capsys):
    path = tmp_path / "hw01.py"
    path.write_text("def f(:\n")
    assert run("check", path) == 1
    out = capsys.readouterr().out
    assert out.startswith("the file cannot be run") and out.count("SyntaxError") == out.count("line 1: def f(:") == 1
    assert out.count("crashed") == 7 and "next:" not in out


def test_a_file_of_another_homework_is_recognised(tmp_path, capsys):
    path = tmp_path / "hw02.py"
    path.write_text(fill("hw01", {}))
    assert run("check", path, "--only", "conv2d_forward", "max_pool2d_backward") == 1
    out = capsys.readouterr().out
    assert "hint: this looks like hw01: the file's name says which homework it is" in out


@pytest.mark.parametrize("homework, words", [("hw01", "next: lesson 02, and then hw02"), ("hw04", "the last homework")])
def test_after_all_is_right_comes_the_next_homework(homework, words, tmp_path, capsys):
    path = tmp_path / f"{homework}.py"
    path.write_text(fill(homework, importlib.import_module(f"homework.mutants.{homework}").RIGHT))
    assert run("check", path) == 0
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    "called, words",
    [
        (["python3", "-m", "tinymaskrcnn", "homework"], "python3 -m tinymaskrcnn homework check"),
        (["python3", "/env/bin/tinymaskrcnn", "homework"], "/env/bin/tinymaskrcnn homework check"),
    ],
)
def test_the_next_command_is_written_as_this_one_was(called, words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", called)
    monkeypatch.setattr(sys, "argv", called[1:])
    assert run("release", "hw01", "--out", tmp_path) == 0
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("body, status", [("return None", 1), (hw01.RIGHT[FIRST], 0)])
def test_a_check_that_nobody_reads_ends_as_it_would(body, status, tmp_path):
    path = tmp_path / "hw01.py"
    path.write_text(fill("hw01", {FIRST: body}))
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "tinymaskrcnn", "homework", "check", str(path), "--only", FIRST]
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (status, "")


@pytest.mark.parametrize("place", ["a file", "a folder"])
def test_without_a_place_for_pictures_the_words_stand(place, tmp_path, capsys, monkeypatch):
    path, pictures = tmp_path / "hw01.py", tmp_path / "pictures"
    bodies = {i: hw01.MUTANTS[i][0].body for i in (FIRST, "hw01.softmax_forward")}
    path.write_text(fill("hw01", bodies))
    if place == "a file":
        pictures.write_text("")
    else:  # that may not be written into: whoever runs the tests may write everywhere

        def refused(path, contents):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("tinymaskrcnn.homework.files.write_file", refused)
    assert run("check", path, "--only", *bodies, "--pictures", pictures) == 1
    out = capsys.readouterr().out
    assert out.count("note: no pictures: ") == 1 and "0 of 2 right" in out and "hw01.softmax_forward" in out


@pytest.mark.parametrize(
    "words, said",
    [
        (("grade", "in", "--seed", -5), "--seed must be a whole number, 0 or more; got -5"),
        (("release", "hw01", "--nbgrader", "--seed", -5), "--seed must be a whole number, 0 or more; got -5"),
        (("check", "hw01.py", "--seconds", 0), "--seconds must be a time above 0; got 0"),
        (("check", "ann_hw01.ipynb"), "this is a notebook's own file; hand it in as Python"),
    ],
)
def test_what_means_nothing_is_one_line(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("hw01.py", "ann_hw01.ipynb"):
        (tmp_path / name).write_text("")
    assert run(*words) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and said in err


def test_what_is_left_out_is_said_once(tmp_path, capsys):
    path = tmp_path / "hw01.py"
    path.write_text(fill("hw01", hw01.RIGHT) + "\nassert softmax_forward is None, 'my own'\n")
    assert run("check", path) == 0
    assert capsys.readouterr().out.count("was left out, because it fails: assert softmax_forward is None") == 1


def test_the_teacher_sees_the_line_of_what_is_tampered_with(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "eve_hw01.py").write_text(fill("hw01", {FIRST: "import socket\nsocket.socket()"}))
    assert run("grade", tmp_path / "in", "--out", tmp_path / "out", "--seed", 3) == 0
    out = capsys.readouterr().out
    assert "`import socket` has no place in homework | line" in out and ": import socket\n" in out
    assert "import socket" in (tmp_path / "out" / "grades.csv").read_text(encoding="utf-8-sig")


@pytest.mark.parametrize("unwritten", [None, "graded: no space is left"])
def test_what_could_not_be_written_is_not_said_to_be(unwritten, tmp_path, capsys, monkeypatch):
    record = {"student": "ann", "homework": "hw01", "verdict": "right", "points": 17.0, "of": 17, "note": ""}
    report = {"submissions": [record], "remarks": ["a remark"], "summary": ["in short"]}
    report |= {"unwritten": unwritten} if unwritten else {}
    monkeypatch.setattr("tinymaskrcnn.homework.grade.grade", lambda folder, **options: report)
    words = ["homework", "grade", str(tmp_path), "--homework", "hw01", "--seed", "1", "--out", "graded"]
    assert cli.main(words) == (2 if unwritten else 0)
    out, err = capsys.readouterr()
    assert "ann  hw01" in out and "17 of 17" in out and out.endswith("a remark\nin short\n")
    assert ("wrote graded/grades.csv" in err) == (unwritten is None)
    assert (f"error: {unwritten}; the results above are all there is" in err) == (unwritten is not None)


IDS = [exercise.id for exercise in exercises_of("hw01")]
LAST = "that was the last exercise of hw01; check all of it without --only"


@pytest.mark.parametrize(
    "homework, checked, points, last",
    [
        ("hw01", "rrrrrrr", "7 of 7 right, 17 of 17 points", "next: lesson 02, and then hw02 ("),
        ("hw01", "wrrhrrr", "5 of 7 right, {} of 17 points", f"next: {IDS[0]} ("),
        ("hw01", "rrhrrwr", "5 of 7 right, {} of 17 points", f"next: {IDS[2]} ("),
        ("hw01", "...rw..", "1 of 2 right, {} of {} points", f"next: {IDS[4]} ("),
        ("hw01", ".r.....", "1 of 1 right, {} of {} points", f"next: {IDS[2]} ("),
        ("hw01", "......r", "1 of 1 right, {} of {} points", LAST),
        ("hw01", ".....rr", "2 of 2 right, {} of {} points", LAST),
        ("hw01", ".h.....", "0 of 1 right, {} of {} points", ""),
        ("hw03", "r", "1 of 1 right, {} of {} points", "next: hw03."),
    ],
)
def test_a_check_ends_with_points_and_what_comes_next(homework, checked, points, last, tmp_path, monkeypatch, capsys):
    """r: right, w: wrong, h: half right, .: not looked at."""
    verdicts, share = [], {"r": 1, "h": 0.5, "w": 0}
    for exercise, mark in zip(exercises_of(homework), checked):
        case = types.SimpleNamespace(name="a case", why="", kind="gradient")
        if mark in share:
            result = Result(case, mark == "r", message="said of it")
            word = "right" if mark == "r" else "wrong"
            verdicts.append(Verdict(exercise, word, (result,), share[mark] * exercise.points))
    monkeypatch.setattr("tinymaskrcnn.homework.check.check_file", lambda file, **options: verdicts)
    path = tmp_path / f"{homework}.py"
    path.write_text("")
    assert run("check", path, "--no-pictures") == (0 if set(checked) <= {"r", "."} else 1)
    lines = capsys.readouterr().out.splitlines()
    total = sum(verdict.exercise.points for verdict in verdicts)
    counts = [f"{sum(verdict.points for verdict in verdicts):g}", total][: points.count("{}")]
    where = lines.index(points.format(*counts))
    assert where == len(lines) - (2 if last else 1) and lines[-1].startswith(last)
    if last.startswith("next: hw01"):
        todo = exercises_of("hw01")[IDS.index(last[6:-2])]
        assert lines[-1] == f"next: {todo.id} ({todo.title}); lesson {todo.lesson} explains it"
