"""How long every lesson takes in full, as a script and as a notebook: .venv/bin/python -m tests.lessons [NN ...]"""

import resource
import sys
import tempfile
import time
from pathlib import Path

from . import form, pair, running


def timed(call, lesson):
    """What call(lesson, folder) returned, the seconds it took, and those its processes spent computing."""
    with tempfile.TemporaryDirectory() as folder:
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        result = call(lesson, Path(folder), fast=False, limit=600)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        computing = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return result, f"{time.perf_counter() - began:4.0f} s ({computing:3.0f} s computing)"


def measure(lesson):
    """Rows of text: seconds as script and as notebook, pictures, megabytes, cells, share of short ones; failures."""
    done, script = timed(running.run_script, lesson)
    notebook, kernel = timed(running.run_notebook, lesson)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    pictures, megabytes = len(running.pictures(notebook)), running.size(notebook) / 2**20
    failed = [done.stderr.strip().splitlines()[-1]] if done.returncode else []
    failed += [error.splitlines()[-1] for error in running.errors(notebook)]
    rows = [f"{lesson.stem:28} script {script}, notebook {kernel}"]
    rows += [f"{'':28} {pictures} pictures, {megabytes:.1f} MB, {len(notebook.cells)} cells, {len(code)} of them code"]
    rows[-1] += f", {form.short_share(code):.0%} of these short"
    return "\n".join(rows + [f"{'':28} FAILED: {line}" for line in failed])


if __name__ == "__main__":
    for source in pair.sources():
        if not sys.argv[1:] or source.stem[:2] in sys.argv[1:]:
            print(measure(source), flush=True)
