"""Makes pages of the docstrings as they are written: shape lines stand out, `code` is code, examples are examples."""

import re

ROLE = re.compile(r"(?<![`:\w])`([^`\n]+)`(?![`_])")
LINK = re.compile(r"(?<=\w)_(?=\W|$)")  # a name that ends in an underscore would be a link


def arrange(lines):
    """The lines of a docstring as reStructuredText."""
    paragraphs, inside = [], False
    for number, paragraph in enumerate("\n".join(lines).split("\n\n")):
        example = number > 0 and all(line.startswith("    ") for line in paragraph.split("\n") if line.strip())
        if example:
            paragraphs.append(paragraph if inside else f"::\n\n{paragraph}")
        else:
            paragraphs.append(_text(paragraph, first=number == 0))
        inside = example
    return "\n\n".join(paragraphs).split("\n")


def _text(paragraph, *, first):
    """A paragraph; the shape line at its head, which has an arrow, becomes a block of its own."""
    lines = paragraph.split("\n")
    shapes = 0 if first else _shape_lines(lines)
    block = "".join(["::\n\n", *(f"    {line.strip()}\n" for line in lines[:shapes]), "\n"]) if shapes else ""
    return block + LINK.sub(r"\\_", ROLE.sub(r"``\1``", "\n".join(lines[shapes:])))


def _shape_lines(lines):
    """How many lines at the head of a paragraph are the shape line: up to its arrow, and on while a comma ends them."""
    last = next((k for k, line in enumerate(lines[:3]) if "  ->  " in line or line.startswith("->  ")), None)
    while last is not None and lines[last].rstrip().endswith(",") and last + 1 < len(lines):
        last += 1
    return 0 if last is None else last + 1


def setup(app):
    def process(app, what, name, thing, options, lines):
        lines[:] = arrange(lines)

    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True}
