"""What a process that runs a student's code is kept from."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinymaskrcnn
from tinymaskrcnn.homework import guard

PACKAGE = Path(tinymaskrcnn.__file__).parent


def refuses(event, *args, strict=True):
    violations = []
    watch = guard.hook(violations, "/in/hw01.py", strict=strict)
    try:
        watch(event, args)
    except PermissionError:
        return violations[0][0]
    assert not violations
    return ""


@pytest.mark.parametrize("event", ["os.fork", "socket.connect", "ctypes.dlopen", "os.rename", "gc.get_objects"])
def test_processes_the_network_and_changes_to_files_are_refused(event):
    assert refuses(event) == event


def test_writing_is_always_refused():
    for mode, flags in (("w", 0), ("r+", 0), (None, os.O_WRONLY), (None, os.O_CREAT)):
        assert refuses("open", "/x/made.txt", mode, flags, strict=False) == "open 'made.txt'"


def test_in_grading_only_python_s_libraries_are_read(tmp_path, monkeypatch):
    assert not refuses("open", np.__file__, "r", 0) and not refuses("open", os.__file__, None, os.O_RDONLY)
    assert not refuses("open", "/in/hw01.py", "r", 0) and refuses("open", "/in/hw01.py", "w", 0)
    assert not refuses("open", "/etc/hostname", "r", 0, strict=False)
    (tmp_path / "link.py").symlink_to(PACKAGE / "ops" / "linear.py")
    monkeypatch.chdir(PACKAGE)
    roads = ["ops/linear.py", f"{PACKAGE}/../{PACKAGE.name}/ops/linear.py", f"{tmp_path}/link.py", "/etc/hostname"]
    roads += ["/proc/self/cwd/ops/linear.py", os.fsencode(PACKAGE / "ops" / "__pycache__" / "linear.cpython-311.pyc")]
    for road in roads:
        assert refuses("open", road, "r", 0), road


def test_the_hook_depends_on_nothing_that_can_be_changed_later(monkeypatch):
    violations = []
    watch = guard.hook(violations, "/in/hw01.py", strict=True)
    monkeypatch.setattr(guard, "FORBIDDEN", ())
    monkeypatch.setattr(os, "fsdecode", lambda path: os.__file__)
    monkeypatch.setattr(os.path, "realpath", lambda path: os.__file__)
    with pytest.raises(PermissionError):
        watch("os.fork", ())
    with pytest.raises(PermissionError):
        watch("open", (str(PACKAGE / "ops" / "linear.py"), "r", 0))
    assert len(violations) == 2


def test_limits_that_a_system_does_not_know_are_left_out(monkeypatch):
    resource = pytest.importorskip("resource")
    asked = []

    def refused(which, limits):
        asked.append(limits)
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refused)
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: None)
    guard.limit(memory=7, cpu=8, strict=True)
    assert [limits[0] for limits in asked] == [7, 8, 0, 0, 0]
    assert "resource" in sys.modules


@pytest.mark.parametrize("before", ["", "import subprocess"])
def test_what_python_does_not_report_is_taken_away(before):
    """_posixsubprocess tells no hook of a process that it starts, so neither it nor the reference to it is left."""
    code = f"""
import sys
{before}
from tinymaskrcnn.homework import guard
wanted = "subprocess" in sys.modules
guard.close([], "/in/hw01.py", strict=False)
assert not set(guard.NATIVE) & set(sys.modules)
assert getattr(sys.modules.get("subprocess"), "_fork_exec", None) is None
assert wanted == ("subprocess" in sys.modules)
"""
    found = os.environ | {"PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), *sys.path])}
    subprocess.run([sys.executable, "-c", code], check=True, env=found)


def test_a_place_is_the_innermost_line_of_the_file_or_none():
    def inner():
        return guard.place_in("/in/hw01.py")

    text = "def outer(f):\n    return [\n        f()][0]\nfound = outer(inner)"
    names = {"inner": inner}
    exec(compile(text, "/in/hw01.py", "exec"), names)
    assert names["found"] == 3 and inner() == 0
