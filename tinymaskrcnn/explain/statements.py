"""The statements of a source file: which lines belong together, what each one makes, and where an else has its line."""

import ast
import functools
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
BLOCKS = ("body", "orelse", "finalbody", "handlers")


@dataclass(frozen=True)
class Made:
    """A name, or a dotted path as `self.weight.grad`, that holds something new after a statement.

    grows: it was there before, and was added to or filled in part; empty: memory that nobody has written to yet.
    """

    path: str
    grows: bool = False
    empty: bool = False


@dataclass(frozen=True)
class Statement:
    """Lines first to last; of what has a body (if, for, with) only its head.

    made: what it makes, in order; returned: the texts of the parts that it returns, None where it does not.
    opener: the line above it that says else, finally or try, 0 where there is none.
    """

    first: int
    last: int
    made: tuple = ()
    returned: tuple | None = None
    opener: int = 0


@dataclass(frozen=True)
class Definition:
    """A function as it is written: lines first to head are its decorators and its def, those to `begin` its docstring.

    doc: that docstring, or "".
    """

    first: int
    head: int
    begin: int
    last: int
    doc: str


class Source:
    """The text of a file: its lines, and the Statement of each line that belongs to one."""

    def __init__(self, text):
        self.lines = text.splitlines()
        self.statements, self.definitions = {}, {}
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self._define(node)
            if isinstance(node, ast.stmt):
                statement = self._statement(node)
                self.statements |= dict.fromkeys(range(statement.first, statement.last + 1), statement)
        for node in ast.walk(tree):
            self._open(node)

    def statement(self, line):
        """The Statement that a line is part of."""
        return self.statements.get(line) or Statement(line, line)

    def definition(self, line):
        """The Definition of the function whose code begins at a line: its def, or the first of its decorators."""
        return self.definitions[line]

    def _define(self, node):
        first = min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
        head, doc = max(node.body[0].lineno - 1, first), ast.get_docstring(node) or ""
        begin = node.body[0].end_lineno if doc else head
        self.definitions[first] = Definition(first, head, begin, node.end_lineno, doc)

    def _statement(self, node):
        last = node.end_lineno
        inner = [part for block in BLOCKS for part in getattr(node, block, [])]
        if inner:
            heads = [part.end_lineno for part in ast.iter_child_nodes(node) if part not in inner and _has_place(part)]
            last = max([node.lineno, *heads])
        returned = tuple(map(ast.unparse, _parts(node.value))) if isinstance(node, ast.Return) and node.value else None
        return Statement(node.lineno, last, tuple(_made(node)), returned)

    def _open(self, node):
        """Let the first statement of an else, a finally or a try know the line of that word."""
        for block in ("orelse", "finalbody", "body"):
            statements = getattr(node, block, None)
            if not isinstance(statements, list) or (block == "body" and not isinstance(node, ast.Try)):
                continue  # a lambda's body is no list, and that of an if has no word of its own
            if not statements:
                continue
            first = self.statements[statements[0].lineno]
            above = first.first - 1
            while above and not self.lines[above - 1].strip().startswith(("else:", "finally:", "try:")):
                if self.lines[above - 1].strip() and not self.lines[above - 1].strip().startswith("#"):
                    break  # an elif: it is a statement of its own
                above -= 1
            else:
                opened = Statement(first.first, first.last, first.made, first.returned, above)
                self.statements |= dict.fromkeys(range(first.first, first.last + 1), opened)


def _has_place(node):
    return getattr(node, "end_lineno", None) is not None


def _parts(value):
    return value.elts if isinstance(value, ast.Tuple) else [value]


def _made(node):
    """What is new after a statement: the targets of its assignment, of its loop, of its with."""
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.For)):
        targets = [node.target]
    elif isinstance(node, ast.With):
        targets = [item.optional_vars for item in node.items if item.optional_vars]
    else:
        return
    value = getattr(node, "value", None)
    empty = isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in ("empty", "empty_like")
    for target in targets:
        for made in _of_target(target, isinstance(node, ast.AugAssign)):
            yield Made(made.path, made.grows, empty)


def _of_target(target, grows):
    if isinstance(target, (ast.Tuple, ast.List)):
        for part in target.elts:
            yield from _of_target(part, grows)
    elif isinstance(target, (ast.Subscript, ast.Starred)):
        yield from _of_target(target.value, isinstance(target, ast.Subscript) or grows)
    elif (isinstance(target, ast.Name) and target.id != "_") or (
        isinstance(target, ast.Attribute) and "(" not in ast.unparse(target)
    ):
        yield Made(ast.unparse(target), grows)


@functools.cache
def source_of(file):
    """The Source of a file of the package, by its path inside it."""
    return Source((PACKAGE / file).read_text(encoding="utf-8"))
