"""Runs a lesson as a script or in a notebook's kernel, in an empty folder and without a network."""

import base64
import io
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient
from PIL import Image

from . import pair

OFFLINE = Path(__file__).parent / "offline"
LIMIT = 240  # seconds; a lesson takes less than 120 on a machine that has nothing else to do
DEAD = "http://127.0.0.1:9"  # the port that discards: nobody answers


def environment(folder, *, fast=True):
    """The variables a lesson runs with: no screen, no network, nothing of the user's own."""
    own = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    own |= {name: DEAD for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")}
    own |= {"PYTHONPATH": str(OFFLINE), "IPYTHONDIR": str(folder / ".ipython"), "OPENBLAS_NUM_THREADS": "1"}
    own |= {"MPLBACKEND": "Agg", "PYTHONWARNINGS": "default::RuntimeWarning", "JUPYTER_PREFER_ENV_PATH": "1"}
    own.pop("TINYMASKRCNN_FAST", None)
    return own | ({"TINYMASKRCNN_FAST": "1"} if fast else {})


def run_script(source, folder, *, fast=True, limit=LIMIT):
    """Run a lesson as a plain script in an empty folder  ->  CompletedProcess with its stdout and stderr."""
    script = environment(folder, fast=fast)
    return subprocess.run(
        [sys.executable, str(source)], cwd=folder, env=script, capture_output=True, text=True, timeout=limit
    )


def run_notebook(source, folder, *, fast=True, limit=LIMIT):
    """Run a lesson in a kernel  ->  the notebook with its outputs; an error in a cell is an output too."""
    notebook = pair.read(Path(source).read_text(encoding="utf-8"))
    kernel = environment(folder, fast=fast)
    del kernel["MPLBACKEND"]  # the kernel chooses, as it does for a student
    client = NotebookClient(
        notebook, timeout=limit, kernel_name="python3", allow_errors=True, resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=kernel)
    return notebook


def write(notebook, path):
    """Keep a notebook with its outputs."""
    Path(path).write_text(nbformat.writes(notebook, version=nbformat.NO_CONVERT), encoding="utf-8")


def read(path):
    """What write() kept."""
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


# ---------------------------------------------------------------- what came out


def outputs(notebook):
    """(number of the cell, output) of everything that the cells said."""
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", ()):
            yield number, output


def errors(notebook):
    """The exceptions, with the cell that raised them."""
    plain = re.compile(r"\x1b\[[0-9;]*m")
    found = [(number, output) for number, output in outputs(notebook) if output.output_type == "error"]
    return [f"cell {number}: {plain.sub('', chr(10).join(output.traceback))[-3000:]}" for number, output in found]


def warnings(text):
    """The lines of a text that are warnings."""
    return [line for line in text.splitlines() if re.search(r"\bWarning\b|\w+Warning:", line)]


def said_as_error(notebook):
    """Everything that went to stderr."""
    return "".join(o.text for _, o in outputs(notebook) if o.output_type == "stream" and o.name == "stderr")


def texts(notebook):
    """(number of the cell, text) of every cell and of every output that is text; of HTML what a reader sees."""
    for number, cell in enumerate(notebook.cells):
        yield number, cell.source
    for number, output in outputs(notebook):
        yield number, output.get("text", "")
        data = output.get("data", {})
        yield number, data.get("text/plain", "")
        yield number, unescape(re.sub(r"<[^>]*>", "", _without_pictures(data.get("text/html", ""))))


def _without_pictures(html):
    return re.sub(r"data:image/[^\"')]*", "", html)


def pictures(notebook):
    """The sizes in bytes of all pictures that are shown, those inside a slider included; what a script lays over
    another may be as small as it likes."""
    sizes = []
    for _, output in outputs(notebook):
        data = output.get("data", {})
        if "image/png" in data:
            sizes.append(len(data["image/png"]) * 3 // 4)
        shown = re.findall(r"src=[\"']?(data:image/[^\"')]*)", data.get("text/html", ""))
        sizes += [len(found) * 3 // 4 for found in shown]
    return sizes


def sliders(notebook):
    """[(title, [the PNG of each frame])] of everything that can be stepped through."""
    found = []
    for _, output in outputs(notebook):
        html = output.get("data", {}).get("text/html", "")
        if title := re.search(r'<div class="tmr-steps[^>]*aria-label="([^"]*)"', html):
            frames = re.findall(r'<figure>\s*<img src="data:image/png;base64,([^"]*)"', html)
            found.append((unescape(title[1]), [base64.b64decode(frame) for frame in frames]))
    return found


def drawn_share(png):
    """The share of a picture's pixels that are not of the colour of its corner."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    return float((pixels != pixels[0, 0]).any(axis=2).mean())


def size(notebook):
    """Bytes of the notebook file, outputs included."""
    return len(nbformat.writes(notebook, version=nbformat.NO_CONVERT).encode())
