"""The assignment for nbgrader: its marks, its points, and tests that accept the solution alone."""

import json

import pytest

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.homework.exercises import exercises_of, titles
from tinymaskrcnn.homework.nbgrader import nbgrader_notebook, release_nbgrader


def source(cell):
    return "".join(cell["source"])


@pytest.mark.parametrize("homework", list(titles()))
def test_cells_are_marked_as_nbgrader_wants_them(homework):
    book = nbgrader_notebook(homework, seed=2026)
    marks = [cell["metadata"]["nbgrader"] for cell in book["cells"]]
    assert len({m["grade_id"] for m in marks}) == len(marks) == len({c["id"] for c in book["cells"]})
    graded = [m for m in marks if m["grade"]]
    assert [m["points"] for m in graded] == [e.points for e in exercises_of(homework)]
    for cell, m in zip(book["cells"], marks):
        assert m["solution"] == ("### BEGIN SOLUTION" in source(cell) and "### END SOLUTION" in source(cell))
        assert m["grade"] == ("### BEGIN HIDDEN TESTS" in source(cell))
        assert m["locked"] != m["solution"]
        assert m["schema_version"] == 3  # the one that has these fields, `task` among them


def test_the_notebook_runs_with_its_solutions_and_fails_without():
    book = nbgrader_notebook("hw01", seed=7)
    code = [source(cell) for cell in book["cells"] if cell["cell_type"] == "code"]
    namespace = {}
    for text in code:
        exec(text, namespace)
    before, rest = code[1].split("    ### BEGIN SOLUTION")
    emptied = before + "    raise NotImplementedError()" + rest.split("### END SOLUTION")[1]
    exec(emptied, namespace)
    with pytest.raises(AssertionError, match="not filled in"):
        exec(code[2], namespace)


def test_the_file_is_written_once(tmp_path):
    path = release_nbgrader("hw01", tmp_path)
    assert path == tmp_path / "source" / "hw01" / "hw01.ipynb"
    assert json.loads(path.read_text())["nbformat"] == 4
    with pytest.raises(ArgumentError, match="is there already"):
        release_nbgrader("hw01", tmp_path)
