"""Mutants of the package's source, handed to the tests of their room.

Each is tried in a process of its own, forked from one that has loaded everything but the package; what the mutated
module would read from its file is handed to it instead, also in the processes that the tests start (planted.py), so no
file is touched and several can be tried at a time. The tests that bear the file's name come first; when they notice
nothing, the others of its room that run the function are asked, as far as a run without a fault tells.
"""

import ast
import dataclasses
import functools
import itertools
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

import hypothesis  # noqa: F401  (loaded once, for all)
import matplotlib.pyplot  # noqa: F401
import numpy  # noqa: F401
import PIL.Image  # noqa: F401
import pytest
import scipy.signal  # noqa: F401

from . import planted
from .equivalent import known_equivalents
from .operators import mutants
from .report import Row, sorted_out

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tinymaskrcnn"
MEMORY = 6 << 30  # bytes


def examined(room, *, wings=True, sample=None, seed=0, processes=2, rows=None):
    """The Row of a room ("nn") or of a file in it ("nn/layers.py"); SystemExit when its tests fail without a mutant.

    wings: the folders in it, too.
    rows: a file to which each mutant's fate is added as soon as it is known; what stands there is not tried again.
    """
    files = sorted((PACKAGE / room).glob("**/*.py" if wings else "*.py")) or [PACKAGE / room]
    if not files[0].is_file():
        raise SystemExit(f"{room}: no such room or file in {PACKAGE}")
    if sample is None:
        todo = [(path, mutant) for path in files for mutant in mutants(path.read_text(encoding="utf-8"))]
    else:
        todo = drawn(files, sample, seed)
    before = _fates(rows)
    todo_now = [(path, mutant) for path, mutant in todo if f"{_name(path)}: {mutant.key}" not in before]
    seen = {}
    for path in sorted({path for path, _ in todo_now}):
        seen |= {} if set(tests_of(path)) <= set(seen) else _undisturbed(_name(path), frozenset(tests_of(path)))
    known_already = [(path, m, before[f"{_name(path)}: {m.key}"]) for path, m in todo if (path, m) not in todo_now]
    unnoticed = []
    fates = itertools.chain(known_already, _tried(todo_now, seen, processes, rows))
    for number, (path, mutant, noticed) in enumerate(fates, start=1):
        if not noticed:
            unnoticed.append((f"line {mutant.line}: {mutant.name}", f"{_name(path)}: {mutant.key}"))
        if number % 10 == 0:
            print(f"{room}: {number} of {len(todo)}, {len(unnoticed)} unnoticed", file=sys.stderr, flush=True)
    known = known_equivalents("package").get(room.split("/")[0], {})
    row = sorted_out(room, len(todo), sorted(unnoticed), known)
    return Row(**{**vars(row), "stale": [] if sample is not None or "/" in room or not wings else row.stale})


def drawn(files, count, seed):
    """(path, mutant) of some lines, one of each line that can be mutated; all are far too many to write first."""
    rng, todo = random.Random(seed), []
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    places = [(path, line) for path, text in texts.items() for line in range(1, 1 + text.count("\n"))]
    rng.shuffle(places)
    for path, line in places:
        found = list(mutants(texts[path], lines=(line, line)))
        if found and len(todo) < count:
            todo.append((path, rng.choice(found)))
        if len(todo) == count:
            break
    return sorted(todo, key=lambda pair: (str(pair[0]), pair[1].line))


def tests_of(path):
    """The tests of a file's room, the one that bears its name first; of a room without a folder, those of its name."""
    room = path.parent.relative_to(PACKAGE)
    while not (folder := ROOT / "tests" / room).is_dir():
        named = [folder.with_name(f"test_{name}.py") for name in (path.stem, room.name)]
        if found := [str(p) for p in named if p.exists()]:
            return found
        room = room.parent
    if room == Path("."):
        return [str(ROOT / "tests" / f"test_{path.stem}.py")]
    own = [*folder.glob(f"test_{path.stem}*.py"), *folder.glob(f"test_*_{path.stem}.py")]
    rest = [p for p in sorted(folder.rglob("test_*.py")) if p not in own]
    return [str(p) for p in dict.fromkeys([*own, *rest])]


def lots_of(path, mutant, seen):
    """The tests of a mutant in two lots: those that bear its file's name, then the others that ran its function.

    seen {test file: Seen} of the room when nothing is wrong
    """
    named = re.compile(rf"test_(\w+_)?{path.stem}\.py")
    tests, begin = tests_of(path), _function_around(path.read_text(encoding="utf-8"), mutant.line)
    first = [test for test in tests if named.fullmatch(Path(test).name)]
    others = [test for test in tests if test not in first and seen[test].ran(path, begin)]
    return [lot for lot in (first, sorted(others, key=lambda test: seen[test].seconds)) if lot] or [tests]


