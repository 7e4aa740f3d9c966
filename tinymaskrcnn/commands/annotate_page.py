"""The page of `tinymaskrcnn annotate` and the server behind it, for the browser of this machine alone."""

import contextlib
import io
import json
import re
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files

import numpy as np
from PIL import Image

from ..data.pictures import read_pixels, to_float
from ..errors import TinyMaskRCNNError
from ..files import parse_json

WRITING, SUGGESTING = threading.Lock(), threading.Lock()
LONGEST = 10**6  # bytes of what a page may say


def make_server(notebook, *, port=0, suggest=None):
    """A server of the page for a Notebook, on 127.0.0.1; `server.address` is where.

    The address holds a secret, so that no other page of the browser can guess it, and requests that were sent to any
    other name than this machine's are refused: a page elsewhere cannot reach it by renaming itself.
    """
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.notebook, server.suggest, server.secret = notebook, suggest, secrets.token_urlsafe(16)
    server.hosts = {f"{name}:{server.server_port}" for name in ("127.0.0.1", "localhost")}
    server.address = f"http://127.0.0.1:{server.server_port}/{server.secret}/"
    return server


class Handler(BaseHTTPRequestHandler):
    """Answers the page: itself, its script, the list, pictures by number, and takes boxes by number."""

    timeout = 30

    def log_message(self, *words):
        pass

    def handle(self):
        with contextlib.suppress(ConnectionError):  # whoever asked went away, as a page does that is turned fast
            super().handle()

    def do_GET(self):
        plain = {"": self.page, "annotate.js": self.script, "list": self.list}
        self.answer(plain, {"picture": self.picture, "suggest": self.suggestion})

    def do_PUT(self):
        self.answer({}, {"boxes": self.boxes})

    def answer(self, plain, numbered):
        """Send what a path asks for, or what is wrong with it."""
        try:
            found = self.find(plain, numbered)
        except (TinyMaskRCNNError, OSError) as error:
            found = 400, "text/plain", str(error).encode("utf-8", "replace")
        self.send(*found)

    def find(self, plain, numbered):
        """(status, kind, bytes) of /secret/name or /secret/name/number; there is nothing else."""
        parts = self.path.split("/")[1:]
        if self.headers.get("Host") not in self.server.hosts or parts[0] != self.server.secret:
            return 403, "text/plain", b"this page is for another address"
        if len(parts) == 2 and parts[1] in plain:
            return plain[parts[1]]()
        if len(parts) == 3 and parts[1] in numbered:
            number = number_up_to(len(self.server.notebook.pictures) - 1, parts[2])
            if number is not None:
                return numbered[parts[1]](number)
        return NOTHING

    def send(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text") else kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")  # which would tell the secret
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(body)

    def page(self):
        return 200, "text/html", PAGE.encode()

    def script(self):
        return 200, "text/javascript", files(__package__).joinpath("annotate.js").read_bytes()

    def list(self):
        notebook = self.server.notebook
        rows = []
        for name in notebook.pictures:
            height, width = notebook.sizes[name]
            rows.append({"name": name, "height": height, "width": width, "boxes": notebook.boxes.get(name)})
        return as_json({"classes": notebook.classes, "pictures": rows, "suggests": self.server.suggest is not None})

    def picture(self, number):
        return 200, "image/png", upright_png(self.path_of(number))

    def suggestion(self, number):
        """What is suggested for a picture; the file keeps what it has."""
        if self.server.suggest is None:
            return NOTHING
        with SUGGESTING:
            return as_json(self.server.suggest(self.path_of(number)))

    def boxes(self, number):
        length = number_up_to(LONGEST, self.headers.get("Content-Length", ""))
        if length is None:
            return 413, "text/plain", b"too much"
        said = parse_json(self.rfile.read(length).decode("utf-8", "replace"), "boxes")
        notebook = self.server.notebook
        with WRITING:
            notebook.put(number, said)
            return as_json(notebook.boxes[notebook.pictures[number]])

    def path_of(self, number):
        return self.server.notebook.folder / self.server.notebook.pictures[number]


NOTHING = 404, "text/plain", b"there is no such thing"


def as_json(value):
    return 200, "application/json", json.dumps(value).encode()


def number_up_to(most, text):
    """The number that a text is, written as browsers write it, without zeros in front; None when it is above `most`."""
    return int(text) if re.fullmatch("0|[1-9][0-9]{0,8}", text) and int(text) <= most else None


def upright_png(path):
    """A picture file as browsers show it whatever its kind: turned as its EXIF says, as the bytes of a PNG."""
    pixels = read_pixels(path, 3)
    pixels = pixels if pixels.dtype == np.uint8 else np.uint8(255 * to_float(pixels))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


POLICY = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>annotate</title><link rel="icon" href="data:,"><style>
body { font: 16px/1.4 system-ui, sans-serif; margin: 0 auto; padding: 0 1rem; max-width: 1200px }
#stage { position: relative; touch-action: none; cursor: crosshair; user-select: none }
#stage img { display: block; width: 100% }
.box { position: absolute; box-sizing: border-box; border: 2px solid #e65100; cursor: move }
.box span { position: absolute; left: -2px; bottom: 100%; background: #b23c00; color: #fff; padding: 0 5px }
.box:focus { outline: 3px solid #0b62d6; outline-offset: 1px }
.box i { position: absolute; right: -9px; bottom: -9px; width: 18px; height: 18px; border-radius: 9px;
  background: #e65100; cursor: nwse-resize }
button { font: inherit; min-width: 2.6rem; min-height: 2.6rem; margin: .15rem }
button[aria-pressed=true] { background: #b23c00; color: #fff }
#said { min-height: 1.5em }
</style></head><body>
<h1>Boxes</h1>
<p><button id="back">Previous</button><button id="on">Next</button>
<strong id="name"></strong> <span id="where"></span></p>
<p id="classes" role="group" aria-label="Class of the box"></p>
<p><button id="new">New box</button><button id="gone">Delete box</button>
<button id="suggest" hidden>Suggest</button></p>
<p id="said" role="status"></p>
<div id="stage"><img id="picture" alt="The picture to annotate" draggable="false"></div>
<p>Drag on the picture to draw a box, drag a box to move it, its corner to resize it. With the keyboard: Tab goes from
box to box, arrows move, Shift and arrows resize, 0 to 9 name, Delete removes, n draws a new one, PageUp and PageDown
change the picture. Every change is saved. A picture that you leave without a box counts as one that holds nothing.</p>
<script src="annotate.js"></script></body></html>
"""
