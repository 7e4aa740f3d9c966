"""The statements of a text: which lines belong together and what they make."""

import ast

import pytest

from tinymaskrcnn.explain.statements import PACKAGE, Made, Source, source_of

TEXT = '''
def f(x, *, y=(1,
               2)):
    """Say something.

    x (K,)  ->  y (K,)
    """
    a, (b, *c) = g(
        x,
    )
    for i, part in enumerate(c):
        out[i] += part
    else:
        self.weight.grad += a
    try:
        z: int = 1
    finally:
        done()
    if x:
        pass
    elif a:
        q = np.empty(3)
    else:
        # a remark between
        with open(b) as file:
            return a, b + 1
    return f
'''


@pytest.fixture(scope="module")
def source():
    return Source(TEXT)


@pytest.mark.parametrize(
    ("word", "lines", "made"),
    [
        ("        x,", 3, [Made("a"), Made("b"), Made("c")]),
        ("for i", 1, [Made("i"), Made("part")]),
        ("out[i]", 1, [Made("out", grows=True)]),
        ("self.weight", 1, [Made("self.weight.grad", grows=True)]),
        ("z: int", 1, [Made("z")]),
        ("q =", 1, [Made("q", empty=True)]),
        ("with open", 1, [Made("file")]),
        ("elif a", 1, []),
    ],
)
def test_statements_and_what_they_make(source, word, lines, made):
    statement = source.statement(line_of(word))
    assert statement.last - statement.first + 1 == lines and list(statement.made) == made


def line_of(word):
    return next(number for number, line in enumerate(TEXT.splitlines(), start=1) if word in line)


@pytest.mark.parametrize(
    ("word", "opener"),
    [
        ("self.weight", "else:"),
        ("done()", "finally:"),
        ("z: int", "try:"),
        ("with open", "else:"),
        ("elif", ""),
        ("out", ""),
    ],
)
def test_the_word_above_a_block(source, word, opener):
    line = source.statement(line_of(word)).opener
    assert (source.lines[line - 1].strip() if line else "") == opener


def test_what_is_returned_and_where_a_function_begins(source):
    assert source.statement(line_of("return a")).returned == ("a", "b + 1")
    assert source.statement(line_of("return f")).returned == ("f",)
    definition = source.definition(2)
    assert (definition.first, definition.head, definition.begin) == (2, 3, 7)
    assert definition.doc.startswith("Say something.")


def test_every_line_of_the_package_that_does_something_belongs_to_a_statement():
    for path in [path for folder in ("ops", "nn", "targets") for path in sorted((PACKAGE / folder).glob("*.py"))]:
        source = source_of(path.relative_to(PACKAGE).as_posix())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.stmt):
                statement = source.statement(node.lineno)
                assert statement.first <= node.lineno <= statement.last <= node.end_lineno, (path, node.lineno)
