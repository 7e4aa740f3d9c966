"""What a student's file can import: NumPy, a little of Python's library, and the floors of the package it fills in.

Everything else may be imported too, since such lines are left in by honest people; but what comes is a stand-in that
does nothing and says so when it is used.
"""

import ast
import builtins
import importlib
import sys

LIBRARIES = {"numpy", "math", "cmath", "itertools", "functools", "operator", "collections", "typing", "dataclasses"}
LIBRARIES |= {"__future__", "abc", "bisect", "contextlib", "copy", "decimal", "enum", "fractions", "heapq", "numbers"}
LIBRARIES |= {"pprint", "random", "statistics", "textwrap", "time", "warnings"}
PACKAGE = {"ops", "nn", "targets", "backend", "contract", "errors", "structures"}
# Builtins that no exercise needs; what asks the keyboard is not there either, but nobody is blamed for a forgotten one.
CLOSED = {"open", "exec", "eval", "compile", "__import__", "globals", "locals", "vars", "setattr", "delattr"}
FORGOTTEN = {"input", "breakpoint", "exit", "quit", "help", "memoryview"}
HARMLESS = ("sys.maxsize", "sys.float_info", "sys.version", "sys.stdout", "sys.stderr", "sys.setrecursionlimit")


def program(text, path="<homework>"):
    """The syntax tree of a file without its `if __name__ == "__main__":` blocks, which no check runs."""
    tree = ast.parse(text, path)
    tree.body = [kept for node in tree.body for kept in (node.orelse if _is_main(node) else [node])]
    return tree


def _is_main(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("__name__ == '__main__'", "'__main__' == __name__")


def is_open(module):
    """Whether a student's file gets the module itself, by its full name, and not a stand-in."""
    root, *inner = module.split(".")
    if inner[:2] == ["ops", "naive"]:
        return False  # the loops that define what the exercises ask for
    return root in LIBRARIES or (root == "tinymaskrcnn" and bool(inner) and inner[0] in PACKAGE)


def student_builtins():
    """The builtins of a student's file."""
    found = {name: value for name, value in vars(builtins).items() if name not in CLOSED | FORGOTTEN}
    return {**found, "__import__": import_for_student}


def import_for_student(name, globals=None, locals=None, fromlist=(), level=0):
    """`__import__` of a student's file."""
    if level == 0 and not is_open(name):
        return StandIn(name if fromlist else name.split(".")[0])
    found = importlib.__import__(name, globals, locals, fromlist, level)
    return StandIn(name.split(".")[0]) if found is sys.modules["tinymaskrcnn"] else found


class StandIn:
    """Has every attribute that one may ask for, and can do nothing."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        name = f"{self._name}.{attribute}"
        if attribute.startswith("__"):
            raise AttributeError(name)
        if is_open(name):
            return importlib.import_module(name)
        return getattr(sys, attribute) if name in HARMLESS else StandIn(name)

    def __call__(self, *_, **__):
        raise ImportError(f"{self._name} is not there when homework is checked; NumPy is all you need")

    __getitem__ = __setitem__ = __iter__ = __enter__ = __add__ = __mul__ = __call__
