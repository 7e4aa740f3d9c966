"""What a student gets: whole, runnable, without a solution, and never over a file."""

import ast
import re

import pytest

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.homework.audit import audit
from tinymaskrcnn.homework.blanks import all_blanks
from tinymaskrcnn.homework.exercises import exercises_of, titles
from tinymaskrcnn.homework.release import WIDTH, _comment, release, student_file


@pytest.mark.parametrize("homework", list(titles()))
def test_the_file_runs_and_defines_every_blank(homework):
    text = student_file(homework)
    namespace = {"__name__": "homework"}
    exec(compile(text, f"{homework}.py", "exec"), namespace)
    for exercise in exercises_of(homework):
        assert exercise.blank.class_name or exercise.blank.function in namespace
        assert text.count(f'raise NotImplementedError("{exercise.id}")') == 1
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("homework", list(titles()))
def test_no_line_of_a_solution_is_left(homework):
    lines = {line.strip() for line in student_file(homework).splitlines()}
    for blank in all_blanks().values():
        for line in blank.solution:
            words = line.split("#")[0].strip()
            if len(words) > 30:
                assert words not in lines and line.strip() not in lines, words


@pytest.mark.parametrize("homework", list(titles()))
def test_every_name_a_recipe_speaks_of_in_code_is_there(homework):
    """`taps(...)` in a recipe must be something the student has."""
    text = student_file(homework)
    names = {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}
    names |= {a.asname or a.name for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom) for a in n.names}
    names |= {n.name for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)}
    for exercise in exercises_of(homework):
        for name in re.findall(r"`(\w+)\(", exercise.recipe):
            assert name in names or name in dir(__builtins__) or name.startswith("np"), (exercise.id, name)


def test_a_students_work_is_never_overwritten(tmp_path):
    path = release("hw01", tmp_path / "mine")
    path.write_text("hours of work")
    with pytest.raises(ArgumentError, match="is there already and stays as it is"):
        release("hw01", tmp_path / "mine")
    assert path.read_text() == "hours of work" and [p.name for p in path.parent.iterdir()] == ["hw01.py"]


def test_an_unknown_homework_is_an_error(tmp_path):
    with pytest.raises(ArgumentError, match="homework must be one of hw01"):
        release("hw99", tmp_path)


def test_what_is_not_plain_numpy_is_explained():
    text = student_file("hw01")
    assert "    xp = array_module(logits)  # numpy here, or cupy for arrays on a GPU\n" in text
    assert 'class Linear(Linear):\n    """The package\'s Linear, with one method of your own."""\n' in text
    assert all(audit(student_file(name)) == [] for name in titles())


def test_a_recipe_becomes_comment_lines_paragraph_by_paragraph():
    recipe = "First this.\nIt goes on.\n\n1. do one thing\n2. do another " + "and another " * 20
    lines = _comment(recipe, "    ")
    assert all(line.startswith("    # ") or line == "    #" for line in lines) and lines.count("    #") == 1
    assert max(map(len, lines)) <= WIDTH
    assert " ".join(line[6:].strip() for line in lines).split() == recipe.split()
    starts = [line[6:] for line in lines if line[6:7].strip()]
    assert [start.split()[0] for start in starts] == ["First", "1.", "2."]
