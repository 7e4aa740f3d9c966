"""The list of lessons with their pictures: what lessons/README.md says of each in its table."""

import re
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

ROW = re.compile(r"^\| \[(\d\d) (.+?)\]\((\S+)\.ipynb\) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
CARD = """<li><a class="tmr-lesson" href="lessons/{page}.html">
<img src="_static/thumbnails/{number}.png" alt="" width="320" height="200" loading="lazy">
<span class="tmr-lesson-title">{number}. {title}</span></a>
<p>{shows}</p>
<dl><dt>minutes</dt><dd>{minutes}</dd><dt>needs</dt><dd>{needs}</dd><dt>homework</dt><dd>{homework}</dd></dl></li>"""


def rows(table):
    """[(number, title, page, what it shows, minutes, needs, homework)] of a README's table."""
    return ROW.findall(table)


class LessonList(SphinxDirective):
    """A card for each row of the table in the README beside the lessons."""

    def run(self):
        path = Path(self.config.lessons_source) / "README.md"
        self.env.note_dependency(str(path))
        names = ("number", "title", "page", "shows", "minutes", "needs", "homework")
        found = rows(path.read_text(encoding="utf-8"))
        if not found:
            raise self.error(f"lesson-list: {path} has no table of lessons")
        cards = [CARD.format(**{name: escape(text) for name, text in zip(names, row)}) for row in found]
        return [nodes.raw("", '<ol class="tmr-lessons">\n' + "\n".join(cards) + "\n</ol>", format="html")]


def setup(app):
    app.add_directive("lesson-list", LessonList)
    return {"parallel_read_safe": True}
