"""How long every lesson takes in full, as a script and as a notebook: .venv/bin/python -m tests.lessons [NN ...]"""

import sys
import tempfile
import time
from pathlib import Path

from . import form, pair, running


def measure(lesson):
    """One row: seconds as a script and as a notebook, pictures, megabytes, cells, share of short cells; what failed."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        done = running.run_script(lesson, Path(folder), fast=False, limit=600)
        script = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        notebook = running.run_notebook(lesson, Path(folder), fast=False, limit=600)
        kernel = time.perf_counter() - began
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    failed = [done.stderr.strip().splitlines()[-1]] if done.returncode else []
    failed += [error.splitlines()[-1] for error in running.errors(notebook)]
    megabytes, pictures = running.size(notebook) / 2**20, len(running.pictures(notebook))
    return (
        f"{lesson.stem:32} script {script:4.0f} s, notebook {kernel:4.0f} s, {pictures:3} pictures, "
        f"{megabytes:4.1f} MB, {len(notebook.cells):3} cells, {form.short_share(code):4.0%} of the code cells short"
        + "".join(f"\n    FAILED: {line}" for line in failed)
    )


if __name__ == "__main__":
    for source in pair.sources():
        if not sys.argv[1:] or source.stem[:2] in sys.argv[1:]:
            print(measure(source), flush=True)
