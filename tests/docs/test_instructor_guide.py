"""The instructor guide says what lessons, homeworks and commands say themselves."""

import argparse
import re
from pathlib import Path

import pytest

from tinymaskrcnn import cli
from tinymaskrcnn.commands import homework as command
from tinymaskrcnn.homework.exercises import all_exercises, titles
from tinymaskrcnn.homework.grade import GRAVE
from tinymaskrcnn.homework.judge import WORDS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "instructor_guide.md").read_text(encoding="utf-8")
LESSONS = sorted((ROOT / "lessons").glob("[0-9][0-9]_*.py"))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_minutes_are_those_of_the_lesson(lesson):
    first = lesson.read_text(encoding="utf-8").split("# %%")[1].replace("\n#", "")
    said = re.search(r"about (\d+)\s+minutes", first, re.IGNORECASE)
    row = re.search(rf"^\| `{lesson.stem}` \| (\d+) \|", GUIDE, re.MULTILINE)
    assert row is not None, f"the guide has no row for {lesson.stem}"
    assert said is not None and row[1] == said[1], f"the guide says {row[1]} minutes, the lesson {said and said[1]}"


def test_every_homework_has_its_row():
    assert re.findall(r"^\| (hw\d\d) \|", GUIDE, re.MULTILINE) == list(titles())


def test_exercises_that_are_named_exist():
    named = set(re.findall(r"`(hw\d\d\.\w+)`", GUIDE)) - {"hw01.py"}
    assert len(named) >= 4 and named <= {exercise.id for exercise in all_exercises()}


def test_every_verdict_is_explained():
    table = GUIDE[GUIDE.index("| verdict of a file |") :]
    of_a_file = {"right", "partly right", "wrong", "nothing handed in", "not graded"}
    for word in {*WORDS.values(), *GRAVE, *of_a_file} - {"missing"}:  # which only an exercise can be
        assert re.search(rf"^\| [^|]*\b{word}\b", table, re.MULTILINE), word


def test_commands_of_the_guide_are_understood():
    """Every `tinymaskrcnn homework ...` line of a code block is one that the parser takes."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    command.add_arguments(parser)
    lines = re.findall(r"^ *tinymaskrcnn homework ([^#\n]+)", GUIDE, re.MULTILINE)
    lines += re.findall(r"`tinymaskrcnn homework ([^`]+)`", GUIDE)
    assert len(lines) >= 5
    for line in lines:
        parser.parse_args(line.split())


def test_commands_of_the_guide_work(tmp_path, monkeypatch, capsys):
    """One after the other, as they are printed, in a folder with a student's file and a class of one."""
    monkeypatch.chdir(tmp_path)
    Path("submissions").mkdir()
    for path in ("hw01.py", "submissions/ann_hw01.py"):
        Path(path).write_text("# nothing yet\n")
    Path("submissions/dora.py").write_text("")
    lines = re.findall(r"(?:^|`)tinymaskrcnn (homework (?:list|release|check|grade) ?[^#`\n]*)", GUIDE, re.MULTILINE)
    status = {line.strip(): cli.main(line.split()) for line in lines}
    assert {line.split()[1] for line in status} == {"list", "release", "check", "grade"}
    assert status == {line: int(" check " in line) for line in status}  # one that is not filled in is not right
    assert Path("handout/hw01.py").is_file() and Path("course/source/hw01/hw01.ipynb").is_file()
    made = {"grades.csv", "grades.json", "feedback/ann_hw01.html"}
    assert all((Path("graded") / name).is_file() for name in made)
    out, err = capsys.readouterr()
    assert "not graded, because the name does not say hw01: dora.py\n1 submission, mean 0 of 17\n" in out
    assert "note: seed" not in err


def test_flags_that_the_guide_speaks_of_exist():
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    actions = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction)).choices
    known = {flag for action in actions.values() for flag in action._option_string_actions}
    named = set(re.findall(r"`(--[a-z-]+)`", GUIDE[GUIDE.index("## Handing out") :]))
    assert {"--seed", "--seconds", "--memory", "--out"} <= named <= known
