"""A student's file, loaded statement by statement: one that fails is left out and told, and the others count.

A forgotten test of one's own, a blank called before it is filled in, a module that is not there: each costs what it was
for, and not the exercises around it.
"""

import __future__

import ast
import re
from dataclasses import dataclass

from .answer import trouble_of
from .errors_in_words import in_words
from .guard import SOLUTION
from .library import NOTEBOOK, program

MOST = 5  # statements that are told of
UNDEFINED = re.compile(r"NameError: name '(\w+)' is not defined")


@dataclass(frozen=True)
class Stumble:
    """A statement at the top of a file that failed: its line, that line's text, why, the names it would have made."""

    line: int
    text: str
    message: str
    names: tuple = ()

    @property
    def put_away(self):
        """The exercise whose solution it needs, which is not there while that exercise is checked; "" otherwise."""
        found = re.match(rf"PermissionError: (\S+): {SOLUTION}", self.message)
        return found[1] if found else ""

    def in_words(self):
        """One sentence on what was left out."""
        if self.put_away:
            needs = "it needs the package's own, which is put away meanwhile"
            return f"line {self.line} was not run while {self.put_away} is checked ({needs}): {self.text}"
        if not self.message:
            return f"line {self.line} is a line for notebooks and was left out: {self.text}"
        if self.message.startswith("NotImplementedError"):
            return f"line {self.line} was left out, because it calls what is not filled in yet: {self.text}"
        why = in_words(self.message) if "NameError" in self.message else ""
        return f"line {self.line} was left out, because it fails: {self.text} ({why or self.message})"


def compiled(text, path):
    """[(statement, code)] of a file; SyntaxError when it is no Python.

    Hints of types are not evaluated: what they name need not be there.
    """
    tree = program(text, path)
    flags = __future__.annotations.compiler_flag
    compile(tree, path, "exec", flags, dont_inherit=True)  # a `return` outside a function is found here
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for alias in node.names:
                flags |= getattr(__future__, alias.name).compiler_flag
    return [(node, compile(ast.Module([node], []), path, "exec", flags, dont_inherit=True)) for node in tree.body]


def load(text, path, namespace):
    """Run a file's statements in a namespace.  ->  [Stumble]

    MemoryError, and what is no Exception, end it.
    """
    lines = text.split("\n")
    stumbles = []
    for node, code in compiled(text, path):
        try:
            exec(code, namespace)
        except MemoryError:
            raise
        except (Exception, SystemExit) as error:
            message = trouble_of(error, path, lines).message.rstrip(": \n")
            stumbles.append(Stumble(node.lineno, _line(lines, node.lineno), message, tuple(sorted(names_made(node)))))
    return stumbles


def without_followers(stumbles):
    """The stumbles without those that only miss a name which an earlier one would have made."""
    kept, lost = [], set()
    for stumble in stumbles:
        missed = UNDEFINED.match(stumble.message)
        if not (missed and missed[1] in lost):
            kept.append(stumble)
        lost.update(stumble.names)
    return kept


def notebook_lines(text):
    """Stumbles of the lines that only a notebook understands, and that were passed over."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pairs = enumerate(text.split("\n"), start=1)
        return [Stumble(i, line.strip()[:200], "") for i, line in pairs if NOTEBOOK.fullmatch(line)]
    return []


def names_made(node):
    """The names that a statement at the top of a file makes."""
    made = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
    if isinstance(node, made):
        return {node.name}
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    names |= {n.name for n in ast.walk(node) if isinstance(n, made)}
    imports = [n for n in ast.walk(node) if isinstance(n, (ast.Import, ast.ImportFrom))]
    return names | {alias.asname or alias.name.split(".")[0] for n in imports for alias in n.names}


def _line(lines, number):
    return lines[number - 1].strip()[:200] if 0 < number <= len(lines) else ""
