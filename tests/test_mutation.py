"""The faults that are planted, and that planting them is noticed where a test is strong and not where none is."""

import builtins
import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mutation import package
from mutation import planted as planting
from mutation.homework import Handed, _unnoticed, examined, killer
from mutation.operators import Mutant, mutants
from mutation.report import sorted_out, table

from tinymaskrcnn.homework.exercises import find_exercise

SOURCE = '''
def scale(x, stride, *, eps=1e-5):
    """Twice the sum of 3 rows."""
    if x.ndim > 1 and len(x):
        x = x.astype(np.float32) - stride[0]
    total = x.sum(axis=0, keepdims=True)
    total += np.maximum(x, eps)
    return (x + 1) / total
'''


@pytest.fixture(scope="module")
def planted():
    return list(mutants(SOURCE))


@pytest.mark.parametrize(
    "text",
    [
        "if x.ndim >= 1 and len(x):",
        "if x.ndim > 2 and len(x):",
        "if x.ndim > 1:",
        "if True:",
        "x = x.astype(np.float64) - stride[0]",
        "x = x - stride[0]",
        "x = x.astype(np.float32) + stride[0]",
        "x = x.astype(np.float32) - stride[1]",
        "x = x.astype(np.float32) - stride[::-1][0]",
        "total = x.sum(axis=1, keepdims=True)",
        "total = x.sum(axis=0)",
        "total = x.mean(axis=0, keepdims=True)",
        "total = np.maximum(x, eps)",
        "total -= np.maximum(x, eps)",
        "total += np.minimum(x, eps)",
        "total += x",
        "total += np.maximum(x, eps, out=x)",
        "return (x + 1) * total",
        "return (x + 1) / (total + 1e-8)",
        "return (x) / total",
        "def scale(x, stride, *, eps=0.0001):",
        "pass",
    ],
)
def test_every_kind_of_fault_is_planted(planted, text):
    assert text in [mutant.after for mutant in planted]


def test_no_mutant_is_the_source_and_no_two_are_equal(planted):
    meanings = [mutant.source for mutant in planted]
    assert len(set(meanings)) == len(meanings) and SOURCE not in meanings
    assert all(compile(source, "mutant", "exec") for source in meanings)


def test_words_are_no_faults(planted):
    assert not [mutant for mutant in planted if "rows." in mutant.before]
    raising = "def f(x):\n    if x > 1:\n        raise ValueError(f'{x + 1} of 2')\n"
    assert {mutant.line for mutant in mutants(raising)} == {2}


def test_lines_limit_where_faults_are_planted():
    assert {mutant.line for mutant in mutants(SOURCE, lines=(6, 6))} == {6}


def test_a_right_solution_survives_and_a_wrong_one_does_not():
    exercise = find_exercise("hw01.linear_backward")

    def right():
        return lambda dy, cache: (dy @ cache[1].T, cache[0].T @ dy, np.einsum("ko->o", dy))

    def endless():
        def function(dy, cache):
            while True:
                pass

        return function

    assert killer(exercise, right) is None
    assert killer(exercise, lambda: lambda dy, cache: (dy @ cache[1].T, cache[0].T @ dy, dy[0])) is not None
    assert killer(exercise, endless, seconds=0.2) is not None


