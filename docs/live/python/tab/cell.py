"""Cells of a notebook: run one after another in the same variables, and what each says as a page can show it."""

import ast
import contextlib
import io
import itertools
import linecache
import sys
import traceback

from matplotlib.figure import Figure

FRAMES = 6  # of a traceback: from the cell on, the rest is left out
numbers = itertools.count(1)
variables = {}


def restart():
    """Forget all variables, as a notebook does that is started anew."""
    variables.clear()
    variables["__name__"] = "__main__"
    return {"restarted": True}


restart()


def run_cell(code):
    """Run the text of a cell.

    code  ->  {"outputs": [one {"text", "html", "png" and "alt", or "error"} for each thing it says, in order]}
    """
    said = _Said()
    name = f"<cell {next(numbers)}>"
    linecache.cache[name] = len(code), None, code.splitlines(keepends=True), name  # so that a traceback has its lines
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            body, last = _parts(code, name)
            exec(body, variables)
            if last is not None and (value := eval(last, variables)) is not None:
                said.outputs.append(shown(value))
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            said.outputs.append({"error": _short(error, name)})
        if pyplot := sys.modules.get("matplotlib.pyplot"):  # only where a cell has asked for it, since it takes seconds
            said.outputs += [shown(pyplot.figure(number)) for number in pyplot.get_fignums()]
            pyplot.close("all")
    return {"outputs": said.outputs}


def _parts(code, name):
    """The compiled statements of a cell, and its last line by itself when that is an expression whose value counts."""
    tree = ast.parse(code, name)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not code.rstrip().endswith(";"):
        last = compile(ast.Expression(tree.body.pop().value), name, "eval")
    return compile(tree, name, "exec"), last


def shown(value):
    """What stands for a value: its HTML, its picture with what it shows in words, or its text."""
    if hasattr(value, "_repr_html_") and (html := value._repr_html_()) is not None:
        return {"html": html}
    if hasattr(value, "_repr_png_"):
        found = value._repr_png_()
        png, about = found if isinstance(found, tuple) else (found, {})
        return {"png": png, "alt": about.get("alt", "picture")}
    if isinstance(value, Figure):
        file = io.BytesIO()
        value.savefig(file, format="png", bbox_inches="tight")
        return {"png": file.getvalue(), "alt": "figure"}
    return {"text": repr(value) + "\n"}


def _short(error, name):
    """An error as Python tells it, from the cell on, without what led to the cell and the deeps of libraries."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != name:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace, limit=FRAMES, chain=False))


class _Said(io.TextIOBase):
    """Gathers what is printed, in its place among what is shown."""

    def __init__(self):
        self.outputs = []

    def write(self, text):
        if text:
            if not self.outputs or "text" not in self.outputs[-1]:
                self.outputs.append({"text": ""})
            self.outputs[-1]["text"] += text
        return len(text)


def display(*values):
    """IPython's function, which a cell may call: shows values before the cell has ended."""
    for value in values:
        sys.stdout.outputs.append(shown(value))


variables["display"] = display
