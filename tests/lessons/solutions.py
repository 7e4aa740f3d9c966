"""Finds the homework's solutions in the package, and says where a lesson gives one away."""

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "tinymaskrcnn"
BEGIN, END = re.compile(r"# BEGIN SOLUTION (hw\d\d\.\w+)\s*$"), re.compile(r"# END SOLUTION\b")
SHORT = 10  # characters: what is shorter says nothing by itself


def solutions(folder=PACKAGE):
    """{homework id: its lines of code}, cut from between the markers of the package."""
    found = {}
    for path in sorted(Path(folder).rglob("*.py")):
        name = None
        for line in path.read_text(encoding="utf-8").splitlines():
            if begun := BEGIN.search(line):
                name = begun[1]
                found[name] = []
            elif END.search(line):
                name = None
            elif name:
                found[name].append(line)
    return found


def normal_lines(text):
    """The telling lines of a text, without white space and comments."""
    lines = (re.sub(r"\s+", "", re.sub(r"(^|\s)#.*$", "", line)) for line in text.splitlines())
    return [line for line in lines if len(line) >= SHORT and not _says_little(line)]


def _says_little(line):
    """Lines that any function may hold: taking a cache or a shape apart, asking for the array module."""
    unpacking = re.fullmatch(r"[\w,()*]+=(cache|\w+\.shape|array_module\([\w,]+\))", line)
    return unpacking is not None or line.startswith('"""')


def given_away(text, solutions):
    """The ids of the solutions of which two telling lines in a row stand in the text (or the only one there is)."""
    shown = "\n" + "\n".join(normal_lines(text)) + "\n"
    found = []
    for name, lines in solutions.items():
        telling = normal_lines("\n".join(lines))
        parts = zip(telling, telling[1:]) if len(telling) > 1 else [telling] if telling else []
        if any("\n" + "\n".join(part) + "\n" in shown for part in parts):
            found.append(name)
    return found
