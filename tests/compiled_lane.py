"""The kernels in C, compiled for the tests from the sources as they are now."""

import importlib.machinery
import shutil
import subprocess
from pathlib import Path

from tinymaskrcnn.kernels.c import library

SOURCES = Path(library.__file__).parent
ROOT = SOURCES.parents[2]
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def compiled(folder, *options):
    """The library compiled into a folder with some options more."""
    out = folder / f"_lane{importlib.machinery.EXTENSION_SUFFIXES[0]}"
    command = [COMPILER, "-O2", "-shared", "-fPIC", *options, str(SOURCES / "lane.c"), "-o", str(out)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return folder
