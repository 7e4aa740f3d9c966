"""Running a file of Python in Pyodide, in Node; `python -m live.webassembly` (from tests/) says what steps take there.

TINYMASKRCNN_PYODIDE names the folder of a distribution with NumPy, SciPy, matplotlib, Pillow and threadpoolctl.
"""

import importlib.metadata
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def missing():
    """Why nothing can be run; "" where it can."""
    if not os.environ.get("TINYMASKRCNN_PYODIDE"):
        return "TINYMASKRCNN_PYODIDE names no distribution of Pyodide"
    return "" if shutil.which("node") else "there is no Node to run Pyodide in"


def printed_by(script):
    """The JSON that a file of this folder prints last under Pyodide."""
    with tempfile.TemporaryDirectory() as site:
        for file in importlib.metadata.files("tqdm"):  # pure Python, and in no distribution of Pyodide
            if file.suffix != ".pyc" and ".." not in file.parts:
                (Path(site) / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file.locate(), Path(site) / file)
        mounts = json.dumps({"/repository": str(HERE.parent.parent), "/site": site})
        folder = os.path.abspath(os.environ["TINYMASKRCNN_PYODIDE"])
        return printed(["node", HERE / "node.mjs", folder, mounts, HERE / script])


def printed(command):
    """The JSON that a program prints last; AssertionError with its last words when it fails."""
    surroundings = {name: value for name, value in os.environ.items() if name != "TINYMASKRCNN_THREADS"}
    done = subprocess.run(command, cwd=HERE.parent, env=surroundings, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    for what, seconds in printed_by("seconds.py").items():
        print(f"{what:<60} {seconds:6.2f} s")
