"""The main paths, run by Pyodide itself: `node.mjs` gives it this file, the folders are mounted by their names."""

import json
import sys

from js import process

sys.dont_write_bytecode = True
sys.path[:0] = ["/repository", "/repository/tests", "/site"]
from live import main_paths  # noqa: E402


def processor_seconds():
    used = process.cpuUsage()
    return (used.user + used.system) / 1e6


print(json.dumps(main_paths.main(processor_seconds) | {"boot": BOOT_SECONDS}))  # noqa: F821  of node.mjs
