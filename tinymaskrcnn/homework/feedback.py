"""The page a student gets back: every exercise with its verdict, the first wrong case, a picture, their own lines."""

import base64
import html
import io

from .blanks import functions_in
from .exercises import exercises_of, find_exercise
from .library import parsed

LINES = 60  # of a function, and characters of a line, that are shown
CHARACTERS = 200
NOT_SHOWN = ("right", "empty", "missing")
STYLE = """
:root { color-scheme: light dark; --card: #f4f5f7; --line: #c9ced6; --right: #00735a; --wrong: #b04a00; }
@media (prefers-color-scheme: dark) { :root { --card: #1d2128; --line: #444b57; --right: #2fc79f; --wrong: #ff9d4d; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 54rem; margin: 2rem auto; padding: 0 1rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
section { padding: .5rem 1.2rem; margin: 1rem 0; }
h2 { font-size: 1.05rem; } .right { color: var(--right); } .wrong { color: var(--wrong); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; line-height: 1.35; }
.code { border-left: 3px solid var(--line); padding-left: .8rem; }
.code span { display: block; padding-left: 6ch; text-indent: -6ch; } img { max-width: 100%; background: white; }
td, th { padding: .15rem .9rem .15rem 0; text-align: left; } .says { font-weight: 600; }
"""


def picture_of(verdict):
    """The PNG of a verdict's first wrong case, or None: no picture is worth a page."""
    from .picture import wrong_figure

    try:
        figure = wrong_figure(verdict)
        if figure is None:
            return None
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    except Exception:  # a picture of strange numbers failed; the words are there all the same
        return None
    return buffer.getvalue()


def own_functions(homework, text):
    """What a student wrote for each exercise, with the numbers of its lines; of a broken file nothing.

    "hw01", text of the file  ->  {exercise id: text}
    """
    try:
        tree, _ = parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    found = {(class_name, node.name): node for class_name, node in functions_in(tree)}
    lines = text.split("\n")
    nodes = {e.id: found.get((e.blank.class_name, e.blank.function)) for e in exercises_of(homework)}
    return {identifier: _numbered(lines, node) for identifier, node in nodes.items() if node is not None}


def _numbered(lines, node):
    shown = lines[node.lineno - 1 : node.end_lineno][:LINES]
    margin = min(len(line) - len(line.lstrip()) for line in shown if line.strip())
    written = [f"{n:>4}  {line[margin:][:CHARACTERS]}".rstrip() for n, line in enumerate(shown, start=node.lineno)]
    rest = node.end_lineno - node.lineno + 1 - len(shown)
    return "\n".join(written + [f"      ... and {rest} more lines"] * (rest > 0))


def feedback_page(record, images, functions):
    """A self-contained page.

    record: as grade_one makes it, images: {exercise id: PNG bytes or None}, functions: {exercise id: text}  ->  HTML
    """
    head = f"{record['homework']}: {record['points']:g} of {record['of']} points"
    rows = "".join(_row(entry) for entry in record["exercises"])
    table = f"<table><tr><th>exercise<th>verdict<th>points</tr>{rows}</table>" if rows else ""
    note = f"<pre>{html.escape(record['note'])}</pre>" if record["note"] else ""
    sections = _sections(record["exercises"], images, functions)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(record["student"])}, {head}'
        f'</title><meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>{html.escape(record['student'])}</h1><p>{head}; {html.escape(record['verdict'])}</p>{note}{table}"
        f"{sections}</body></html>\n"
    )


def _row(entry):
    tone = "right" if entry["verdict"] == "right" else "wrong"
    points = f"{entry['points']:g} of {entry['of']}"
    return f'<tr><td>{entry["id"]}<td class="{tone}">{html.escape(entry["verdict"])}<td>{points}</tr>'


def _sections(entries, images, functions):
    """What is said of each; of a file that does not load all entries say the same, and one is enough."""
    words = entries[0]["explanation"] if entries else []
    if len(entries) > 1 and words and all(entry["explanation"] == words for entry in entries):
        says = html.escape("\n".join(words))
        return f"<section><h2>All exercises</h2><pre>{says}</pre></section>"
    return "".join(_section(entry, images.get(entry["id"]), functions.get(entry["id"])) for entry in entries)


def _section(entry, image, function):
    title = find_exercise(entry["id"]).title
    if entry["verdict"] == "right":
        return ""
    lines = [line for line in entry["explanation"] if not line.startswith("=> ")]
    words = html.escape("\n".join(lines))
    says = f'<p class="says">{html.escape(entry["diagnosis"])}</p>' if entry["diagnosis"] else ""
    cases = f"<p>{entry['cases_passed']} of {entry['cases_tried']} cases right</p>"
    picture = ""
    if image:
        data = base64.b64encode(image).decode()
        picture = f'<img alt="wanted, yours, and the difference" src="data:image/png;base64,{data}">'
    code = ""
    if function and entry["verdict"] not in NOT_SHOWN:
        lines = "".join(f"<span>{html.escape(line)}</span>" for line in function.split("\n"))
        code = f'<p>Your function, with the numbers of its lines:</p><pre class="code">{lines}</pre>'
    head = f"<h2>{entry['id']}: {html.escape(title)}</h2>"
    return f"<section>{head}{cases}{says}<pre>{words}</pre>{picture}{code}</section>"
