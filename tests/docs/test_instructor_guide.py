"""The instructor guide says what lessons, homeworks and commands say themselves."""

import argparse
import re
from pathlib import Path

import pytest

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
