"""What the text of a file tells about a verdict that a call cannot: a function written twice, a blank half filled."""

import ast
import dataclasses

from .blanks import functions_in
from .library import is_main, parsed
from .loading import notebook_lines

LOADING = 'put your own tests below `if __name__ == "__main__":`, where no check runs them'


@dataclasses.dataclass(frozen=True)
class Note:
    """What is said of a line of a file, 0 for none; words: "" for one that is only counted.

    mild: the line fails while one exercise is checked, and is not to blame.
    """

    line: int
    words: str
    mild: bool = False


def sentences(verdicts):
    """The notes of all verdicts of a file as sentences: one of each line, in order, and how many more there are."""
    found = {}
    for note in (note for verdict in verdicts for note in verdict.notes):
        key = note.line or note.words
        held = found.get(key)
        if held is None or (not held.words and note.words) or (held.mild and note.words and not note.mild):
            found[key] = note
    told = sorted((note for note in found.values() if note.words), key=lambda note: (not note.line, note.line))
    more = len(found) - len(told)
    return [note.words for note in told] + [f"{more} more line{'s were' if more > 1 else ' was'} left out"] * bool(more)


def with_remarks(verdict, text, stumbles=(), more=()):
    """The Verdict with what the file's text explains, and with notes on what was left out of the file.

    stumbles: of the statements that failed; more: the lines of others that did.
    """
    notes = [Note(s.line, s.in_words(), bool(s.put_away)) for s in [*notebook_lines(text), *stumbles]]
    notes += [Note(line, "") for line in more]
    verdict = dataclasses.replace(verdict, notes=tuple(notes))
    first = verdict.first
    if first is None:
        return verdict
    said = _of_function(verdict, text)
    if said and first.trouble is not None and first.trouble.kind == "missing":
        return _retold(verdict, first, f"{first.trouble.message}; {said}")
    if said and verdict.word == "empty":
        return dataclasses.replace(verdict, diagnosis=said)
    return dataclasses.replace(verdict, notes=(*notes, Note(0, said))) if said else verdict


def _retold(verdict, first, words):
    told = dataclasses.replace(first, trouble=dataclasses.replace(first.trouble, message=words))
    return dataclasses.replace(verdict, results=(told,), diagnosis="", notes=())


def _of_function(verdict, text):
    try:
        tree, _ = parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    blank, first = verdict.exercise.blank, verdict.first
    nodes = [n for class_name, n in functions_in(tree) if (class_name, n.name) == (blank.class_name, blank.function)]
    if not nodes:
        return _elsewhere(tree, blank)
    lines = ", ".join(str(node.lineno) for node in nodes[:-1])
    twice = f"{blank.function} is written more than once, at line {lines} and at line {nodes[-1].lineno}; Python takes "
    if verdict.word != "empty":
        return f"{twice}the last one" if len(nodes) > 1 else ""
    if len(nodes) > 1 and any(_own_lines(node, blank) for node in nodes[:-1]):
        return f"{twice}the last one, and that one still raises NotImplementedError"
    line = first.trouble.line
    if not nodes[-1].lineno <= line <= nodes[-1].end_lineno:
        return f"it calls what is not filled in yet: line {line} raises NotImplementedError" if line else ""
    if _own_lines(nodes[-1], blank):
        return f"there are lines of your own, and line {line} still raises NotImplementedError before it returns"
    return ""


def _own_lines(node, blank):
    """How many statements a function holds beyond those it was handed out with."""
    stub = ast.parse(blank.emptied().with_solution(blank.emptied().solution)).body[0]
    return _statements(node) - _statements(stub)


def _statements(node):
    inner = (n for statement in node.body for n in ast.walk(statement))
    return sum(isinstance(n, ast.stmt) and not isinstance(getattr(n, "value", None), ast.Constant) for n in inner)


def _elsewhere(tree, blank):
    """Where a function is that does not stand at the top of the file."""
    for top in tree.body:
        found = [n for n in ast.walk(top) if isinstance(n, ast.FunctionDef) and n.name == blank.function]
        if found and is_main(top):
            return f"the one at line {found[0].lineno} stands in the __main__ block, which is not run"
        if found:
            place = f"inside {top.name}" if hasattr(top, "name") else "in an indented block"
            return f"the one at line {found[0].lineno} stands {place}"
    return ""
