"""The rules of the house, read from the source: floors, pairs, no hidden state, one home for CuPy, a test per file."""

import ast
import functools
import inspect
import re
from pathlib import Path

import cases
import cupy_names
import pytest

import tinymaskrcnn
from tinymaskrcnn.contract import shape_line

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tinymaskrcnn"
FILES = sorted(PACKAGE.rglob("*.py"))
PATHS = {path.relative_to(PACKAGE).as_posix(): path for path in FILES}

GROUND = {"backend", "capacity", "contract", "counting", "devices", "errors"}
GROUND |= {"config", "config_changes", "config_kinds", "config_rules", "config_whole"}
FLOORS = [  # from the ground up; what stands on one floor does not know one another
    GROUND | {"files", "kernel_lookup", "machine", "plain_arrays", "structures"},
    {"kernels"},
    {"ops"},
    {"nn", "targets", "data", "testing"},
    {"models"},
    {"evaluation"},
    {"train", "explain"},
    {"interop", "visualize"},
    {"zoo"},
    {"experiment", "homework"},
    {"studies", "museum"},
    {"commands"},
    {"cli"},
    {"__main__"},
]
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names}
# A kernel is looked for by name, and runs where it is found.
BY_NAME = {("backend", "kernel_lookup"), *(("kernel_lookup", home) for home in ("kernels", "nn", "models"))}

# forward may change these: nothing but the running statistics of batch normalisation, which live in Buffers
STATE_ALLOWED = set()

# Files whose test is that of something else.
TESTED_ELSEWHERE = {
    "train/rcnn_fits.py": "train/test_rcnn_stages.py",
    "train/checks.py": "test_experiment.py",
    "data/proposals/smoothing.py": "data/proposals/test_segmentation.py",
    "config_kinds.py": "test_config_rules.py",
    "config_whole.py": "test_config_rules.py",
    "config_changes.py": "commands/test_commands_options.py",
    "studies/judge.py": "studies/test_measure.py",
    "studies/catalogue/crops.py": "studies/test_catalogue.py",
    "studies/catalogue/masks.py": "studies/test_catalogue.py",
    "studies/catalogue/networks.py": "studies/test_catalogue.py",
    "studies/catalogue/proposals.py": "studies/test_catalogue.py",
    "studies/catalogue/rcnn.py": "studies/test_catalogue.py",
    "studies/catalogue/training.py": "studies/test_catalogue.py",
    "__main__.py": "test_cli.py",
    "nn/more_layers.py": "nn/test_layers.py",
    "ops/more_norms.py": "ops/test_norm.py",
    "ops/grouped_conv.py": "ops/test_conv.py",
    "ops/more_losses.py": "ops/test_losses.py",
    "ops/average_pool.py": "ops/test_pool.py",
    "ops/bilinear.py": "ops/test_resize.py",
    "ops/roi_align_boxes.py": "ops/test_roi_align.py",
    "ops/roi_samples.py": "ops/test_roi_align.py",
    "ops/softmax.py": "ops/test_activation.py",
    "kernels/edge_gradient.py": "ops/test_pyramid_boxes.py",
    "kernels/c/correlate.py": "kernels/c/test_kernels_c_conv.py",
    "kernels/c/winograd.py": "kernels/c/test_kernels_c_conv.py",
    "models/build.py": "models/test_mask_rcnn.py",
    "models/faster_rcnn.py": "models/test_systems.py",
    "models/backbones/frozen.py": "models/backbones/test_resnet.py",
    "homework/worker.py": "homework/test_remote.py",
    "homework/student.py": "homework/test_remote.py",
    "homework/asking.py": "homework/test_remote.py",
    "museum/worker.py": "museum/test_visit.py",
    "museum/subjects.py": "museum/test_views.py",
    "museum/checks_of_networks.py": "museum/test_checks.py",
    **{f"museum/exhibits/{room}.py": "museum/test_exhibit.py" for room in ("crops", "detection", "losses", "learning")},
    "museum/exhibits/harmless.py": "museum/test_exhibit.py",
    "commands/annotate_page.py": "commands/test_commands_annotate.py",
    "data/coco_report.py": "data/test_coco_check.py",
    "data/coco_entries.py": "data/test_coco_check.py",
    "data/coco_objects.py": "data/test_coco_check.py",
}


@functools.cache
def tree_of(path):
    """The parsed source of a file; not while tests are collected, which every process does."""
    return ast.parse(PATHS[path].read_text())


def home(path):
    """ops/conv.py -> ops, backend.py -> backend, __init__.py -> the package itself."""
    first = path.split("/")[0]
    return first.removesuffix(".py")


