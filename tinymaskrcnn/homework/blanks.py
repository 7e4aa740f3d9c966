"""The blanks: which lines of the package a student writes again, read from the markers in its own source.

    # BEGIN SOLUTION hw02.conv2d_backward
    ...
    # END SOLUTION

A marked region lies inside one function. Nothing else says where an exercise is: its module, its function and its
solution all follow from the place of the marker.
"""

import ast
import dataclasses
import functools
import importlib
import re
import textwrap
from pathlib import Path

from ..errors import ArgumentError

PACKAGE = Path(__file__).parent.parent
BEGIN = re.compile(r"\s*# BEGIN SOLUTION (hw\d\d\.\w+)\s*")
END = re.compile(r"\s*# END SOLUTION\s*")


@dataclasses.dataclass(frozen=True)
class Blank:
    """One marked region.

    module "tinymaskrcnn.ops.conv", class_name "" or the class the function is a method of, function its name;
    source: the lines of the whole function, markers and decorators left out; solution: those of the region alone;
    first: the position of the solution within source.
    """

    id: str
    module: str
    class_name: str
    function: str
    source: tuple
    solution: tuple
    first: int

    def owner(self):
        """The module or class whose attribute the function is."""
        module = importlib.import_module(self.module)
        return getattr(module, self.class_name) if self.class_name else module

    def reference(self):
        """The package's own function, as its users call it."""
        return vars(self.owner())[self.function]

    def with_solution(self, lines):
        """The function's source as one text, dedented, with other lines in the place of the solution."""
        before, after = self.source[: self.first], self.source[self.first + len(self.solution) :]
        return textwrap.dedent("\n".join([*before, *lines, *after])) + "\n"

    def emptied(self):
        """The same blank without its solution: what may be known where a student's code runs."""
        line = f'{self.indent()}raise NotImplementedError("{self.id}")'
        before, after = self.source[: self.first], self.source[self.first + len(self.solution) :]
        return dataclasses.replace(self, source=(*before, line, *after), solution=(line,))

    def parameters(self, count=0):
        """The names of the function's positional parameters, self left out; of *terms as many as make `count`."""
        arguments = ast.parse(self.with_solution([self.indent() + "pass"])).body[0].args
        names = [argument.arg for argument in arguments.args if argument.arg != "self"]
        rest = arguments.vararg.arg if arguments.vararg else "argument"
        return names + [f"{rest}[{i}]" for i in range(count - len(names))]

    def indent(self):
        """The white space before the first line of the solution."""
        return self.solution[0][: len(self.solution[0]) - len(self.solution[0].lstrip())]


@functools.cache
def all_blanks():
    """{id: Blank} of the whole package, in the order of homeworks and of the source."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "# BEGIN SOLUTION" in text and path.parent != Path(__file__).parent:
            for blank in _blanks_of(path, text):
                if blank.id in found:
                    raise ArgumentError(f"{path}: the blank {blank.id} is marked twice")
                found[blank.id] = blank
    return found


def find_blank(identifier):
    """The Blank of an id; ArgumentError for an unknown one."""
    if identifier not in all_blanks():
        raise ArgumentError(f"there is no blank {identifier!r}; known are {', '.join(all_blanks())}")
    return all_blanks()[identifier]


def places():
    """{file: [(id, first line, last line)]} of all blanks, markers included; file as a path inside the package."""
    found = {}
    for path in sorted({blank.module for blank in all_blanks().values()}):
        file = PACKAGE.joinpath(*path.split(".")[1:]).with_suffix(".py")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            if match := BEGIN.fullmatch(line):
                begin, identifier = number, match.group(1)
            elif END.fullmatch(line):
                found.setdefault(file.relative_to(PACKAGE).as_posix(), []).append((identifier, begin, number))
    return found


def _blanks_of(path, text):
    lines = text.splitlines()
    module = ".".join(("tinymaskrcnn", *path.relative_to(PACKAGE).with_suffix("").parts))
    functions = list(functions_in(ast.parse(text)))
    begin = None
    for number, line in enumerate(lines, start=1):
        if match := BEGIN.fullmatch(line):
            begin, identifier = number, match.group(1)
        elif END.fullmatch(line):
            class_name, node = next((c, f) for c, f in functions if f.lineno < begin and number <= f.end_lineno + 1)
            body = lines[node.lineno - 1 : max(node.end_lineno, number)]
            start, stop = begin - node.lineno, number - node.lineno  # of the two markers within body
            inside = tuple(body[start + 1 : stop])
            source = (*body[:start], *inside, *body[stop + 1 :])
            yield Blank(identifier, module, class_name, node.name, source, inside, start)


def functions_in(tree):
    """(name of the class or "", node) of all functions at the top level and of the methods of classes there."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield "", node
        elif isinstance(node, ast.ClassDef):
            yield from ((node.name, inner) for inner in node.body if isinstance(inner, ast.FunctionDef))
