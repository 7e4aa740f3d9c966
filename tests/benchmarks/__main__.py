"""All benchmarks: what there is, and the way to run one.

python -m tests.benchmarks                 what there is
python -m tests.benchmarks NAME [options]  the same as python -m tests.benchmarks.NAME [options]
"""

import ast
import difflib
import runpy
import sys
import textwrap
from pathlib import Path

FOLDER = Path(__file__).parent


def programs(folder=FOLDER):
    """Every file that can be run by itself: {name: first line of what it says about itself}."""
    found = {}
    for path in sorted(folder.glob("[!_]*.py")):
        text = path.read_text(encoding="utf-8")
        if '__name__ == "__main__"' in text:
            found[path.stem] = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    return found


def listing(found):
    """The names with what they do, one in a line."""
    width = 2 + max(map(len, found))
    lines = []
    for name, what in found.items():
        lines += textwrap.wrap(what, 100, initial_indent=f"{name:{width}}", subsequent_indent=" " * width) or [name]
    return "\n".join(lines)


def main(words=None):
    words = sys.argv[1:] if words is None else words
    found = programs()
    if not words or words[0] in ("-h", "--help"):
        print(f"{__doc__}\n{listing(found)}\n\nEach says more with --help.")
        return 0
    name = words[0].removesuffix(".py").replace("-", "_")
    if name not in found:
        close = difflib.get_close_matches(name, found, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        print(f"there is no benchmark {words[0]!r}{hint} There are: {', '.join(found)}", file=sys.stderr)
        return 2
    sys.argv = [str(FOLDER / f"{name}.py"), *words[1:]]
    runpy.run_module(f"{__package__}.{name}", run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
