"""A look at a student's file before it runs: does it reach for what earns points without solving anything?

This is no fence: Python offers too many ways around. It finds evidence (the package's own solution called inside the
blank, the inside of the checker, processes, the network, system files, the attributes that lead out of a function) and
says so with the line, and grading gives it a verdict of its own. What is merely not there when homework is checked (a
module, a file of one's own, `eval`) is none of its business: that fails where it runs, and costs what it is used for.
"""

import ast

from .blanks import all_blanks
from .library import FOREIGN, OF_ONES_OWN, is_open, leads_out, program

INNER = ("tinymaskrcnn.kernels", "tinymaskrcnn.homework")
PUBLIC = ("tinymaskrcnn.homework.check", "tinymaskrcnn.kernels.threads")  # what a page of the documentation names
REACHING = {"subprocess", "socket", "ctypes", "marshal", "posix", "pty"}  # modules that are used for one thing only
ACTS = {"system", "popen", "_exit", "kill", "killpg", "abort", "fork", "forkpty", "open", "read", "write", "fdopen"}
ACTS |= {"dup", "dup2", "pipe", "closerange", "truncate", "ftruncate", "putenv"}  # of os; and those that begin with
BEGINNINGS = ("exec", "spawn", "posix_spawn", "set")
GUARDED = ("/etc/", "/proc", "/sys/", "/dev/", "~/.ssh", "tinymaskrcnn", "site-packages")  # in the name of a file
READING = {"open", "load", "fromfile", "memmap", "loadtxt", "genfromtxt", "read_text", "read_bytes", "Path"}


def audit(text):
    """[(line, words)] of evidence in a file's text; a file that Python cannot read has no findings.

    The words begin a sentence that goes on with "has no place in homework" or "is not needed here".
    """
    try:
        tree = program(text)
        return sorted(set(_Audit(tree).findings()))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


