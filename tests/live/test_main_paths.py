"""The package where nothing can be started: in a Python that refuses threads and processes, and in WebAssembly.

The second wants a distribution of Pyodide with NumPy, SciPy, matplotlib, Pillow and threadpoolctl in a folder that
TINYMASKRCNN_PYODIDE names, and Node; it is skipped where these are not. With `pytest -s` it says what took how long.
"""

import json
import sys

import numpy as np
import pytest
from live.webassembly import missing, printed, printed_by


@pytest.fixture(scope="module")
def outcome(once):
    """outcome(name, make)  ->  what make() returns as JSON, made by one of the workers for all."""

    def of(name, make):
        folder = once(name, lambda folder: (folder / "out.json").write_text(json.dumps(make())))
        return json.loads((folder / "out.json").read_text())

    return of


@pytest.fixture(scope="module")
def ordinary(outcome):
    """What comes out of the main paths on this Python."""
    return outcome("main_paths_here", lambda: printed([sys.executable, "-m", "live.main_paths"]))


def test_a_python_that_starts_nothing_computes_the_same(ordinary):
    code = "import live.alone, runpy; runpy.run_module('live.main_paths', run_name='__main__')"
    alone = printed([sys.executable, "-c", code])
    assert alone["doctor"]["status"] == 0 and said_by_doctor(alone) == (True, True)
    assert said_by_doctor(ordinary) == (False, False)
    assert [alone[name] for name in ("lessons", "found", "judged", "run", "homework")] == [
        ordinary[name] for name in ("lessons", "found", "judged", "run", "homework")
    ]
    assert without_time(alone["step"]) == without_time(ordinary["step"])


def said_by_doctor(outcome):
    words = outcome["doctor"]["out"]
    return "no threads can be started" in words, "no processes can be started" in words


def without_time(row):
    return {name: value for name, value in row.items() if name not in ("seconds", "memory_mb")}


@pytest.fixture(scope="module")
def in_webassembly(outcome):
    """What comes out of the main paths under Pyodide."""
    if why := missing():
        pytest.skip(why)
    found = outcome("main_paths_in_webassembly", lambda: printed_by("pyodide.py"))
    print("\nseconds of the processor in WebAssembly:", {"boot": round(found["boot"], 2)} | found["seconds"])
    return found


def test_webassembly_finds_the_same(ordinary, in_webassembly):
    for got, want in zip(in_webassembly["found"], ordinary["found"], strict=True):
        assert got["labels"] == want["labels"]
        np.testing.assert_allclose(got["scores"], want["scores"], atol=1e-5)
        np.testing.assert_allclose(got["boxes"], want["boxes"], atol=1e-3)


def test_webassembly_judges_the_same(ordinary, in_webassembly):
    assert in_webassembly["judged"] == pytest.approx(ordinary["judged"], abs=1e-4) and ordinary["judged"]["AP"] > 0.5


def test_webassembly_learns_the_same(ordinary, in_webassembly):
    for name, wanted in ordinary["step"].items():
        assert in_webassembly["step"][name] == pytest.approx(wanted, rel=1e-5), name
    np.testing.assert_allclose(in_webassembly["run"], ordinary["run"], rtol=1e-5)


def test_webassembly_multiplies_in_its_vectors(ordinary, in_webassembly):
    assert in_webassembly["products"] == {"by": "by_wasm", "vectors": True, "far": pytest.approx(0, abs=1e-4)}
    assert ordinary["products"] == {"by": "matmul", "vectors": False, "far": 0}


def test_webassembly_checks_homework_and_imports_what_lessons_do(ordinary, in_webassembly):
    for name in ("homework", "lessons"):
        assert in_webassembly[name] == ordinary[name]
    assert in_webassembly["homework"]["pictures"] == [False, True, False]
    assert any("take the sum" in line for line in in_webassembly["homework"]["said"][1])


def test_in_webassembly_the_doctor_says_what_is_not_to_be_had(in_webassembly):
    assert in_webassembly["doctor"]["status"] == 0 and said_by_doctor(in_webassembly) == (True, True)
