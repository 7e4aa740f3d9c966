"""Sphinx: `python -m sphinx -W docs docs/_build` builds the pages (extra `docs`)."""

import tinymaskrcnn

project = "tinymaskrcnn"
author = "The tinymaskrcnn authors"
release = tinymaskrcnn.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "tinymaskrcnn"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
