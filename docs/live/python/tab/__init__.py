"""The side of Python of a page that computes in its own tab: what the worker calls, a module for each kind of page."""

import importlib
import importlib.util
import json
import shutil
import traceback
from pathlib import Path

from tinymaskrcnn.errors import TinyMaskRCNNError


def lighten():
    """Put away matplotlib's fonts for PostScript: it would read all of them, for seconds, to list what it has."""
    fonts = Path(importlib.util.find_spec("matplotlib").origin).parent / "mpl-data" / "fonts"
    for kind in ("afm", "pdfcorefonts"):
        shutil.rmtree(fonts / kind, ignore_errors=True)


def answer(name, given):
    """What a function of this package returns: "cell:run_cell", its arguments as JSON  ->  an object of JavaScript.

    An error is an answer too: {"error": its text}. Functions return what JSON can hold, and bytes.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(f"{__name__}.{module}"), function)(**json.loads(given))
    except TinyMaskRCNNError as error:
        return _for_javascript({"error": str(error)})
    except Exception as error:  # shown on the page, where its reader can do something about it
        return _for_javascript({"error": "".join(traceback.format_exception(error))[-2000:]})
    return _for_javascript({"answer": found})


def tell(value):
    """Send something to the page while its request is still worked on."""
    import js

    js.tell(_for_javascript(value))


def _for_javascript(value):
    import js
    from pyodide.ffi import to_js

    return to_js(value, dict_converter=js.Object.fromEntries)
