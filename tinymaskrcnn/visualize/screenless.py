"""matplotlib, also where MPLBACKEND names a screen that is not installed here.

A notebook's kernel sets it for all that is started from its cells and terminals, `!tinymaskrcnn train` too. Pictures of
this package need no screen, so what cannot be had does not keep them from being drawn.
"""

import os
import sys


def import_matplotlib():
    """Import matplotlib; a backend that it does not know is taken out of the environment."""
    try:
        import matplotlib  # noqa: F401
    except ValueError:
        if os.environ.pop("MPLBACKEND", None) is None:  # something else is wrong
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
            del sys.modules[name]  # half of it is there
        import matplotlib  # noqa: F401


import_matplotlib()