class _Audit:
    def __init__(self, tree):
        self.tree, self.nodes = tree, list(ast.walk(tree))
        names = [node for node in self.nodes if isinstance(node, ast.Name)]
        self.used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        self.imported = {"np": "numpy"}  # {the name in this file: the module or thing it is}
        for node in self.nodes:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self.imported |= {_bound(alias): _origin(node, alias) for alias in node.names}
        self.own = {"self", "cls", *self._made_here()}
        self.excused = {id(inner) for node in self.nodes if _installs(node) for inner in ast.walk(node)}

    def _made_here(self):
        """Names of classes, functions and arguments of this file, and of what is no other name of an imported thing."""
        for node in self.nodes:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name not in self.imported:
                yield node.name
            elif isinstance(node, ast.arg):
                yield node.arg
            elif isinstance(node, ast.Assign) and _root(node.value) not in self.imported:
                yield from (target.id for target in node.targets if isinstance(target, ast.Name))

    def findings(self):
        for node in self.nodes:
            if id(node) in self.excused:
                continue
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                yield from ((node.lineno, words) for words in self._of_import(node))
            elif isinstance(node, ast.Name) and node.id in ("__builtins__", "__loader__", "__spec__", "__import__"):
                yield node.lineno, f"`{node.id}`"
            elif isinstance(node, ast.Attribute):
                yield from ((node.lineno, words) for words in self._of_attribute(node))
            elif isinstance(node, ast.MatchClass):
                yield from ((node.lineno, f"`.{attr}`") for attr in node.kwd_attrs if leads_out(attr))
            elif isinstance(node, ast.Call):
                yield from ((node.lineno, words) for words in self._of_call(node))
            elif isinstance(node, ast.Assign) and _matches_by_place(node):
                yield node.lineno, "`__match_args__`"

    def _of_attribute(self, node):
        module = self._module(node.value)
        if leads_out(node.attr) and not (node.attr in OF_ONES_OWN and _base(node.value) in self.own):
            yield f"`.{node.attr}`"
        elif module is not None and is_open(module) and node.attr in FOREIGN:
            yield f"`.{node.attr}`"
        elif module == "os" and (node.attr in ACTS or node.attr.startswith(BEGINNINGS)):
            yield f"`os.{node.attr}`"
        elif module is not None and f"{module}.{node.attr}".startswith(INNER) and not _is_public(module, node.attr):
            yield f"`{ast.unparse(node)}`"
        if isinstance(node.ctx, (ast.Store, ast.Del)) and module is not None and self._replaces(module, node.attr):
            yield f"changing `{ast.unparse(node)}`, which belongs to another module,"

    def _module(self, node):
        """The full name of what is imported and written here as a name with dots; None for anything else."""
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.imported:
            return None
        return ".".join([self.imported[node.id], *reversed(parts)])

    def _replaces(self, module, attribute):
        """Whether `module.attribute = ...` takes the place of something that others use, and not of an old name."""
        if module.startswith("tinymaskrcnn"):
            return True
        if module.split(".")[0] != "numpy":
            return False
        import numpy

        thing = numpy
        for part in module.split(".")[1:]:
            thing = getattr(thing, part, None)
        return callable(getattr(thing, attribute, None)) and not isinstance(getattr(thing, attribute), type)

    def _of_call(self, node):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        words = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        if name in ("attrgetter", "methodcaller") and self._is_of(node.func, "operator"):
            named = all(isinstance(argument, ast.Constant) for argument in node.args[: None if name[0] == "a" else 1])
            if not named or any(leads_out(part) for word in words for part in word.split(".")):
                yield f"`{ast.unparse(node)[:60]}`"
        elif name == "getattr" and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
            attribute = str(node.args[1].value)
            if leads_out(attribute) and not (attribute in OF_ONES_OWN and _base(node.args[0]) in self.own):
                yield f"`{ast.unparse(node)[:60]}`"
        elif name in READING:
            files = [n for n in ast.walk(node) if isinstance(n, ast.Attribute) and n.attr == "__file__"]
            if any(word.startswith(GUARDED[:5]) or any(g in word for g in GUARDED[5:]) for word in words) or files:
                yield f"`{name}`"

    def _is_of(self, function, module):
        if isinstance(function, ast.Name):
            return self.imported.get(function.id) == f"{module}.{function.id}"
        return self._module(function.value) == module

    def _of_import(self, node):
        """What is wrong with an import, if what it brings is used at all."""
        module = f"{'.' * getattr(node, 'level', 0)}{getattr(node, 'module', None) or ''}"
        for alias in node.names:
            full = _origin(node, alias)
            words = f"`from {module} import {alias.name}`" if module else f"`import {alias.name}`"
            if alias.name != "*" and _bound(alias) not in self.used:
                continue
            inner = full.startswith(INNER) and not full.startswith(PUBLIC)
            taken = bool(module) and is_open(module) and (leads_out(alias.name) or alias.name in FOREIGN)
            act = module == "os" and (alias.name in ACTS or alias.name.startswith(BEGINNINGS))
            reaching = full.split(".")[0] in REACHING and not self._only_installs(_bound(alias))
            if inner or taken or act or reaching or (alias.name == "*" and is_open(module) and "tiny" in module):
                yield words
            elif (module, alias.name) in _solutions() and self._in_its_blank(node, alias):
                yield f"{words} is the package's solution and"

    def _only_installs(self, name):
        uses = [n for n in self.nodes if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)]
        return all(id(node) in self.excused for node in uses)

    def _in_its_blank(self, node, alias):
        """Whether what the student wrote for a blank leads to the package's solution of the same blank.

        To compare one's own with it in a test is honest, and so is to use that of another homework.
        """
        name, bound = alias.name, _bound(alias)
        own = [n for n in self.tree.body if isinstance(n, ast.FunctionDef) and n.name == name]
        if not own:
            return not self._is_of_another_homework(name)
        reached = self._reached_from(own)
        inside = any(inner is node for top in reached for inner in ast.walk(top))
        if inside or bound == name:
            return inside or (node.lineno > own[-1].lineno and node in self.tree.body)
        return any(isinstance(n, ast.Name) and n.id == bound for top in reached for n in ast.walk(top))

    def _is_of_another_homework(self, function):
        defined = {node.name for node in self.nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        blanks = all_blanks().values()
        homeworks = {b.id[:4] for b in blanks if (b.class_name or b.function) in defined}
        return bool(homeworks) and homeworks.isdisjoint(b.id[:4] for b in blanks if b.function == function)

    def _reached_from(self, nodes):
        """The statements at the top of the file whose names are used by these ones, by those, and so on."""
        reached, todo = [], list(nodes)
        while todo:
            node = todo.pop()
            if node not in reached:
                reached.append(node)
                names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
                todo += [other for other in self.tree.body if names & _names_of(other)]
        return reached


def _names_of(node):
    """The names that a statement at the top of a file makes."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return set()


def _solutions():
    found = {(blank.module, blank.class_name or blank.function) for blank in all_blanks().values()}
    return found - {("tinymaskrcnn.nn.layers", "Linear")}  # a class that the student's own one inherits from


def _bound(alias):
    return alias.asname or alias.name.split(".")[0]


def _origin(node, alias):
    """What the name that an import makes stands for."""
    if isinstance(node, ast.Import):
        return alias.name if alias.asname else alias.name.split(".")[0]
    return f"{'.' * node.level}{node.module or ''}.{alias.name}"


def _is_public(module, attribute):
    full = f"{module}.{attribute}"
    return full.startswith(PUBLIC) or any(public.startswith(full) for public in PUBLIC)


def _installs(node):
    """A call that installs a package or clears the screen, as notebooks hold them: nothing of it happens here."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    words = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    said = " ".join(words).split()
    return name in ("system", "run", "call", "check_call", "Popen") and (
        said in (["cls"], ["clear"]) or ("install" in said and bool({"pip", "pip3", "conda"} & set(said)))
    )


def _matches_by_place(node):
    """`__match_args__ = ...` that names an attribute which leads out, or hides what it names."""
    if not any(isinstance(target, ast.Name) and target.id == "__match_args__" for target in node.targets):
        return False
    items = node.value.elts if isinstance(node.value, (ast.Tuple, ast.List)) else [node.value]
    return not all(isinstance(n, ast.Constant) and not leads_out(str(n.value)) for n in items)


def _base(node):
    """The name that an expression begins with: a of a.b(c)[d], and of type(a)."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        of_type = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "type" and len(node.args) == 1
        node = node.args[0] if of_type else node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _root(node):
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
