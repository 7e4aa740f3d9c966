"""A folder of static pages in which the package itself computes, in the browser: what they are made of, put together.

The package travels as a wheel of the checkout, Python comes as Pyodide: copied from a folder, so that the pages ask
nobody else, or from ELSEWHERE, which the reader is shown before anything is loaded. live.json says what is loaded.
"""

import importlib
import importlib.metadata
import json
import shutil
import sys
from pathlib import Path

import tinymaskrcnn
from tinymaskrcnn.homework.exercises import exercises_of, titles
from tinymaskrcnn.homework.release import student_file

from .wheel import installed_files, package_files, write_wheel

ELSEWHERE = "https://cdn.jsdelivr.net/pyodide/v0.27.7/full/"  # where Pyodide comes from when no folder is given
ELSEWHERE_MB = 48  # of what is loaded from there

HERE = Path(__file__).parent
OUT = HERE.parent / "_build" / "live"
PACKAGES = ("numpy", "scipy", "matplotlib", "pillow", "threadpoolctl")  # of Pyodide
PURE = ("tqdm", "hypothesis", "sortedcontainers", "attrs")  # from this Python; one lesson needs more than the first
CORE = ("pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")


def build(out, pyodide=None):
    """Fill a folder with the pages and all that they load; `pyodide` is the folder of a distribution. Returns `out`.

    ValueError when the distribution lacks a file, or this Python a package.
    """
    out = Path(out)
    if pyodide:
        files = files_of(Path(pyodide))  # before anything is written
    out.mkdir(parents=True, exist_ok=True)
    shutil.copytree(HERE / "pages", out, dirs_exist_ok=True)
    for old in out.glob("*.whl"):
        old.unlink()
    wheels = [*_own_wheels(out), *_foreign_wheels(out, pyodide)]
    size = sum((out / name).stat().st_size for name in wheels)
    if pyodide:
        (out / "pyodide").mkdir(exist_ok=True)
        for file in files:
            shutil.copyfile(file, out / "pyodide" / file.name)
        size += sum(file.stat().st_size for file in files)
    about = {
        "pyodide": "pyodide/" if pyodide else ELSEWHERE,
        "packages": PACKAGES,
        "wheels": wheels,
        "megabytes": round(size / 1e6) + (0 if pyodide else ELSEWHERE_MB),
        "version": tinymaskrcnn.__version__,
    }
    _write_json(out / "homework.json", homework())
    _write_json(out / "playground.json", _recorded())
    _write_json(out / "live.json", about)
    return out


def homework():
    """What the page of the homework shows before there is any Python: titles, exercises, the file of each homework."""
    return [
        {
            "id": name,
            "title": title,
            "text": student_file(name),
            "exercises": [{"id": e.id, "title": e.title, "lesson": e.lesson} for e in exercises_of(name)],
        }
        for name, title in titles().items()
    ]


def _recorded():
    """What Python says to the playground about the scene that it begins with."""
    sys.path.insert(0, str(HERE / "python"))
    try:
        return importlib.import_module("tab.playground").recorded()
    finally:
        sys.path.remove(str(HERE / "python"))


def _write_json(path, value):
    path.write_text(json.dumps(value) + "\n", encoding="utf-8")


def files_of(distribution):
    """The files of a distribution that the pages load: the interpreter, the packages, and what these need."""
    lock = distribution / "pyodide-lock.json"
    if not lock.is_file():
        raise ValueError(f"{distribution} holds no pyodide-lock.json, so it is no distribution of Pyodide")
    known = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    wanted, to_see = {}, list(PACKAGES)
    while to_see:
        name = to_see.pop()
        if name not in known:
            raise ValueError(f"the distribution of Pyodide in {distribution} lacks {name}")
        if name not in wanted:
            wanted[name] = known[name]["file_name"]
            to_see += [needed.lower() for needed in known[name]["depends"]]
    found = [distribution / name for name in (*CORE, *sorted(wanted.values()))]
    if missing := [file.name for file in found if not file.is_file()]:
        raise ValueError(f"the distribution of Pyodide in {distribution} lacks {', '.join(missing)[:300]}")
    return found


def _own_wheels(out):
    """The names of the wheels of the package and of what the pages call."""
    version = tinymaskrcnn.__version__
    yield write_wheel(out, "tinymaskrcnn", version, package_files(Path(tinymaskrcnn.__file__).parent))
    yield write_wheel(out, "tab", version, package_files(HERE / "python" / "tab"))


def _foreign_wheels(out, pyodide):
    """The names of the wheels of packages that Pyodide lacks: those that lie beside it, or as they are installed here.

    What is compiled for this machine is left out, and a cell of a lesson that asks for it says so.
    """
    for name in PURE:
        lying = sorted(Path(pyodide).glob(f"{name}-*-none-any.whl")) if pyodide else []
        if lying:
            shutil.copyfile(lying[-1], out / lying[-1].name)
            yield lying[-1].name
        elif files := installed_files(name):
            yield write_wheel(out, name, importlib.metadata.version(name), files)
        elif name == PURE[0]:
            raise ValueError(f"{name} is not installed, and the package needs it")
