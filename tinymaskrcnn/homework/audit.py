"""A look at a student's file before it runs: does it use what the exercises are not about?

This is no fence: Python offers too many ways around. It finds what a student should not need (files, processes, the
package's own solutions) and says so in words, and grading gives it a verdict of its own.
"""

import ast

from .blanks import all_blanks

LIBRARIES = {
    "numpy",
    "math",
    "itertools",
    "functools",
    "operator",
    "collections",
    "typing",
    "dataclasses",
    "__future__",
}
BUILTINS = {"open", "exec", "eval", "compile", "__import__", "globals", "locals", "vars", "setattr", "delattr", "input"}
BUILTINS |= {"breakpoint", "exit", "quit", "memoryview"}
HIDDEN = {"readable", "unwrap", "getsource", "ctypeslib", "lib", "load", "fromfile", "memmap"}  # attributes
CLOSED = ("tinymaskrcnn.kernels", "tinymaskrcnn.homework", "tinymaskrcnn.testing", "tinymaskrcnn.ops.naive")


def audit(text):
    """[(line, what is not allowed there)] of a file's text; a file that Python cannot read has no findings."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    imported = {alias.asname or alias.name.split(".")[0] for alias in _aliases(tree)}
    return sorted({(node.lineno, words) for node in ast.walk(tree) for words in _findings(node, imported)})


def _aliases(tree):
    return [alias for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names]


def _findings(node, imported):
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.split(".")[0] not in LIBRARIES:
                yield f"`import {alias.name}`"
    elif isinstance(node, ast.ImportFrom):
        yield from _of_import_from(node)
    elif isinstance(node, ast.Name) and node.id in BUILTINS:
        yield f"`{node.id}`"
    elif isinstance(node, ast.Attribute):
        if node.attr in HIDDEN or (node.attr.startswith("__") and node.attr != "__init__"):
            yield f"`.{node.attr}`"
        if isinstance(node.ctx, (ast.Store, ast.Del)) and _root(node) in imported:
            yield f"changing `{ast.unparse(node)}`, which belongs to another module"


def _of_import_from(node):
    module = node.module or ""
    root = module.split(".")[0]
    if node.level or root not in LIBRARIES | {"tinymaskrcnn"}:
        yield f"`from {'.' * node.level}{module} import ...`"
        return
    solutions = {(blank.module, blank.class_name or blank.function) for blank in all_blanks().values()}
    solutions -= {("tinymaskrcnn.nn.layers", "Linear")}  # a class that the student's own one inherits from
    for alias in node.names:
        if module.startswith(CLOSED) or f"{module}.{alias.name}".startswith(CLOSED) or alias.name == "*":
            yield f"`from {module} import {alias.name}`"
        elif (module, alias.name) in solutions:
            yield f"`from {module} import {alias.name}`: that is the package's solution"
        elif _is_module_with_solutions(f"{module}.{alias.name}") and (module, alias.name) not in GIVEN:
            yield f"`from {module} import {alias.name}`: that module holds the package's solutions"


# What released files import although blanks lie in it: modules whose functions the given lines call.
GIVEN = {("tinymaskrcnn.ops", "roi_align"), ("tinymaskrcnn.ops", "linear")}


def _is_module_with_solutions(name):
    return name in {blank.module for blank in all_blanks().values()}


def _root(node):
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
