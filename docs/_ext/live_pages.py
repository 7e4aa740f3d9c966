"""Puts the pages that compute in the browser beside the others, and buttons on the cells of the lessons."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1]


def put_beside(app, exception):
    """Build the folder live/ of the site, with Pyodide from `live_pyodide` or, where that is empty, from elsewhere."""
    if exception is None and app.builder.format == "html":
        sys.path.insert(0, str(DOCS.parent))
        from docs.live.build import build

        build(Path(app.outdir) / "live", app.config.live_pyodide or None)


def add_buttons(app, page, template, context, doctree):
    """Only lessons have cells to run."""
    if page.startswith("lessons/"):
        app.add_js_file("live_cells.js", loading_method="defer")


def setup(app):
    app.add_config_value("live_pyodide", os.environ.get("TINYMASKRCNN_PYODIDE", ""), "env")
    app.connect("html-page-context", add_buttons)
    app.connect("build-finished", put_beside)
    return {"parallel_read_safe": True}