def _function_around(source, line):
    """The line at which the function begins that a line stands in; None for what runs when the module is loaded."""
    inside = [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.body[0].lineno <= line <= node.end_lineno
    ]
    return max(inside, default=None)


@dataclasses.dataclass
class Seen:
    """What a file of tests did: seconds of processor; functions {file of the package: lines they begin at}; others:
    whether it started processes, which may have run anything."""

    seconds: float = 0.0
    functions: dict = dataclasses.field(default_factory=dict)
    others: bool = False

    def ran(self, path, begin):
        """Whether a function of a file was run, that which begins at this line; any for None."""
        found = self.functions.get(str(path), ())
        return self.others or (bool(found) if begin is None else begin in found)


def _name(path):
    return str(path.relative_to(PACKAGE))


def _fates(rows):
    """{key: noticed} of the mutants whose fate a file tells."""
    if rows is None or not Path(rows).exists():
        return {}
    return {row["key"]: row["noticed"] for row in map(json.loads, Path(rows).read_text(encoding="utf-8").splitlines())}


@functools.cache
def _undisturbed(name, tests):
    """{test file: Seen} of the tests of a file's room when nothing is wrong; run once, however many files ask."""
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "seen.json"
        child = _start([sorted(tests)], notes=notes)
        if os.waitpid(child, 0)[1]:
            raise SystemExit(f"{name}: the tests of its room fail as they are: {' '.join(sorted(tests))}")
        found = json.loads(notes.read_text(encoding="utf-8"))
        return {test: Seen(**found.get(test, {})) for test in tests}


class _Watch:
    """A plugin that writes down what each file of tests does."""

    def __init__(self, notes):
        self.notes, self.seen, self.now, self.run = notes, {}, Seen(), set()
        planted.watch(PACKAGE, self.run.add)
        sys.addaudithook(self._audit)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.now = self.seen.setdefault(str(item.path), Seen())
        self.run.clear()
        began = time.process_time()
        result = yield
        self.now.seconds += time.process_time() - began
        for path, line in self.run:
            lines = self.now.functions.setdefault(path, [])
            lines += [line] * (line not in lines)
        return result

    def pytest_sessionfinish(self):
        found = {test: dataclasses.asdict(seen) for test, seen in self.seen.items()}
        self.notes.write_text(json.dumps(found), encoding="utf-8")

    def _audit(self, event, args):
        if event in ("subprocess.Popen", "os.fork", "os.posix_spawn"):
            self.now.others = True


def _tried(todo, seen, processes, rows):
    """Yield (path, mutant, noticed) of each, some at a time.

    An endless loop shows in processor time, which other work on the machine does not lengthen; a wait without end
    only on the clock.
    """
    running, todo = {}, list(reversed(todo))
    while todo or running:
        while todo and len(running) < processes:
            path, mutant = todo.pop()
            lots = lots_of(path, mutant, seen)
            limits = [20 + int(3 * sum(seen[test].seconds for test in lot)) for lot in lots]
            child = _start(lots, limits, planting=(planted.module_of(path, PACKAGE), path, mutant.source))
            running[child] = path, mutant, time.monotonic() + 10 * sum(limits)
        for child in list(running):
            path, mutant, until = running[child]
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                del running[child]
                if rows is not None:
                    _add(rows, {"key": f"{_name(path)}: {mutant.key}", "line": mutant.line, "noticed": status != 0})
                yield path, mutant, status != 0
            elif time.monotonic() > until:
                os.killpg(child, signal.SIGKILL)
        time.sleep(0.02)


def _add(rows, row):
    with open(rows, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _start(lots, limits=(), *, planting=None, notes=None):
    """Fork a process that runs lots of tests until one fails; exit code 0: none does.

    limits: the seconds of processor after which each lot is ended; planting: the name of a module, its file and the
    source in its place; notes: a file for what each file of tests did.
    """
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        os.chdir(ROOT)
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        silent = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(silent, descriptor)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
        with tempfile.TemporaryDirectory() as folder:
            if planting is not None:
                planted.plant(*planting, Path(folder))
            options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", f"--basetemp={folder}/pytest"]
            for lot, limit in itertools.zip_longest(lots, limits):
                if limit is not None:
                    until = int(time.process_time()) + limit
                    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))
                code = pytest.main([*options, *lot], plugins=[_Watch(notes)] if notes else [])
                if code:
                    break
    except BaseException:
        code = 1
    os._exit(int(code))
