"""Sphinx: `python -m sphinx -W docs docs/_build/html` runs the lessons and builds the pages (extra `docs`)."""

import gc
import sys
from pathlib import Path

import tinymaskrcnn

gc.set_threshold(100_000)  # a build keeps nearly all that it makes; looking for garbage less often saves a seventh

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "tinymaskrcnn"
author = "The tinymaskrcnn authors"
release = tinymaskrcnn.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # MathJax itself, so that a page asks nobody for it
    "blanks",
    "docstrings",
    "figures",
    "lesson_list",
    "lessons",
    "live_pages",
    "one_step",
    "predictions",
]
exclude_patterns = ["_build", "_ext", "_pictures", "live", "jupyter_execute"]
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
suppress_warnings = ["mystnb.unknown_mime_type"]

# Lessons run while the site is built, each in an empty folder; one that fails fails the build. TINYMASKRCNN_FAST=1
# makes those that train do so for a few steps only.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 900  # seconds for a cell; those that train are slow where others work too
nb_merge_streams = True
nb_ipywidgets_js = {}  # nothing needs widgets, and their scripts would come from elsewhere

html_theme = "pydata_sphinx_theme"
html_title = "tinymaskrcnn"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = [(name, {"defer": "defer"}) for name in ("site.js", "film.js")]
html_favicon = "_static/favicon.svg"
html_sourcelink_suffix = ""
html_show_sphinx = False
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,  # the arrow keys belong to the pictures
    "show_nav_level": 1,
    # these two have wide drawings
    "secondary_sidebar_items": {"**": ["page-toc", "sourcelink"], "architecture": [], "index": []},
    "footer_start": [],
    "footer_end": [],
    "icon_links": [],
}
html_sidebars = {"index": [], "instructor_guide": []}  # these have no pages below them
html_context = {"default_mode": "auto"}

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # as they are written, not as this machine prints them
autodoc_default_options = {"members": True}
autodoc_typehints = "none"
autodoc_use_type_comments = False  # there are none, and to look for them takes a second
