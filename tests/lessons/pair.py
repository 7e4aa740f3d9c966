"""Writes every lessons/NN_*.ipynb from its .py, without outputs: the text is reviewed, the notebook is what is opened.

.venv/bin/python -m tests.lessons.pair
"""

import hashlib
import os
from pathlib import Path

import jupytext
import nbformat

LESSONS = Path(__file__).parents[2] / "lessons"
METADATA = {  # no word of the pair: a notebook that a student saves must not write into the reviewed text
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
}


def sources(folder=LESSONS):
    """The lessons of a folder, in order."""
    return sorted(Path(folder).glob("[0-9][0-9]_*.py"))


def read(text):
    """The notebook that a percent script describes; the same text gives the same notebook, whoever makes it."""
    notebook = jupytext.reads(text, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen = set()
    for cell in notebook.cells:
        cell.id = _cell_id(cell, seen)
    return notebook


def _cell_id(cell, seen):
    """A name made of what the cell says: a cell that moves keeps it, so that differences stay small."""
    repeated = 0
    while True:
        said = f"{cell.cell_type}\n{cell.source}\n{repeated}"
        name = hashlib.sha256(said.encode()).hexdigest()[:12]
        if name not in seen:
            seen.add(name)
            return name
        repeated += 1


def notebook_text(source):
    """What the notebook beside a lesson must hold."""
    return nbformat.writes(read(Path(source).read_text(encoding="utf-8")), version=nbformat.NO_CONVERT) + "\n"


def write(source):
    """Write the notebook of a lesson in one move; True when it was not there or said something else."""
    path, text = Path(source).with_suffix(".ipynb"), notebook_text(source)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


if __name__ == "__main__":
    for lesson in sources():
        print(f"{lesson.with_suffix('.ipynb').name}: {'written' if write(lesson) else 'as it was'}")
