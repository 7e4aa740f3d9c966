"""The package without the solution of one blank: what a student's process imports while that blank is checked.

What is not there cannot be called, by whatever road. The readable text of all other functions is there, the kernels and
the loop definitions are not: they would be a second solution.
"""

import ast
import importlib.machinery
import sys

from .library import StandIn

ABSENT = "tinymaskrcnn.kernels"
NAIVE = "tinymaskrcnn.ops.naive"


def cut_out(text, functions, identifier):
    """The syntax tree of a module's source with empty bodies for some functions ("f", "Class.f")."""
    tree = ast.parse(text)
    for node, name in _functions(tree):
        if name in functions:
            kept = node.body[:1] if ast.get_docstring(node) is not None else []  # it says which shapes are checked
            node.body = kept + ast.parse(_refusal(identifier)).body
    return ast.fix_missing_locations(tree)


def _refusal(identifier):
    words = f"the package's own solution of {identifier} is not there while yours is checked"
    return f"import sys\nsys.audit('tinymaskrcnn.solution', {identifier!r})\nraise PermissionError({words!r})"


def _functions(tree):
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node, node.name
        elif isinstance(node, ast.ClassDef):
            yield from ((inner, f"{node.name}.{inner.name}") for inner in node.body if hasattr(inner, "name"))


class Cut:
    """A finder of modules, the first to be asked: install it before anything of the package's floors is imported."""

    def __init__(self, blank, without=()):
        self.module, self.identifier = blank.module, blank.id
        self.functions = {".".join(filter(None, (blank.class_name, blank.function))), *without}

    def install(self):
        if self.module in sys.modules:
            raise RuntimeError(f"{self.module} is imported already, with its solutions")
        sys.meta_path.insert(0, self)
        sys.modules[NAIVE] = StandIn(NAIVE)

    def find_spec(self, name, path=None, target=None):
        if name == ABSENT or name.startswith(ABSENT + "."):
            raise ModuleNotFoundError(f"{name} is not there when homework is checked", name=name)
        if name != self.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        spec.loader = _CutLoader(self, name, spec.origin)
        return spec


class _CutLoader(importlib.machinery.SourceFileLoader):
    def __init__(self, cut, name, path):
        super().__init__(name, path)
        self.cut = cut

    def get_code(self, name):
        text = self.get_data(self.path).decode()
        return compile(cut_out(text, self.cut.functions, self.cut.identifier), self.path, "exec")
