"""A Python that starts nothing: no thread, no process, and none of the modules for these is handed to the package.

`import live.alone` makes this process one, for as long as it lives.
"""

import builtins
import importlib
import sys
import threading

REFUSED = {"ssl", "socket", "select", "http", "urllib", "concurrent", "signal", "subprocess", "multiprocessing"}
REFUSED |= {"resource", "fcntl", "webbrowser", "asyncio"}


def refuse_threads():
    """Like a container in which no process may have another thread."""

    def start(self):
        raise RuntimeError("can't start new thread")

    threading.Thread.start = start


def refuse_modules():
    """What the package asks for by itself; what other packages need is theirs."""
    real_import, real_import_module = builtins.__import__, importlib.import_module

    def check(name, asked_by):
        if asked_by.split(".")[0] == "tinymaskrcnn" and name.split(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"no module named {name!r}", name=name)

    def by_statement(name, globals=None, locals=None, fromlist=(), level=0):
        if level == 0:
            check(name, str((globals or {}).get("__name__", "")))
        return real_import(name, globals, locals, fromlist, level)

    def by_name(name, package=None):
        check(name, sys._getframe(1).f_globals.get("__name__", ""))
        return real_import_module(name, package)

    builtins.__import__, importlib.import_module = by_statement, by_name


refuse_threads()
refuse_modules()
