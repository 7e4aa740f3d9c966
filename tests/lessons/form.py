"""The form of a lesson: what every lesson has, in which order, and how much of it."""

import ast
import functools
import re
import sys
from pathlib import Path

from . import pair

HEADER = """# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---
"""
SECTIONS = ("What can go wrong", "Exercises", "What you have seen")
WIDEST = 88  # columns of a line of code: what a page of 1280 pixels, and a notebook beside its folders, have room for
LONGEST, SHORT, HELPER = 14, 8, 11  # lines of a cell, of a short one, of a helper function
PACKAGES = {"tinymaskrcnn", "numpy", "scipy", "matplotlib", "hypothesis", "IPython"}  # what [lessons] installs
ID = re.compile(r"`(hw\d\d\.\w+)`")


def complaints(path, known_ids=()):
    """Everything about the form of a lesson that is not as it should be, as sentences."""
    text = Path(path).read_text(encoding="utf-8")
    notebook = pair.read(text)
    told = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    found = [] if text.startswith(HEADER) else ["the header differs from form.HEADER"]
    found += _about_text(Path(path).stem, told, known_ids)
    found += [complaint for cell in code for complaint in _about_cell(cell)]
    share = len(told) / max(1, len(notebook.cells))
    if not 0.35 <= share <= 0.68:
        found.append(f"about half of the cells should be text; {share:.0%} are")
    if short_share(code) < 0.6:
        found.append(f"cells should mostly have 1 to {SHORT} lines; {short_share(code):.0%} have")
    return [*found, *_about_names(code)]


def _about_text(stem, told, known_ids):
    whole = "\n\n".join(told)
    if not re.match(rf"# {stem[:2]}\. \S", told[0] if told else ""):
        yield f"the first cell must begin with '# {stem[:2]}. Title'"
    predicted = len(re.findall(r"\*\*Predict\.\*\*", whole))
    if predicted < 3:
        yield f"at least three '**Predict.**' are wanted; there are {predicted}"
    places = [whole.find(f"\n## {section}") for section in SECTIONS]
    if -1 in places or places != sorted(places):
        yield f"the sections {SECTIONS} must stand in this order near the end; found at {places}"
        return
    exercises = whole[places[1] : places[2]]
    ids = sorted(set(ID.findall(exercises)))
    if len(ids) != 3:
        yield f"exactly three exercises with their ids in backticks are wanted; got {ids}"
    if known_ids and set(ids) - set(known_ids):
        yield f"unknown homework ids {sorted(set(ids) - set(known_ids))}"
    if "tinymaskrcnn homework check" not in exercises:
        yield "the exercises must say how to check them: tinymaskrcnn homework check ..."


def _lines(cell):
    """The lines of a cell that count: no blank ones, no imports."""
    imports = set()
    for node in ast.parse(_plain(cell)).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imports |= set(range(node.lineno, node.end_lineno + 1))
    numbered = enumerate(cell.splitlines(), start=1)
    return [line for number, line in numbered if line.strip() and number not in imports]


def _plain(cell):
    """The cell without lines that only a notebook understands."""
    return "\n".join("pass" if re.match(r"\s*[%!]", line) else line for line in cell.splitlines())


def short_share(code):
    """The share of the code cells that have at most SHORT lines."""
    return sum(len(_lines(cell)) <= SHORT for cell in code) / max(1, len(code))


def _about_cell(cell):
    if len(_lines(cell)) > LONGEST:
        yield f"a cell has {len(_lines(cell))} lines, more than {LONGEST}: {cell.splitlines()[0]!r}"
    for line in cell.splitlines():
        if len(line) > WIDEST:
            yield f"a line has {len(line)} columns, more than {WIDEST}: {line.strip()!r}"
    if re.search(r"^\s*[%!]", cell, re.MULTILINE):
        yield f"a cell holds a line that a plain script does not understand: {cell.splitlines()[0]!r}"


# ---------------------------------------------------------------- names


@functools.cache
def package_names():
    """Every function and class at the top of a module of the package, but for those whose name begins with _."""
    names = set()
    for path in (Path(__file__).parents[2] / "tinymaskrcnn").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                names.add(node.name)
    return names


def _about_names(code):
    """Lessons import the package and never define it again."""
    tree = ast.parse("\n".join(map(_plain, code)))
    taken, imported = package_names(), set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            if module.split(".")[0] not in PACKAGES | sys.stdlib_module_names:
                yield f"line {node.lineno} imports {module}, which 'tinymaskrcnn[lessons]' does not install"
            if module.split(".")[0] == "tinymaskrcnn":
                imported |= {alias.asname or alias.name for alias in node.names}
    wrong_classes = (c for c in ast.walk(tree) if isinstance(c, ast.ClassDef) and c.name.lower().startswith("wrong"))
    methods = {method for found in wrong_classes for method in found.body}  # `backward` of a WrongLayer is its own
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node not in methods:
            length = node.end_lineno - node.lineno + 1
            wrong = node.name.lower().startswith("wrong")
            if node.name in taken:
                yield f"{node.name} is defined again; import it from the package"
            elif not wrong and (isinstance(node, ast.ClassDef) or length > HELPER):
                yield f"{node.name} is neither a wrong_ variant nor a helper of at most {HELPER} lines"
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in imported:
            yield f"{node.id} is imported from the package and then given another value"
