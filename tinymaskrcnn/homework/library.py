"""What a student's file can import: NumPy, a little of Python's library, and the floors of the package it fills in.

Everything else may be imported too, since such lines are left in by honest people; but what comes is a stand-in that
does nothing and says so when it is used. Nobody is blamed for what is merely not there.
"""

import ast
import builtins
import importlib
import re
import sys
import types

LIBRARIES = {"numpy", "math", "cmath", "itertools", "functools", "operator", "collections", "typing", "dataclasses"}
LIBRARIES |= {"__future__", "abc", "bisect", "contextlib", "copy", "decimal", "enum", "fractions", "heapq", "numbers"}
LIBRARIES |= {"pprint", "random", "re", "statistics", "string", "textwrap", "time", "warnings"}
PACKAGE = {"ops", "nn", "targets", "backend", "devices", "contract", "errors", "structures"}
# Builtins that no exercise needs, and those that ask the keyboard or look at memory.
CLOSED = {"open", "exec", "eval", "compile", "__import__", "globals", "locals", "vars", "setattr", "delattr"}
FORGOTTEN = {"input", "breakpoint", "exit", "quit", "help", "memoryview"}
# Attributes that lead out of what one was given, wherever they stand; those of `OF_ONES_OWN` are harmless at things
# that the file itself makes.
OF_ONES_OWN = {"__dict__", "__wrapped__", "__mro__", "__bases__", "__base__", "__func__", "__self__", "__closure__"}
LEADING = {"__globals__", "__builtins__", "__subclasses__", "__code__", "__loader__", "__spec__", "__import__"}
LEADING |= {"__getattribute__", "__reduce__", "__reduce_ex__", "__array_interface__", "__array_struct__"}
LEADING |= {"readable", "unwrap", "getsource", "get_type_hints", "ForwardRef", "ctypeslib", "make_dataclass"}
LEADING |= {"tb_frame", "tb_next", "gi_frame", "gi_code", "cr_frame", "ag_frame", "f_back", "f_globals", "f_locals"}
LEADING |= {"f_builtins", "f_code", "_getframe", "import_module", "_KERNELS", "_load_kernels"}
LEADING |= OF_ONES_OWN
# Modules of the system, which one does not take out of another one, and functions that run a text.
SYSTEM = {"os", "posix", "subprocess", "socket", "ctypes", "importlib", "builtins", "inspect", "gc", "shutil", "pickle"}
SYSTEM |= {"multiprocessing", "threading", "signal", "pathlib", "io", "tempfile", "types", "marshal", "code", "sys"}
FOREIGN = SYSTEM | {f"_{name}" for name in SYSTEM} | {"modules", "runstring", "measure", "rundocs", "f2py"}
THREADS = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL")}  # where a student's code runs

# A line of a notebook, which Python itself does not read.
NOTEBOOK = re.compile(r"(\s*)(?:%{1,2}[A-Za-z]\w*\b.*|!\s*[\w./~-].*|\?{1,2}[\w.]+|[\w.]+\?{1,2})\s*")


def program(text, path="<homework>"):
    """The syntax tree of a file without its `if __name__ == "__main__":` blocks, which no check runs.

    Lines that only a notebook understands (%matplotlib inline, !pip install ...) are passed over.
    """
    tree, _ = parsed(text, path)
    tree.body = [kept for node in tree.body for kept in (node.orelse if is_main(node) else [node])]
    return tree


def parsed(text, path="<homework>"):
    """The syntax tree of a file, and the numbers of the lines for notebooks that were passed over in it.

    SyntaxError when the rest is no Python either.
    """
    try:
        return ast.parse(text, path), ()
    except SyntaxError:
        lines = text.split("\n")
        found = [i for i, line in enumerate(lines) if NOTEBOOK.fullmatch(line)]
        if not found:
            raise
    for i in found:
        lines[i] = NOTEBOOK.fullmatch(lines[i])[1] + "pass"
    return ast.parse("\n".join(lines), path), tuple(i + 1 for i in found)


