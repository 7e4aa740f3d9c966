"""Brings the lessons, which live at the top of the project, among the pages, where the site runs them."""

import shutil
from pathlib import Path

DOCS = Path(__file__).parents[1]
LESSONS = DOCS.parent / "lessons"


def bring(source, target):
    """Copy every notebook whose text has changed, and remove what has no lesson any more."""
    target.mkdir(exist_ok=True)
    wanted = {path.name: path.read_bytes() for path in sorted(source.glob("[0-9][0-9]_*.ipynb"))}
    for path in target.iterdir():
        if path.name not in wanted:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, text in wanted.items():
        page = target / name
        if not page.exists() or page.read_bytes() != text:  # an untouched page is not run again
            page.write_bytes(text)


def setup(app):
    app.add_config_value("lessons_source", str(LESSONS), "env")
    app.connect("config-inited", lambda app, config: bring(Path(config.lessons_source), Path(app.srcdir) / "lessons"))
    return {"parallel_read_safe": True}
