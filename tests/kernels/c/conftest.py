"""Kernels in C run with a library compiled for the tests; without a compiler these tests are skipped."""

import importlib.machinery
import shutil
import subprocess
from pathlib import Path

import pytest

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


@pytest.fixture(scope="session")
def built(once):
    """The library of the sources as they are now, in the place of what was installed before they were edited."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    return library.load(once("lane", compiled))


@pytest.fixture(autouse=True)
def lane(kernels_in_numpy, built, monkeypatch):
    """Each test runs on the best variant of this processor, and leaves the choice as it was."""
    monkeypatch.setattr(library, "load", lambda *_: built)
    library.supported.cache_clear()
    library.use("c")
    yield
    monkeypatch.undo()
    library.supported.cache_clear()
    library.use(None)


@pytest.fixture(params=library.VARIANTS)
def variant(request, lane):
    """Each of the variants that this processor runs, in turn."""
    if request.param not in library.supported():
        pytest.skip(f"this processor does not run {request.param}")
    library.use(request.param)
    return request.param