def trees():
    return [(path, tree_of(path)) for path in PATHS]


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def holds(rule, names):
    """One test of a rule for hundreds of files: fails with everything that rule(name) complains of, of all of them."""
    names = sorted(names)
    assert names, "nothing to look at"
    complaints = [complaint for name in names for complaint in rule(name)]
    if complaints:
        pytest.fail("\n".join(complaints), pytrace=False)


def test_a_rule_is_asked_of_all_and_all_complaints_are_told():
    holds(lambda name: [], ["a", "b"])
    with pytest.raises(pytest.fail.Exception, match="a is short\na is odd\nc is short"):
        holds({"a": ["a is short", "a is odd"], "b": [], "c": ["c is short"]}.get, ["c", "b", "a"])
    with pytest.raises(AssertionError, match="nothing to look at"):
        holds(lambda name: [], [])


# ---------------------------------------------------------------- imports


def package_imports(path, tree, *, top_level_only=False):
    """(line, dotted name inside the package) of every import of the package in a file."""
    folder = ("tinymaskrcnn/" + path).split("/")[:-1]
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            if node.level:
                base = folder[: len(folder) - node.level + 1]
            elif (node.module or "").split(".")[0] == "tinymaskrcnn":
                base = []
            else:
                continue
            base = base + (node.module.split(".") if node.module else [])
            for alias in node.names:
                yield node.lineno, resolve([*base, alias.name][1:])
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "tinymaskrcnn":
                    yield node.lineno, resolve(alias.name.split(".")[1:])


def resolve(parts):
    """The file behind a dotted name: ops.conv.conv2d_forward -> ops/conv.py, the package itself -> __init__.py."""
    parts = tinymaskrcnn._HOMES.get(parts[0], parts[0]).split(".") + parts[1:] if parts else []
    for length in range(len(parts), -1, -1):
        for candidate in ("/".join(parts[:length]) + ".py", "/".join([*parts[:length], "__init__.py"])):
            if candidate in PATHS:
                return candidate
    return "__init__.py"


def test_every_file_has_a_floor():
    homes = {home(path) for path in PATHS} - {"__init__"}
    assert homes == set(FLOOR), "say in FLOORS where it belongs"


def may_import(path, target):
    """From a lower floor, or from a file of the same folder; at the ground these are the files of the ground."""
    if home(target) == "__init__":
        return True  # the version; what else the package offers is resolved to where it is
    same_folder = home(path) == home(target) or {home(path), home(target)} <= FLOORS[0]
    return same_folder or FLOOR[home(target)] < FLOOR[home(path)]


def imports_from_above(path):
    for line, target in package_imports(path, tree_of(path)):
        if not may_import(path, target):
            yield f"{path}:{line} imports {target}, which does not stand below it"
    for line, other in asked_for_by_name(tree_of(path)):
        if not (may_import(path, other) or (home(path), other) in BY_NAME):
            yield f"{path}:{line} asks for {other} by name"


def test_imports_come_from_lower_floors():
    holds(imports_from_above, set(PATHS) - {"__init__.py"})


