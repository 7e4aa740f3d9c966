"""`tinymaskrcnn museum`: the list, an exhibit with its picture, our checks and a student's; errors in a line."""

import json

import pytest

from tinymaskrcnn import cli
from tinymaskrcnn.commands import museum
from tinymaskrcnn.museum import matrix
from tinymaskrcnn.museum.exhibits import EXHIBITS

MINE = """
import numpy as np

def check(package):
    a = np.array([[0.0, 0, 4, 2]])
    assert package.ops.boxes.iou_matrix(a, a)[0, 0] == 1
"""


def test_the_list_names_all(capsys):
    assert cli.main(["museum", "list"]) == 0
    said = capsys.readouterr().out
    assert all(exhibit.name in said and exhibit.title in said for exhibit in EXHIBITS.values())


def test_an_exhibit_is_shown_with_its_picture(tmp_path, capsys):
    assert cli.main(["museum", "show", "plus-one", "--out", str(tmp_path / "new" / "a.png")]) == 0
    said = capsys.readouterr().out
    assert "py-faster-rcnn" in said and "+    return xp.maximum(x2 - x1 + 1, 0)" in said
    assert (tmp_path / "new" / "a.png").read_bytes().startswith(b"\x89PNG")
    assert cli.main(["museum", "show", "other-ranks"]) == 0
    assert "museum show other-ranks --out other-ranks.png" in capsys.readouterr().out


def test_a_students_check_is_judged(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(MINE)
    words = ["museum", "try", str(tmp_path / "mine.py"), "--only", "plus-one", "half-a-pixel"]
    assert cli.main(words) == 1
    said = capsys.readouterr().out
    assert "found by check: an assert without words fails (line 6)" in said and "half-a-pixel  not found" in said
    assert said.endswith("1 of 2 bugs found, 0 false alarms\n")
    (tmp_path / "mine.py").write_text("def check(package):\n    assert False, 'always'")
    assert cli.main([*words[:4], "other-ranks", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["false_alarms"] == [["check", ""]] and told["exhibits"]["other-ranks"]["found"] == {}


def test_homework_that_is_a_check_is_asked_of_the_bugs(tmp_path, capsys, fails):
    (tmp_path / "mine.py").write_text(MINE)
    words = ["homework", "check", str(tmp_path / "mine.py"), "--only", "plus-one"]
    assert cli.main(words) == 0
    assert capsys.readouterr().out.endswith("1 of 1 bugs found, 0 false alarms\n")
    (tmp_path / "other.py").write_text("x = 1\n")
    assert "must say which homework it is" in fails("homework", "check", tmp_path / "other.py")
    assert "No such file" in fails("homework", "check", tmp_path / "gone.py")


@pytest.mark.long
def test_our_checks_are_asked_with_prices(capsys):
    assert cli.main(["museum", "check", "--only", "half-a-pixel"]) == 0
    said = capsys.readouterr().out
    assert "found by golden-crops, and 1 more" in said and "0 false alarms" in said
    assert "gradients as they should be, numbers off by 0.5 (crop)" in said


def test_what_our_checks_say_is_printed(monkeypatch, capsys):
    """With replies made up: asking all checks takes seconds."""
    found = {"found": True, "said": "off by 3", "seconds": 0.1}
    told = {"checks": {"golden": found}, "views": {"crop": {"values": [[2.0]]}}, "gradients": {"conv": 1e-9}}
    clean = told | {"checks": {"golden": found | {"found": False}}, "views": {"crop": {"values": [[4.0]]}}}
    monkeypatch.setattr(matrix, "visits", lambda exhibits, **wanted: {"": clean, "half-a-pixel": told})
    assert cli.main(["museum", "check", "--only", "half-a-pixel"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["half-a-pixel  found by golden: off by 3", "1 of 1 bugs found, 0 false alarms"]
    assert said[2].endswith("half-a-pixel: gradients as they should be, numbers off by 0.5 (crop)")
    monkeypatch.setattr(matrix, "visits", lambda exhibits, **wanted: {"": told, "half-a-pixel": told})
    assert cli.main(["museum", "check", "--only", "half-a-pixel"]) == 1
    said = capsys.readouterr().out
    assert "false alarm: golden on the package as it is: off by 3" in said and "0 of 1 bugs found" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show", "plus-on"], "did you mean plus-one?"),
        (["show", "plus-one", "--out", "a.txt"], "--out must end in .png"),
        (["check", "--only", "zebra"], "no exhibit 'zebra'"),
        (["try", "no_such_file.py"], "no_such_file.py"),
        (["try", "no_such_file.py", "--seconds", "0"], "--seconds must be a time above 0"),
    ],
)
def test_what_cannot_be_used_is_said(words, says, capsys):
    assert cli.main(["museum", *words]) == 2
    assert says in capsys.readouterr().err


def test_a_file_without_a_check_is_said(tmp_path, capsys):
    (tmp_path / "mine.py").write_text("x = 1")
    assert cli.main(["museum", "try", str(tmp_path / "mine.py"), "--only", "plus-one"]) == 2
    assert "defines no function check(package)" in capsys.readouterr().err


def test_prices_are_words():
    assert museum._price(float("nan"), "crop") == "NaN (crop)"
    assert museum._price(float("inf"), "crop") == "cannot be compared (crop)"
    assert museum._price(1e-9, "crop") == "as they should be" and museum._price(0.52, "crop") == "off by 0.5 (crop)"
