"""Change a readable function and see what happens: a kernel whose twin has another text steps back, and the text runs.

`texts.json` holds a digest of the text of every function with `@has_kernel`, and of all that it uses, found by reading
the source: functions of its own file and of its imports, theirs as well, and so on. Not followed are methods, which are
only known when the program runs (for what a container's kernel knows of its layers, see ALSO), nor constants. Comments
are text. After a change that the kernels share: python -m tinymaskrcnn.kernels.texts
"""

import ast
import functools
import hashlib
import importlib.util
import json
import warnings
from pathlib import Path

from ..files import write_whole

PACKAGE = __package__.rpartition(".")[0]
ROOT = Path(__file__).parent.parent
RECORD = Path(__file__).parent / "texts.json"
ROOMS = ("ops", "nn", "targets", "models", "train")  # where texts are; what is below them is no student's
LAYERS = ("Conv2d.forward", "BatchNorm2d.forward", "ReLU.forward", "FrozenBatchNorm2d.forward", "Sequential.forward")
ALSO = {  # what a kernel does in the place of other functions, besides that of its name
    "Sequential.forward": ("Conv2d.forward", "BatchNorm2d.forward", "ReLU.forward", "FrozenBatchNorm2d.forward"),
    "Sequential.backward": ("BatchNorm2d.backward", "ReLU.backward"),
    "ResidualBlock.forward": ("ReLU.forward",),
    "MaskPredictor.forward": ("ConvTranspose2d.forward",),
    "MaskPredictor.backward": ("ConvTranspose2d.backward",),
    "MaskRCNN.look": (
        *LAYERS,
        *("Identity.forward", "ResidualBlock.forward", "Body.forward", "FPN.forward", "RPNHead.forward", "RPN.forward"),
    ),
    "Head.forward": (
        *LAYERS,
        *("Identity.forward", "ConvTranspose2d.forward", "MaskPredictor.forward"),
    ),
}
HOMES = {  # of the names in ALSO; of all others nn.layers
    "FrozenBatchNorm2d.forward": "nn.more_layers",
    "Sequential.forward": "nn.module",
    "Identity.forward": "nn.module",
    "ResidualBlock.forward": "models.backbones.resnet",
    "Body.forward": "models.backbones.resnet",
    "FPN.forward": "models.backbones.fpn",
    "RPNHead.forward": "models.rpn",
    "RPN.forward": "models.rpn",
    "MaskPredictor.forward": "models.heads.mask",
}


@functools.cache
def edited(readable):
    """Whether a function has another text than its kernels were written for; then it says so, once.

    Without a source to look at, as in a frozen program, no.
    """
    name = readable.__qualname__
    if name not in _record() or readable.__module__.split(".")[0] != PACKAGE:
        return False
    _source.cache_clear()  # a module that was loaded again may have another one
    found = digest(readable.__module__, name)
    if found in (None, _record()[name]):
        return False
    warnings.warn(
        f"{name} in {readable.__code__.co_filename}, or a function that it uses, is not what its kernel was written "
        "for: the text runs. If the kernel does the same as before, say so with python -m tinymaskrcnn.kernels.texts",
        stacklevel=4,
    )
    return True


def digest(module, name):
    """What stands for the text of a function ("f" or "Class.f") and of all that it uses; None without its source."""
    if name not in _definitions(module):
        return None
    others = ((f"{PACKAGE}.{HOMES.get(other, 'nn.layers')}", other) for other in ALSO.get(name, ()))
    waiting, texts = [(module, name), *others], {}
    while waiting:
        place = waiting.pop()
        if place not in texts:
            texts[place], node = _definitions(place[0])[place[1]]
            waiting += [found for name in _names(node) if (found := _found(place[0], name))]
    return hashlib.sha256("\n\n".join(sorted(texts.values())).encode()).hexdigest()[:16]


def _found(module, name):
    """(module, name) of the function that a name, or `module.name`, stands for in a module; None when it is none."""
    if name in _definitions(module):
        return module, name
    first, _, rest = name.partition(".")
    home, thing = _imports(module).get(first, (None, None))
    if home is None:
        return None
    home, thing = (f"{home}.{thing}", rest) if rest else (home, thing)
    return (home, thing) if _is_text(home) and thing in _definitions(home) else None


def _is_text(module):
    return module.startswith(tuple(f"{PACKAGE}.{room}." for room in ROOMS))


def _definitions(module):
    """{name: (text, syntax tree)} of the functions and methods of a module; empty without its source."""
    source = _source(module)
    return {} if source is None else _read(source)[0]


def _imports(module):
    """{name: (module, name there)} of what a module takes from the package."""
    folder = module.split(".")[:-1]
    relative = _read(_source(module))[1]
    return {name: (".".join([*folder[: len(folder) - up], *inner]), thing) for name, up, inner, thing in relative}


@functools.lru_cache(maxsize=256)
def _source(module):
    try:
        spec = importlib.util.find_spec(module)
        return spec.loader.get_source(module) if spec else None
    except (ImportError, AttributeError, OSError):
        return None


@functools.lru_cache(maxsize=256)
def _read(source):
    """The functions of a source, and its relative imports as (name, folders up, modules down, name there)."""
    tree, lines = ast.parse(source), [line.rstrip() for line in source.splitlines()]
    functions, imports = {}, []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            functions[node.name] = _text(node, lines), node
        elif isinstance(node, ast.ClassDef):
            inner = (part for part in node.body if isinstance(part, ast.FunctionDef))
            functions |= {f"{node.name}.{part.name}": (_text(part, lines), part) for part in inner}
        elif isinstance(node, ast.ImportFrom) and node.level:
            inner = node.module.split(".") if node.module else []
            imports += [(alias.asname or alias.name, node.level - 1, inner, alias.name) for alias in node.names]
    return functions, imports


def _text(node, lines):
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(lines[first - 1 : node.end_lineno])


@functools.lru_cache(maxsize=1024)
def _names(node):
    """All names that a function reads, and each `name.attribute`; in the order of the alphabet."""
    found = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            found.add(inner.id)
        elif isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name):
            found.add(f"{inner.value.id}.{inner.attr}")
    return sorted(found)


@functools.cache
def _record():
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}


def current():
    """{name: digest} of every function and method with `@has_kernel`, as they are now."""
    found = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            module = ".".join((PACKAGE, *path.relative_to(ROOT).with_suffix("").parts))
            for name, (text, _) in _definitions(module).items():
                if "@has_kernel" in text.split("def ")[0]:
                    found[name] = digest(module, name)
    return dict(sorted(found.items()))


if __name__ == "__main__":
    write_whole(RECORD, (json.dumps(current(), indent=1) + "\n").encode())
    print(f"{len(current())} texts recorded in {RECORD}")