def asked_for_by_name(tree):
    """(line, folder or file of the package) of every import_module(...) whose argument says one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "import_module"):
            said = ast.unparse(node.args[0])
            if re.match(r"""f?['"](\{|\.|tinymaskrcnn\.)""", said):  # and not numpy.testing
                yield from ((node.lineno, name) for name in re.findall(r"\.(\w+)", said) if name in FLOOR)


@pytest.mark.parametrize(
    ("source", "path", "fits"),
    [
        ("from ..evaluation import oks", "data/rle.py", False),
        ("def f():\n    from ..interop.model_file import load_model", "data/tour.py", False),
        ("from ..targets import roi", "nn/layers.py", False),  # a neighbour on the same floor
        ("import tinymaskrcnn.experiment", "interop/onnx.py", False),
        ("from tinymaskrcnn import Experiment", "visualize/film.py", False),  # wherever it is offered
        ("from .. import build_model", "data/coco.py", False),
        ("from .commands import train", "config.py", False),
        ("from .. import __version__", "interop/onnx.py", True),
        ("from .. import Detections", "ops/nms.py", True),
        ("from ..data import rle", "evaluation/matching.py", True),
        ("from . import polygons", "data/spans.py", True),
        ("from .config_rules import check", "config.py", True),
    ],
)
def test_the_search_for_imports_from_above_finds_them(source, path, fits):
    assert all(may_import(path, target) for _, target in package_imports(path, ast.parse(source))) == fits


def test_the_search_for_what_is_asked_for_by_name_finds_it():
    lines = ['importlib.import_module(f"{__package__}.kernels")', 'import_module(".models.build", package)']
    lines += ['import_module("numpy.testing")', "import_module(name)"]
    assert sorted(asked_for_by_name(ast.parse("\n".join(lines)))) == [(1, "kernels"), (2, "models")]


def test_ops_never_import_kernels():
    for path, tree in trees():
        if home(path) == "ops":
            assert all(home(target) != "kernels" for _, target in package_imports(path, tree)), path


def test_no_import_cycles():
    edges = {path: {t for _, t in package_imports(path, tree) if t != path} for path, tree in trees()}
    done, trail = set(), []

    def visit(path):
        if path in trail:
            raise AssertionError("import cycle: " + " -> ".join([*trail[trail.index(path) :], path]))
        if path not in done:
            trail.append(path)
            for target in sorted(edges[path]):
                visit(target)
            trail.pop()
            done.add(path)

    for path in sorted(edges):
        visit(path)


def test_cupy_has_one_home():
    for path, tree in trees():
        if path in ("backend.py", "devices.py") or home(path) == "kernels":
            continue
        found = [(line, name) for line, name in every_import(tree) if re.fullmatch(r"cupyx?(\..*)?", name)]
        assert not found, f"{path} imports {found}"


def every_import(tree):
    """(line, module) of import statements and of import_module("...") calls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "import_module"):
            yield node.lineno, str(getattr(node.args[0], "value", ""))


# ---------------------------------------------------------------- pairs


def pair_functions(tree):
    names = {node.name for node in functions(tree)}
    return {name for name in names if name.endswith("_forward")}, names


def lonely_forwards(path):
    forwards, names = pair_functions(tree_of(path))
    for name in sorted(forwards):
        if name.replace("_forward", "_backward") not in names:
            yield f"{path}: {name} has no backward in the same file"
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ClassDef):
            methods = {f.name for f in node.body if isinstance(f, ast.FunctionDef)}
            if ("forward" in methods) != ("backward" in methods):
                yield f"{path}: class {node.name} has one of forward and backward"


def test_every_forward_stands_with_its_backward():
    holds(lonely_forwards, (p for p in PATHS if home(p) in ("ops", "nn", "models")))


def what_a_pair_lacks(name):
    for function in cases.find_pair(name):
        if not (shape_line(function) and "->" in (inspect.getdoc(function) or "")):
            yield f"{function.__name__}: the docstring needs a line `x (N, C)  ->  y (N, C)`"
        if not getattr(function, "checked", False):
            yield f"{function.__name__} needs @checked"


def test_every_public_pair_has_a_shape_line_and_a_door():
    holds(what_a_pair_lacks, (n for n, (f, _) in cases.public_pairs().items() if ".ops." in f.__module__))


# ---------------------------------------------------------------- no hidden state


def assigned_on_self(function):
    """(line, attribute) of every `self.x = `, `self.x += `, `self.x[...] = ` and `self.x.append(...)`-like call."""
    changing = {"append", "extend", "insert", "update", "setdefault", "pop", "clear", "add", "remove"}
    for node in ast.walk(function):
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            parts = [part for t in targets for part in (t.elts if isinstance(t, ast.Tuple) else [t])]
            for part in parts:
                path = attribute_path(part)
                if path[0] == "self" and len(path) > 1 and path[-1] != "grad":
                    yield node.lineno, path[1]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in changing:
            path = attribute_path(node.func.value)
            if path[0] == "self" and len(path) > 1:
                yield node.lineno, path[1]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("setattr", "vars"):
            yield node.lineno, node.func.id


def attribute_path(node):
    """self.w[0].grad -> ["self", "w", "grad"]."""
    names = []
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        names += [node.attr] if isinstance(node, ast.Attribute) else []
        node = node.value
    return [node.id if isinstance(node, ast.Name) else "", *reversed(names)]


def changed_state(path):
    for function in functions(tree_of(path)):
        if {"forward", "backward"} & set(function.name.split("_")):
            found = [(line, name) for line, name in assigned_on_self(function) if name not in STATE_ALLOWED]
            if found:
                yield f"{path}: {function.name} changes self: {found}"


def test_forward_and_backward_keep_nothing_on_self():
    holds(changed_state, (p for p in PATHS if home(p) in ("nn", "models")))


def test_the_search_for_state_finds_it():
    lines = ["self.a = x", "self.b[0] = x", "self.c.append(x)", "self.d += 1", "y, self.e = x"]
    lines += ["self.w.grad += x", "y.append(1)", "y = x"]  # these are fine
    function = ast.parse("def forward(self, x):\n  " + "\n  ".join(lines)).body[0]
    assert sorted(name for _, name in assigned_on_self(function)) == ["a", "b", "c", "d", "e"]


RANDOM_ALLOWED = {"default_rng", "Generator", "SeedSequence", "PCG64", "Philox"}


def global_randomness(tree):
    """(line, what) of np.random.<legacy function> and of the random module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "random":
            if isinstance(node.value.value, ast.Name) and node.value.value.id in ("np", "numpy", "xp", "cupy"):
                if node.attr not in RANDOM_ALLOWED:
                    yield node.lineno, f"np.random.{node.attr}"
        elif isinstance(node, ast.Import) and any(alias.name == "random" for alias in node.names):
            yield node.lineno, "import random"
        elif isinstance(node, ast.ImportFrom) and node.module in ("random", "numpy.random"):
            yield node.lineno, f"from {node.module} import"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "default_rng":
            if not node.args and not node.keywords:
                yield node.lineno, "default_rng() without a seed"


def test_no_global_randomness():
    paths = [p for p in PATHS if home(p) != "testing"]
    holds(lambda path: [f"{path}:{line} {what}" for line, what in global_randomness(tree_of(path))], paths)


def test_the_search_for_randomness_finds_it():
    source = "import random\nnp.random.rand(3)\nnp.random.default_rng()\nnp.random.default_rng(3)"
    assert sorted(line for line, _ in global_randomness(ast.parse(source))) == [1, 2, 3]


# ---------------------------------------------------------------- CuPy's names


def names_used_on(tree, variable="xp"):
    """{dotted name after `xp.`: line}."""
    found = {}
    for node in ast.walk(tree):
        parts, base = [], node
        while isinstance(base, ast.Attribute):
            parts.append(base.attr)
            base = base.value
        if parts and isinstance(base, ast.Name) and base.id == variable:
            found[".".join(reversed(parts))] = node.lineno
        if parts and isinstance(base, ast.Call) and getattr(base.func, "id", "") == "array_module":
            found[".".join(reversed(parts))] = node.lineno
    return found


def test_every_xp_name_exists_in_cupy():
    names = cupy_names.read()

    def unknown(path):
        for dotted, line in names_used_on(tree_of(path)).items():
            first, _, second = dotted.partition(".")
            if second and f"cupy.{first}" in names:
                known = second.split(".")[0] in names[f"cupy.{first}"]
            else:
                known = first in ("__name__", "lib") or first in names["cupy"]
            if not known:
                yield f"{path}:{line} xp.{dotted} does not exist in CuPy"

    holds(unknown, (p for p in PATHS if home(p) in ("ops", "nn", "targets", "models")))


def test_the_search_for_names_finds_them():
    tree = ast.parse("xp.insert(x)\narray_module(y).block(y)\nxp.linalg.norm(x)")
    assert {"insert", "block", "linalg.norm"} <= set(names_used_on(tree))


# ---------------------------------------------------------------- files are written in one place

WRITES_ITSELF = {  # what is not there whole or not at all, and why
    "train/metrics.py": "open(path, 'a', encoding='utf-8')",  # a row is added in a single write
    "data/download.py": "open(part, 'ab' if resumed else 'wb')",  # bytes gather for days; then files.put_in_place
    "homework/files.py": "path.rename(place / path.name)",  # results of before move to a new folder as they are
    "homework/worker.py": "os.fdopen(args.answers, 'wb')",  # the pipe to the process that asked
    "museum/worker.py": "os.fdopen(os.dup(1), 'wb')",  # its output, which is the answer
    "kernels/wasm/gemm.py": "tempfile.NamedTemporaryFile(suffix='.so')",  # a library, loaded and gone
    "commands/doctor.py": "tempfile.TemporaryFile(dir=folder)",  # without a name: it asks whether a folder takes one
}
MAKE = {"rename", "renames", "link", "symlink", "symlink_to", "hardlink_to", "move", "copy2", "copyfile", "copytree"}
MAKE |= {"touch", "write_text", "write_bytes", "mkstemp", "mkdtemp"}
MAKE |= {"NamedTemporaryFile", "TemporaryFile", "TemporaryDirectory"}
SAVE = {"save", "savez", "savez_compressed", "savetxt", "savefig", "imsave", "tofile", "dump"}
OPEN_FILES = {"file", "buffer"}  # so we call what is open already


def own_writes(tree):
    """What makes, fills or renames a file without asking files.py."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [ast.unparse(call) for call in calls if _opens(call) or _saves(call) or _makes(call)]


def _opens(call):
    """open(path, "w"), path.open("w") and their like; a mode that is worked out may be any."""
    bare = isinstance(call.func, ast.Name)
    modes = call.args[1:2] + [word.value for word in call.keywords if word.arg == "mode"]
    modes += [] if bare else call.args[:1]
    texts = [str(part.value) for mode in modes for part in ast.walk(mode) if isinstance(part, ast.Constant)]
    writes = any(re.fullmatch("[rbt]*[wxa+][bt+]*", text) for text in texts) or (bare and modes and not texts)
    return ast.unparse(call.func).split(".")[-1] in ("open", "fdopen", "ZipFile") and writes


def _saves(call):
    """np.save(path, x), figure.savefig(path): into a name, and not into what is open."""
    *whose, name = ast.unparse(call.func).split(".")
    into = {ast.unparse(part) for part in call.args[:2]}
    return name in SAVE and whose != ["run"] and bool(into) and not into & OPEN_FILES  # run: a RunFolder


def _makes(call):
    *whose, name = ast.unparse(call.func).split(".")
    path = len(call.args) == 1 and not call.keywords  # a text's replace takes two
    replaces = name == "replace" and (path or whose == ["os"])
    return name in MAKE or replaces or (whose, name) == (["shutil"], "copy")


def unexpected_writes(path):
    expected = [call for where, call in WRITES_ITSELF.items() if where == path]
    found = own_writes(tree_of(path))
    if found != expected:
        yield f"{path} writes by {found}, and {expected} is known"


def test_files_alone_writes_files():
    assert set(WRITES_ITSELF) <= set(PATHS)
    holds(unexpected_writes, set(PATHS) - {"files.py"})


@pytest.mark.parametrize(
    "line",
    [
        'open(path, "w")',
        'open(path, mode="xb")',
        "open(path, mode)",
        'Path("a.txt").open("w")',
        'os.fdopen(handle, "w")',
        "os.replace(part, path)",
        "part.replace(path)",
        "os.rename(part, path)",
        "path.write_text(text)",
        'path.with_name("x").write_bytes(b"")',
        "tempfile.NamedTemporaryFile(delete=False)",
        "shutil.move(part, path)",
        "np.savez(path, x=x)",
        'picture.save("a.png")',
        "json.dump(entries, open(path, 'w'))",
    ],
)
def test_the_search_for_own_writes_finds_them(line):
    assert own_writes(ast.parse(line))


def test_the_search_for_own_writes_leaves_reading_and_texts_alone():
    lines = ["open(path)", 'open(path, "rb")', 'path.open("rb")', 'Image.open("b.png")', 'text.replace("a", "b")']
    lines += ["dataclasses.replace(config, steps=3)", "np.savez(file, x=x)", "figure.savefig(buffer)", "x.copy()"]
    lines += ['whole_file(path, "w")', "write_whole(path, text)"]
    assert own_writes(ast.parse("\n".join(lines))) == []


# ---------------------------------------------------------------- sizes, tests beside files


def what_is_too_long(path):
    if len((PACKAGE / path).read_text().splitlines()) > 400:
        yield f"{path} is longer than 400 lines"
    for function in functions(tree_of(path)):
        length = function.end_lineno - function.lineno + 1
        if length > 60:
            yield f"{path}: {function.name} has {length} lines, more than 60"


def test_sizes_that_read_well():
    holds(what_is_too_long, PATHS)


def missing_tests(path):
    *folders, name = path.removesuffix(".py").split("/")
    if path in TESTED_ELSEWHERE:
        if not (ROOT / "tests" / TESTED_ELSEWHERE[path]).exists():
            yield f"{path}: there is no tests/{TESTED_ELSEWHERE[path]}"
        return
    if "testing" in folders or "exercises" in folders:
        return  # all of it is tested as one, in test_testing.py and in homework/test_mutants.py
    expected = {f"test_{name}.py", f"test_{'_'.join([*folders, name])}.py"}
    present = {p.name for p in (ROOT / "tests").joinpath(*folders).glob("test_*.py")}
    if not expected & present:
        yield f"{path} needs tests/{'/'.join([*folders, f'test_{name}.py'])}"


def test_tests_mirror_the_package():
    holds(missing_tests, (p for p in PATHS if not p.endswith("__init__.py")))


def test_names_of_test_files_are_unique():
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names)), sorted(n for n in names if names.count(n) > 1)
