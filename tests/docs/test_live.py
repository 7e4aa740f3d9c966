"""The pages that compute in the browser: built with a Pyodide from a folder, opened in a browser that has no way out.

They want what TINYMASKRCNN_PYODIDE names, and are skipped where it names nothing.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tinymaskrcnn.commands.live import make_server

ROOT = Path(__file__).parents[2]
PYODIDE = os.environ.get("TINYMASKRCNN_PYODIDE", "")
pytestmark = pytest.mark.skipif(not PYODIDE, reason="TINYMASKRCNN_PYODIDE names no distribution of Pyodide")


@pytest.fixture(scope="module")
def pages(once):
    """The folder of the pages, built once."""

    def make(folder):
        command = [sys.executable, "-m", "docs.live", folder, "--pyodide", os.path.abspath(PYODIDE)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)

    return once("live", make)


@pytest.fixture
def open_page(pages, visit):
    """open_page(name)  ->  a Visit that is on the page, served as `tinymaskrcnn live` does."""
    servers = []

    def start(name="index.html", **options):
        server = make_server(pages)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        visitor = visit(server.address, **options)
        visitor.page.goto(server.address + name)
        return visitor

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


BOOT = "async () => { const { Live } = await import('./live.js'); window.live = new Live(); await live.boot(); }"
CALL = """([name, given, more]) =>
    live.call(name, given, more).then((a) => a, (e) => ({error: e.message, ended: e.ended}))"""
LATEST = """() => Promise.all([1, 2, 3, 4].map((n) =>
    live.call("cell:run_cell", {code: `print(${n})`}, {channel: "c"}).then((a) => a?.outputs[0].text)))"""


def test_cells_run_in_the_worker_and_one_without_an_end_is_ended(open_page):
    visitor = open_page()
    visitor.page.evaluate(BOOT)

    def cell(code, **more):
        found = visitor.page.evaluate(CALL, ["cell:run_cell", {"code": code}, more])
        return found.get("outputs", found)

    assert cell("import numpy as np\nprint('one')\nx = np.arange(3)\nx") == [
        *({"text": "one\n"}, {"text": "array([0, 1, 2])\n"})
    ]
    [failed] = cell("def f():\n    return x[3]\nf()")
    assert "line 2, in f\n    return x[3]" in failed["error"] and failed["error"].count("File") == 2
    [html] = cell("class A:\n    def _repr_html_(self): return '<b>1</b>'\nA()")
    assert html == {"html": "<b>1</b>"} and cell("A();") == [] == cell("")
    assert "SyntaxError" in cell("a b")[0]["error"] and "SystemExit" in cell("raise SystemExit(1)")[0]["error"]
    assert visitor.page.evaluate(LATEST) == ["1\n", None, None, "4\n"]  # of those that wait, the last one
    assert "no_such" in visitor.page.evaluate(CALL, ["cell:no_such", {}, {}])["error"]
    assert cell("while True: pass", seconds=0.5) == {"error": "ended after 0.5 seconds", "ended": True}
    assert cell("x")["error"] == "Python has not been started"
    assert visitor.outside == [] and visitor.errors == []
