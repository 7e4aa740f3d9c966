"""kernels/c/library.py: which kernels a process computes with, and that C and Python mean the same by a number."""

import os
import platform
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from tinymaskrcnn.errors import BackendError, ConfigError
from tinymaskrcnn.kernels.c import conv, library

SOURCES = Path(library.__file__).parent
ROOT = SOURCES.parents[2]
X86 = platform.machine().lower() in ("x86_64", "amd64")
TEXT = {path.name: path.read_text() for path in SOURCES.glob("*.[ch]")}


def test_structures_are_those_of_the_c_text():
    found = {
        name: re.findall(r"\w+(?=[,;])", re.sub(r"/\*.*?\*/", "", body, flags=re.S))
        for name, body in re.findall(r"struct (\w+) \{(.*?)\n\};", TEXT["shapes.h"], flags=re.S)
    }
    assert found == {
        "correlation": [name for name, _ in library.Correlation._fields_],
        "tiles": [name for name, _ in library.Tiles._fields_],
        "finish": [name for name, _ in library.Finish._fields_],
        "level": [name for name, _ in library.Level._fields_],
        "crops": [name for name, _ in library.Crops._fields_],
        "job": [name for name, _ in library.Job._fields_],
    }


def test_functions_are_called_as_they_are_written():
    kinds = {"int": library.c_int, "int64_t": library.COUNT}
    written = {}
    for name, arguments in re.findall(r"EXPORT void NAME\((\w+)\)\(([^)]*)\)", "".join(TEXT.values())):
        arguments = [" ".join(argument.split()) for argument in arguments.split(",")]
        written[name] = [library.POINTER if "*" in one else kinds[one.split()[0]] for one in arguments]
    assert written == library.FUNCTIONS


def test_the_installation_knows_every_file_and_stays_small():
    [extension] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]
    assert extension["optional"]
    assert {Path(name).name for name in extension["sources"] + extension["depends"]} == set(TEXT)
    assert sum(text.count("\n") for text in TEXT.values()) <= 800


@pytest.mark.parametrize("asked", ["numpy", "0"])
def test_the_lane_can_be_left(asked):
    library.use(asked)
    assert library.lane() is None and not library.ON_THE_LANE(np)
    library.use(library.supported()[0])
    assert library.ON_THE_LANE(np) and not library.ON_THE_LANE(os)


def test_a_variant_can_be_asked_for(variant):
    assert library.lane().variant == variant and library.described() == f"kernels in C ({variant})"


@pytest.mark.parametrize("asked", ["", "1", "c"])
def test_the_best_measured_variant_runs_unless_another_is_asked_for(asked, monkeypatch):
    best = library.supported()[0]
    if X86:
        assert best in library.MEASURED  # on any processor of the last ten years
        library.use(asked)
        assert library.lane().variant == best
    monkeypatch.setattr(library, "supported", lambda: ("plain",))
    if asked == "c":
        with pytest.raises(BackendError, match="TINYMASKRCNN_KERNELS=c: this processor runs plain"):
            library.use(asked)
    else:
        library.use(asked)
        assert library.lane() is None and library.described() == "kernels in NumPy"


def test_a_setting_that_is_none_is_one_error(monkeypatch):
    with pytest.raises(ConfigError, match="TINYMASKRCNN_KERNELS must be one of 0, 1, numpy, c, avx512, .*; got 'fast'"):
        library.use("fast")
    monkeypatch.setattr(library, "_choice", library._Choice())
    monkeypatch.setenv("TINYMASKRCNN_KERNELS", "no")
    with pytest.raises(ConfigError, match="got 'no'"):
        library.lane()


def test_without_a_library_all_runs_and_only_who_insists_is_told(monkeypatch):
    monkeypatch.setattr(library, "load", lambda *_: None)
    library.supported.cache_clear()
    library.use("")
    assert library.lane() is None and library.described() == "kernels in NumPy"
    for asked in ("c", "avx2"):
        with pytest.raises(BackendError, match="there is no library of kernels in C"):
            library.use(asked)


def test_only_a_library_of_this_version_is_taken(built, tmp_path, monkeypatch):
    monkeypatch.undo()  # the real load
    load = library.load.__wrapped__
    assert load(tmp_path) is None
    broken = tmp_path / f"_lane{library.importlib.machinery.EXTENSION_SUFFIXES[0]}"
    broken.write_bytes(b"not a library")
    assert load(tmp_path) is None
    broken.unlink()
    folder = Path(built._name).parent
    assert load(folder) is not None
    monkeypatch.setattr(library, "VERSION", library.VERSION + 1)
    assert load(folder) is None


def test_kernels_switched_off_are_called_so(monkeypatch):
    monkeypatch.setenv("TINYMASKRCNN_KERNELS", "0")
    assert library.described() == "no kernels"


SCRIPT = """
import numpy as np
from tinymaskrcnn.kernels.c import library
from tinymaskrcnn.ops import conv
x = np.ones((4, 16, 16, 16), np.float32)
y, _ = conv.conv2d_forward(x, np.ones((3, 3, 16, 16), np.float32), None, padding=1)
print(library.described(), y.sum())
"""


@pytest.mark.parametrize("asked, said", [("numpy", "kernels in NumPy"), ("0", "no kernels")])
def test_the_environment_chooses(asked, said):
    env = os.environ | {"TINYMASKRCNN_KERNELS": asked, "PYTHONPATH": str(ROOT)}
    out = subprocess.run([sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, check=True).stdout
    assert out.split(" ")[:-1] == said.split(" ") and float(out.split()[-1]) == 4 * (16 * 3 - 2) ** 2 * 16 * 16


@pytest.mark.skipif(not X86, reason="no other processor is asked what it has made")
def test_what_is_no_number_or_too_large_is_reported_as_numpy_does(variant):
    x, weight = np.full((1, 24, 24, 16), 1e30, np.float32), np.full((3, 3, 16, 16), 1e30, np.float32)
    weight[..., ::2, :] *= -1
    with np.errstate(over="ignore"), pytest.warns(RuntimeWarning, match="invalid value"):
        y, _ = conv.conv2d_forward(x, weight, None, padding=1)
    assert np.isnan(y).any()
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning, match="overflow"):
        y, _ = conv.conv2d_forward(x, abs(weight), None, stride=2)  # of tiles, differences would be NaN
    assert np.isposinf(y).all()
    found = []
    with np.errstate(invalid="call", over="call", call=lambda what, flags: found.append(what)):
        conv.conv2d_forward(x, weight, None, padding=1)
        assert {*found} == {"invalid value", "overflow"}
        found.clear()
        conv.conv2d_forward(x, abs(weight), None, stride=2)
        assert {*found} == {"overflow"}
        found.clear()
        conv.conv2d_forward(x * np.float32(1e-30), weight * np.float32(1e-30), None, stride=2)
    assert not found


def test_where_an_array_begins():
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    read_only = x.copy()
    read_only.flags.writeable = False
    views = x, x[1:], x[:, 1:], x[:, :, ::-1], x.T, x[2:], x[1, 2, 3:], read_only, read_only[1], x.view(np.int64)[1]
    for array in views:
        assert library.address(array) == array.__array_interface__["data"][0]
    assert library.address(None) is None
