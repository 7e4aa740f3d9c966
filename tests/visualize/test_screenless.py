"""A notebook's MPLBACKEND does not keep a program without notebooks from drawing."""

import os
import subprocess
import sys

import pytest

DRAW = "from tinymaskrcnn.visualize import style; style.new_figure(1, 1).savefig({!r})"
WITHOUT = "import sys; sys.modules['matplotlib_inline'] = None; "


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense", "module://not.there", ""])
def test_pictures_need_no_screen(tmp_path, backend):
    path = tmp_path / "a.png"
    environment = os.environ | {"MPLBACKEND": backend, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT + DRAW.format(str(path))], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "") and path.read_bytes()[:4] == b"\x89PNG"