def is_main(node):
    """Whether a statement is an `if __name__ == "__main__":` block."""
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("__name__ == '__main__'", "'__main__' == __name__")


def is_open(module):
    """Whether a student's file gets the module itself, by its full name, and not a stand-in."""
    root, *inner = module.split(".")
    if inner[:2] == ["ops", "naive"]:
        return False  # the loops that define what the exercises ask for
    return root in LIBRARIES or (root == "tinymaskrcnn" and bool(inner) and inner[0] in PACKAGE)


def leads_out(attribute):
    """Whether an attribute leads out of what it is asked of."""
    return attribute in LEADING


def student_builtins(report=lambda reason: None):
    """The builtins of a student's file; `report` is told of an attribute that leads out and is asked for by name."""

    def careful_getattr(thing, name, *default):
        """getattr for a student's file."""
        foreign = isinstance(thing, types.ModuleType) and str(name) in FOREIGN
        if foreign or (leads_out(str(name)) and not _of_ones_own(thing, name)):
            report(f"getattr(..., {name!r})")
            raise PermissionError(f"getattr(..., {name!r}) is not allowed in homework")
        return getattr(thing, name, *default)

    found = {name: value for name, value in vars(builtins).items() if name not in CLOSED | FORGOTTEN}
    return {**found, "__import__": import_for_student, "getattr": careful_getattr}


def _of_ones_own(thing, name):
    return name in OF_ONES_OWN and "homework" in (getattr(thing, "__module__", ""), type(thing).__module__)


def import_for_student(name, globals=None, locals=None, fromlist=(), level=0):
    """`__import__` of a student's file."""
    if level:
        raise ImportError(f"{'.' * level}{name} is not there when homework is checked; this one file is all there is")
    if not is_open(name):
        return StandIn(name if fromlist else name.split(".")[0])
    found = importlib.__import__(name, globals, locals, fromlist, level)
    return StandIn(name.split(".")[0]) if found is sys.modules["tinymaskrcnn"] else found


class StandIn:
    """Has every attribute that one may ask for, and can do nothing."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        name = f"{self._name}.{attribute}"
        if attribute.startswith("__") and attribute.endswith("__"):
            raise AttributeError(name)
        if is_open(name):
            return importlib.import_module(name)
        if name in ("sys.stdout", "sys.stderr"):
            return getattr(sys, attribute)
        return HARMLESS[name] if name in HARMLESS else StandIn(name)

    def __call__(self, *_, **__):
        raise ImportError(f"{self._name} is not there when homework is checked; NumPy is all you need")

    def __bool__(self):
        return True

    def __mro_entries__(self, bases):  # a class that inherits from it
        self()


_REFUSED = "getitem setitem delitem iter next enter exit len contains float int index array neg abs invert"
_REFUSED += " add sub mul truediv floordiv matmul pow radd rsub rmul rtruediv rfloordiv rmatmul rpow"
for _name in _REFUSED.split():
    setattr(StandIn, f"__{_name}__", StandIn.__call__)


# What is there all the same: it shows nothing of this machine, and what is written to it goes nowhere.
_ENVIRONMENT = dict(THREADS)
HARMLESS = {f"sys.{name}": getattr(sys, name) for name in ("maxsize", "float_info", "version", "version_info")}
HARMLESS |= {f"sys.{name}": getattr(sys, name) for name in ("byteorder", "platform", "setrecursionlimit")}
HARMLESS |= {"sys.path": [], "sys.argv": ["homework"], "os.environ": _ENVIRONMENT, "os.getenv": _ENVIRONMENT.get}
HARMLESS |= {"os.name": "posix", "os.sep": "/", "os.linesep": "\n", "types.SimpleNamespace": types.SimpleNamespace}
HARMLESS |= {"gc.collect": lambda *_: 0}
