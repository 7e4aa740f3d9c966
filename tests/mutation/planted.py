"""A module of the package with a source of its own, in this process and in those that it starts."""

import ast
import builtins
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path


class Planted(importlib.machinery.SourceFileLoader):
    """Finds and loads one module with a source that is not its file's."""

    def __init__(self, name, path, source):
        super().__init__(name, str(path))
        self.source = source

    def find_spec(self, name, folders=None, target=None):
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, name):
        return compile(self.source, self.path, "exec")


def module_of(path, package):
    """The dotted name of a file of a package's folder."""
    parts = (package.name, *path.relative_to(package).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def plant(name, path, source, folder):
    """Put a source in the place of a module that nobody has imported yet. folder: an empty one that stays.

    Python imports `sitecustomize` as it starts, so every process whose path begins with the folder plants it, too.
    """
    sys.meta_path.insert(0, Planted(name, path, source))
    own = Path(__file__).read_text(encoding="utf-8")
    again = f"sys.meta_path.insert(0, Planted({name!r}, {str(path)!r}, {source!r}))"
    (folder / "sitecustomize.py").write_text(f"{own}\n\n{again}\n", encoding="utf-8")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *([before] if before else [])])


def watch(package, tell):
    """From now on every function of a package's files that is run tells (file, line at which it begins)."""
    builtins.__function_that_runs__ = tell
    sys.meta_path.insert(0, Watched(package))


class Watched:
    """Finds the modules of a package, and loads them with a first statement in each function that says it is run."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, folders=None, target=None):
        if name.partition(".")[0] != self.package.name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, folders or [str(self.package.parent)])
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            tree = Marked(spec.origin).visit(ast.parse(Path(spec.origin).read_text(encoding="utf-8")))
            source = ast.fix_missing_locations(tree)
            spec.loader = Planted(spec.name, spec.origin, source)
        return spec


class Marked(ast.NodeTransformer):
    def __init__(self, path):
        self.path = path

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        mark = ast.parse(f"__function_that_runs__(({self.path!r}, {node.lineno}))").body[0]
        for part in ast.walk(mark):
            ast.copy_location(part, node.body[0])
        node.body.insert(1 if ast.get_docstring(node, clean=False) is not None else 0, mark)
        return node
