"""A homework as an assignment for nbgrader: a notebook with solutions and tests that its tools take apart.

nbgrader's `generate_assignment` cuts out what stands between BEGIN SOLUTION and END SOLUTION and the hidden tests; its
`autograde` puts the tests back. The notebook is therefore for instructors only.
"""

import json
import textwrap
from pathlib import Path

from .exercises import exercises_of, titles
from .files import write_new
from .release import imports

SCHEMA = 3


def release_nbgrader(homework, out, *, seed=0):
    """Write OUT/source/hwNN/hwNN.ipynb and return its path; ArgumentError when it is there already.

    seed is that of the hidden tests.
    """
    path = Path(out) / "source" / homework / f"{homework}.ipynb"
    return write_new(path, json.dumps(nbgrader_notebook(homework, seed=seed), indent=1) + "\n")


def nbgrader_notebook(homework, *, seed=0):
    """The notebook as a dictionary: for each blank its recipe, its function, and a cell of tests worth its points."""
    exercises = exercises_of(homework)
    intro = f"# Homework {int(homework[2:])}: {titles()[homework]}\n\nWhat you were given is read-only: write `a + b`, "
    intro += "never `a += b`, on an array that came in. `dname` is the gradient of the loss by `name`."
    cells = [_cell("markdown", intro, f"{homework}-intro", locked=True)]
    tests = "from tinymaskrcnn.homework.check import assert_right\n"
    cells.append(_cell("code", tests + "\n" + imports(exercises).strip(), f"{homework}-imports", locked=True))
    for exercise in exercises:
        cells += _exercise_cells(exercise, seed)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _exercise_cells(exercise, seed):
    name = exercise.id.replace(".", "-")
    recipe = f"## {exercise.title}\n\n`{exercise.id}`\n\n```text\n{textwrap.dedent(exercise.recipe).strip()}\n```"
    blank = exercise.blank
    indent = blank.indent()
    lines = [f"{indent}### BEGIN SOLUTION", *blank.solution, f"{indent}### END SOLUTION"]
    text, function = blank.with_solution(lines), blank.function
    if blank.class_name:
        text = f"class {blank.class_name}({blank.class_name}):\n" + textwrap.indent(text, "    ")
        function = f"{blank.class_name}.{blank.function}"
    test = f'assert_right("{exercise.id}", {function})\n### BEGIN HIDDEN TESTS\n'
    test += f'assert_right("{exercise.id}", {function}, seed={seed}, hidden=True)\n### END HIDDEN TESTS'
    return [
        _cell("markdown", recipe, f"{name}-recipe", locked=True),
        _cell("code", text.rstrip(), f"{name}-blank", solution=True),
        _cell("code", test, f"{name}-test", grade=True, locked=True, points=exercise.points),
    ]


def _cell(kind, source, identifier, *, grade=False, solution=False, locked=False, points=None):
    marks = {"schema_version": SCHEMA, "grade_id": identifier, "grade": grade, "solution": solution, "locked": locked}
    marks |= {"task": False, "cell_type": kind} | ({"points": points} if points is not None else {})
    cell = {"cell_type": kind, "id": identifier.replace("_", "-")[:64], "metadata": {"nbgrader": marks}}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell | {"source": source.splitlines(keepends=True)}
