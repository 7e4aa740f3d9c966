"""Draws one training step while the site is built: the walk as a page of its own, and the network on one sheet."""

import functools
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from tinymaskrcnn.commands import walk


@functools.cache
def subject():
    return walk.subject("tour")


def source(file):
    """The page with a file's text."""
    return f"_modules/tinymaskrcnn/{file.removesuffix('.py')}.html"


def lesson(name):
    return f"lessons/{name}.html"


class Plate(SphinxDirective):
    """The network on one sheet; the directive's text says the same in letters."""

    has_content = True

    def run(self):
        model, batch, _ = subject()
        svg = walk.plate_of(model, batch, source=source, lesson=lesson).svg()
        words = nodes.literal_block("", "\n".join(self.content), language="text")
        before = f'<div class="plate-of" tabindex="0" role="region" aria-label="The network on one sheet">{svg}</div>'
        opened = f"{before}<details><summary>The same in letters</summary>"
        return [nodes.raw("", opened, format="html"), words, nodes.raw("", "</details>", format="html")]


def write_walk(app, error):
    """The walk as a page beside the others; it leaves the blanks of the homework blank, as all pages do."""
    if error is None and app.builder.format == "html":
        model, batch, about = subject()
        text = walk.page_of(model, batch, about, blanks=True)
        (Path(app.outdir) / "one_step.html").write_text(text, encoding="utf-8")


def setup(app):
    app.add_directive("plate", Plate)
    app.connect("build-finished", write_walk)
    return {"parallel_read_safe": True}
