"""Where the exercises are: read from the markers, and nothing else."""

import ast
import re
from pathlib import Path

import pytest

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.homework.blanks import PACKAGE, Blank, all_blanks, find_blank

BLANKS = list(all_blanks().values())


def test_markers_come_in_pairs_and_all_are_found():
    begins = ends = 0
    for path in PACKAGE.rglob("*.py"):
        if "homework" not in path.parts:
            text = path.read_text()
            begins += len(re.findall(r"^ *# BEGIN SOLUTION hw\d\d\.\w+$", text, re.M))
            ends += len(re.findall(r"^ *# END SOLUTION$", text, re.M))
    assert begins == ends == len(BLANKS) >= 24


@pytest.mark.parametrize("blank", BLANKS, ids=lambda b: b.id)
def test_a_blank_knows_its_function(blank):
    assert callable(blank.reference())
    whole = ast.parse(blank.with_solution(blank.solution)).body
    assert len(whole) == 1 and whole[0].name == blank.function
    assert "SOLUTION" not in blank.with_solution(blank.solution)


@pytest.mark.parametrize("blank", BLANKS, ids=lambda b: b.id)
def test_the_solution_is_cut_out_whole(blank):
    text = blank.with_solution([blank.indent() + "pass"])
    ast.parse(text)
    for line in blank.solution:
        if len(line.strip()) > 25:
            assert line.strip() not in text


def test_every_homework_has_about_six_blanks():
    counts = {name: sum(b.id.startswith(name) for b in BLANKS) for name in ("hw01", "hw02", "hw03", "hw04")}
    assert sum(counts.values()) == len(BLANKS) and all(5 <= n <= 8 for n in counts.values()), counts


def test_parameters_leave_self_out():
    assert find_blank("hw01.linear_layer_backward").parameters() == ["dy", "cache"]
    assert find_blank("hw01.linear_layer_backward").class_name == "Linear"
    assert find_blank("hw01.linear_backward").class_name == ""
    assert find_blank("hw01.sum_grads").parameters(2) == ["gradients[0]", "gradients[1]"]


def test_an_unknown_blank_is_an_error():
    with pytest.raises(ArgumentError, match="there is no blank 'hw09.nothing'; known are hw01"):
        find_blank("hw09.nothing")


def test_other_lines_in_the_place_of_the_solution():
    blank = Blank("hw01.f", "m", "", "f", ("def f(x):", "    y = x", "    return y"), ("    y = x",), 1)
    assert (
        blank.with_solution(["    y = 2 * x", "    y += 1"]) == "def f(x):\n    y = 2 * x\n    y += 1\n    return y\n"
    )


def test_the_markers_stand_only_where_a_student_writes():
    assert Path(PACKAGE, "ops", "naive.py").read_text().count("SOLUTION") == 0
