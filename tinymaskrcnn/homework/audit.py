"""A look at a student's file before it runs: does it use what the exercises are not about?

This is no fence: Python offers too many ways around. It finds what a student should not need (files, processes, the
package's own solutions) and says so in words, and grading gives it a verdict of its own. What an honest file may hold
by habit or by mistake (an import left in, a forgotten breakpoint) is none of its business; that fails when it runs.
"""

import ast

from .blanks import all_blanks
from .library import CLOSED, program

SYSTEM = {"os", "posix", "subprocess", "socket", "ctypes", "importlib", "builtins", "inspect", "gc", "shutil", "pickle"}
SYSTEM |= {"multiprocessing", "threading", "signal", "pathlib", "io", "tempfile", "types", "marshal", "code"}
INNER = ("tinymaskrcnn.kernels", "tinymaskrcnn.homework")
# Attributes that lead out of what one was given, wherever they stand; `__x__` other than these do so as well.
ORDINARY = {"__init__", "__name__", "__doc__", "__version__", "__class__", "__len__", "__str__", "__repr__", "__call__"}
LEADING = {"readable", "unwrap", "getsource", "attrgetter", "methodcaller", "get_type_hints", "ForwardRef", "ctypeslib"}
LEADING |= {"tb_frame", "tb_next", "gi_frame", "gi_code", "cr_frame", "ag_frame", "f_back", "f_globals", "f_locals"}
LEADING |= {"f_builtins", "f_code", "_getframe", "import_module", "_KERNELS", "_load_kernels", "make_dataclass"}
# Names that one does not take from an imported module.
FOREIGN = {"sys", "_sys", "modules", "load", "fromfile", "memmap", "lib", "runstring", "measure", "rundocs", "f2py"}
FOREIGN |= {name for module in SYSTEM for name in (module, f"_{module}")}


def audit(text):
    """[(line, words)] on what is not allowed in a file's text; a file that Python cannot read has no findings.

    The words begin a sentence that goes on with "has no place in homework" or "is not needed here".
    """
    try:
        tree = program(text)
        return sorted(set(_Audit(tree).findings()))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


class _Audit:
    def __init__(self, tree):
        self.nodes = list(ast.walk(tree))
        names = [node for node in self.nodes if isinstance(node, ast.Name)]
        self.used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        self.own = {node.id for node in names if isinstance(node.ctx, ast.Store)}  # `vars = 3` makes it another name
        self.own |= {node.arg for node in self.nodes if isinstance(node, ast.arg)}
        aliases = [a for node in self.nodes if isinstance(node, (ast.Import, ast.ImportFrom)) for a in node.names]
        self.imported = {"np", *(_bound(alias) for alias in aliases)}
        # the two that look for nothing but windows, and getattr(x, "shape"): their inner nodes
        self.allowed = {id(n.value) for n in self.nodes if isinstance(n, ast.Attribute) and n.attr == "stride_tricks"}
        self.allowed |= {id(node.func) for node in self.nodes if _asks_plainly(node)}

    def findings(self):
        for node in self.nodes:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                yield from ((node.lineno, words) for words in self._of_import(node))
            elif isinstance(node, ast.Name) and id(node) not in self.allowed and self._is_closed(node.id):
                yield node.lineno, f"`{node.id}`"
            elif isinstance(node, ast.Attribute):
                yield from ((node.lineno, words) for words in self._of_attribute(node))
            elif isinstance(node, ast.MatchClass):
                yield from ((node.lineno, f"`.{attr}`") for attr in node.kwd_attrs if _leads_out(attr))

    def _is_closed(self, name):
        if name in ("__builtins__", "__loader__", "__spec__", "__match_args__"):
            return True
        return name in CLOSED | {"getattr"} and name not in self.own

    def _of_attribute(self, node):
        foreign = node.attr in FOREIGN and _root(node) in self.imported and id(node) not in self.allowed
        if foreign or _leads_out(node.attr):
            yield f"`.{node.attr}`"
        if isinstance(node.ctx, (ast.Store, ast.Del)) and _root(node) in self.imported:
            yield f"changing `{ast.unparse(node)}`, which belongs to another module,"

    def _of_import(self, node):
        """What is wrong with an import, if what it brings is used at all."""
        module = f"{'.' * getattr(node, 'level', 0)}{getattr(node, 'module', None) or ''}"
        for alias in node.names:
            full = f"{module}.{alias.name}" if module else alias.name
            words = f"`from {module} import {alias.name}`" if module else f"`import {alias.name}`"
            if alias.name != "*" and _bound(alias) not in self.used:
                continue
            inner = full.startswith((*INNER, ".")) or full == "tinymaskrcnn"
            named = bool(module) and (_leads_out(alias.name) or alias.name in FOREIGN)
            if inner or named or full.split(".")[0] in SYSTEM or (alias.name == "*" and "tinymaskrcnn" in module):
                yield words
            elif (module, alias.name) in _solutions():
                yield f"{words} is the package's solution and"


def _solutions():
    found = {(blank.module, blank.class_name or blank.function) for blank in all_blanks().values()}
    return found - {("tinymaskrcnn.nn.layers", "Linear")}  # a class that the student's own one inherits from


def _bound(alias):
    return alias.asname or alias.name.split(".")[0]


def _leads_out(attribute):
    return attribute in LEADING or (attribute.startswith("__") and attribute not in ORDINARY)


def _asks_plainly(node):
    """getattr(x, "shape"), whose attribute could be written with a dot as well."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr"):
        return False
    name = node.args[1] if len(node.args) > 1 else None
    return isinstance(name, ast.Constant) and not _leads_out(str(name.value)) and name.value not in FOREIGN


def _root(node):
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