def test_a_mutant_that_ends_the_process_is_noticed_and_the_next_one_tried():
    exercise = find_exercise("hw01.linear_backward")
    right = Handed("right", "right", exercise.blank.reference)
    fatal = Handed("fatal", "fatal", lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert list(_unnoticed(exercise, [right, fatal, right, fatal], True, 0)) == [0, 2]


def test_a_mutant_is_not_blamed_for_what_the_one_before_it_damaged():
    exercise = find_exercise("hw01.linear_backward")
    damaged = []

    def damaging():
        damaged.append(True)
        return exercise.blank.reference()

    def harmless():
        if damaged:
            os.kill(os.getpid(), signal.SIGKILL)
        return exercise.blank.reference()

    tried = [Handed("", "", make) for make in (damaging, harmless, harmless)]
    assert list(_unnoticed(exercise, tried, True, 0)) == [0, 1, 2]


def test_what_is_not_noticed_is_equivalent_for_a_reason_or_survives():
    row = sorted_out("place", 5, [("a", "x => y"), ("b", "y => z")], {"x => y": "the same", "gone": "long ago"})
    assert (row.killed, row.survivors, row.stale) == (3, [("b", "y => z")], ["gone"])
    assert "survives place: b" in table([row]) and "stale" in table([row])


def test_a_check_that_knows_one_case_lets_mutants_survive():
    import dataclasses

    exercise = find_exercise("hw01.softmax_backward")
    weak = dataclasses.replace(exercise, cases=exercise.cases[:1])
    assert len(examined(weak).survivors) > len(examined(exercise).survivors)


def test_every_file_of_the_package_has_tests_of_its_own():
    """A file without any would be tried against all tests there are."""
    for path in package.PACKAGE.rglob("*.py"):
        if path.parent != package.PACKAGE:
            assert package.tests_of(path) and all(Path(p).is_file() for p in package.tests_of(path)), path
    (one, *_) = package.tests_of(package.PACKAGE / "testing" / "memory.py")
    assert Path(one).name == "test_memory.py"
    exercise = package.tests_of(package.PACKAGE / "homework" / "exercises" / "hw01.py")
    assert {Path(p).parent.name for p in exercise} == {"homework"}


def test_a_divisor_is_held_at_1_where_it_may_be_less():
    may_be_less = {"n": True, "max(n, 0.5)": True, "max(n, 1)": False, "np.maximum(n, 2)": False, "2": False}
    for text, held in may_be_less.items():
        names = [mutant.name for mutant in mutants(f"y = x / {text}")]
        assert ("divisor held at 1" in names) == held, text
    assert list(mutants("path = folder / 'name'"))  # a path is no number


def test_only_what_may_be_an_array_is_kept_in_float32():
    may_be = {"x.sum(axis=0)": True, "np.exp(x)": True, "Workspace(x)": False, "len(x)": False, "data.decode()": False}
    may_be |= {"name.split('_')": False, "', '.join(names)": False, "dataclasses.replace(config, steps=steps)": False}
    for text, kept in may_be.items():
        names = [mutant.name for mutant in mutants(f"y = {text}")]
        assert ("kept in float32" in names) == kept, text


def test_annotations_are_words():
    assert not list(mutants("x: dict[str, int] | None"))
    assert not list(mutants("def f(x: a | b) -> tuple[int, str]: pass"))


def test_the_tests_that_bear_the_name_come_first_and_then_those_that_ran_the_function():
    path = package.PACKAGE / "explain" / "trace.py"
    lines = path.read_text().splitlines()
    inside = next(i for i, line in enumerate(lines, 1) if "order = nms.top_n" in line)
    begins = next(i for i, line in enumerate(lines, 1) if line.startswith("def _anchors"))
    own, *rest = package.tests_of(path)
    (other,) = (test for test in rest if Path(test).name == "test_fate.py")
    assert Path(own).name == "test_trace.py"

    def lots(line, seen):
        mutant = Mutant("name", line, "", "", "")
        nothing = dict.fromkeys([own, *rest], package.Seen())
        return package.lots_of(path, mutant, nothing | {other: seen})

    assert lots(inside, package.Seen()) == [[own]]
    assert lots(inside, package.Seen(1.0, {str(path): [7, begins]})) == [[own], [other]]
    assert lots(inside, package.Seen(1.0, {str(path): [begins + 1]})) == [[own]]
    assert lots(inside, package.Seen(others=True)) == [[own], [other]]
    assert lots(begins, package.Seen(1.0, {str(path): [7]})) == [[own], [other]]  # runs when the module is loaded


def test_a_planted_source_also_reaches_the_processes_that_the_tests_start(tmp_path):
    """Most of checking homework happens in processes of their own."""
    source = "BOOT = 1\n"
    code = f"""
import subprocess, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from mutation import planted
planted.plant("tinymaskrcnn.homework.guard", Path("guard.py"), {source!r}, Path({str(tmp_path)!r}))
from tinymaskrcnn.homework import guard
assert vars(guard)["BOOT"] == 1
subprocess.run([sys.executable, "-P", "-c", "from tinymaskrcnn.homework import guard; guard.BOOT"], check=True)
"""
    found = os.environ | {"PYTHONPATH": str(package.ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=found)


def test_functions_that_are_run_tell_where_they_begin(tmp_path):
    folder = tmp_path / "watched_here"
    folder.mkdir()
    (folder / "__init__.py").write_text("def outer():\n    'Says so.'\n    return 1\n")
    (folder / "part.py").write_text("from . import outer\n\n\nclass A:\n    def f(self):\n        return __name__\n")
    found = []
    try:
        planting.watch(folder, found.append)
        part = importlib.import_module("watched_here.part")
        assert part.A().f() == "watched_here.part" and part.outer.__doc__ == "Says so."
    finally:
        del sys.meta_path[0], builtins.__function_that_runs__
    assert found == [(str(folder / "part.py"), 5)]
