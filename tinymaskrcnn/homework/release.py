"""The file a student gets: every function of a homework with its solution cut out and a recipe in its place."""

import ast
import builtins
import re
import textwrap
from pathlib import Path

from .blanks import PACKAGE
from .exercises import exercises_of, titles
from .files import write_new

WIDTH = 116
WHAT_XP_IS = "# numpy here, or cupy for arrays on a GPU"
NUMBERED = re.compile(r"\d+\. |- ")

HEADER = '''"""Homework {number}: {title}.

Fill in the {count} blanks below, in any order: each is checked on its own, with the package's solutions for all the
others. Where it says `raise NotImplementedError(...)`, put your lines in its place; the recipe above says what to do.
Names and shapes are those of the package (the page "Conventions" of its documentation). Plain NumPy is all you need.

    tinymaskrcnn homework check {name}.py                     # all blanks
    tinymaskrcnn homework check {name}.py --only {first}

What you were given is read-only: write `a + b`, never `a += b`, on an array that came in. dname is the gradient of the
loss by name.
"""
'''


def student_file(homework):
    """The text of hwNN.py as a student gets it."""
    exercises = exercises_of(homework)
    header = HEADER.format(
        number=int(homework[2:]),
        title=titles()[homework],
        count=len(exercises),
        name=homework,
        first=exercises[0].id,
    )
    parts = [_function(exercise, number) for number, exercise in enumerate(exercises, start=1)]
    return header + "\n" + imports(exercises) + "\n\n" + "\n\n".join(parts)


def release(homework, out):
    """Write hwNN.py into the folder `out` and return its path.

    ArgumentError when it is there already: a student's work is never overwritten.
    """
    return write_new(Path(out) / f"{homework}.py", student_file(homework))


# ---------------------------------------------------------------- one blank


def _function(exercise, number):
    blank = exercise.blank
    plural = "point" if exercise.points == 1 else "points"
    lines = sum(bool(line.strip()) for line in blank.solution)
    title = f"# {number}. {exercise.title} ({exercise.id}, {exercise.points} {plural}, lesson {exercise.lesson})"
    indent = blank.indent()
    recipe = _comment(exercise.recipe, indent)
    hole = [*recipe, f'{indent}raise NotImplementedError("{exercise.id}")  # about {lines} lines']
    text = re.sub(r"(\n +xp = array_module\(\w+\))(?=\n)", rf"\1  {WHAT_XP_IS}", blank.with_solution(hole))
    if blank.class_name:
        words = f'    """The package\'s {blank.class_name}, with one method of your own."""'
        text = f"class {blank.class_name}({blank.class_name}):\n{words}\n\n" + textwrap.indent(text, "    ")
    return f"# {'-' * 100}\n{title}\n\n\n{text}"


def _comment(recipe, indent):
    """The recipe as comment lines, each paragraph wrapped anew."""
    found = []
    for paragraph in paragraphs(recipe):
        inner = paragraph[: len(paragraph) - len(paragraph.lstrip())]
        hang = inner + ("   " if NUMBERED.match(paragraph.lstrip()) else "")
        width = WIDTH - len(indent) - 2
        wrapped = textwrap.wrap(paragraph.strip(), width, initial_indent=inner, subsequent_indent=hang)
        found += [f"{indent}# {line}" for line in wrapped] or [f"{indent}#"]
    return found


def paragraphs(recipe):
    """A recipe's paragraphs as one line each: a new one begins at a number, a dash, after a blank line, or where the
    margin is reached again after a numbered one."""
    found = []
    for line in textwrap.dedent(recipe).strip().splitlines():
        text = line.strip()
        last = found[-1].strip() if found else ""
        returns = line == text and NUMBERED.match(last) is not None
        if not text or not last or NUMBERED.match(text) or returns:
            found.append(line.rstrip())
        else:
            found[-1] += f" {text}"
    return found


# ---------------------------------------------------------------- what it imports


def imports(exercises):
    """Import lines for all names the functions use: those the package's modules import, and those they define."""
    own = {exercise.blank.function for exercise in exercises if not exercise.blank.class_name}
    plain, wanted = {"import numpy as np"}, {}
    for exercise in exercises:
        known = _module_names(exercise.blank.module)
        for name in sorted(_free_names(exercise.blank) - own - set(exercise.without)):
            origin = known.get(name)
            if isinstance(origin, str):
                plain.add(origin)
            elif origin is not None:
                wanted.setdefault(origin[0], set()).add(origin[1])
        if exercise.blank.class_name:
            wanted.setdefault(exercise.blank.module, set()).add(exercise.blank.class_name)
    lines = sorted(line for line in plain if line.split()[1].split(".")[0] != "numpy")
    lines += [""] * bool(lines) + ["import numpy as np", ""]
    for module, names in sorted(wanted.items()):
        lines += _from(module, sorted(names))
    return "\n".join(lines) + "\n"


def _from(module, names):
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return [line]
    return [f"from {module} import (", *(f"    {name}," for name in names), ")"]


def _free_names(blank):
    """The global names that a function uses, its solution included."""
    tree = ast.parse(blank.with_solution(blank.solution))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return used - set(dir(builtins))


def _module_names(module):
    """{name: "import line", or (module, name)} of the imports and definitions at a module's top level."""
    path = PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name] = f"import {alias.name}" + f" as {alias.asname}" * bool(alias.asname)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            found |= {alias.asname or alias.name: (source, alias.name) for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = (module, node.name)
        elif isinstance(node, ast.Assign):
            names = [n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)]
            found |= {name: (module, name) for name in names}
    return found
