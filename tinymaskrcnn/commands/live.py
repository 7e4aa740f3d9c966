"""`tinymaskrcnn live`: the pages that compute in the browser, served to the browser of this machine."""

import sys
from pathlib import Path

from ..errors import ArgumentError, BackendError

HELP = "play with a detector, check homework and run lessons in the browser, where Python runs in the page"
EXAMPLES = """examples:
  tinymaskrcnn live                           builds the pages in docs/_build/live, if need be, and opens them
  tinymaskrcnn live --pyodide pyodide/        with Python for the browser from a folder: nothing comes from elsewhere
  tinymaskrcnn live docs/_build/html          the whole site, as Sphinx built it, with lessons that run

The pages are built from a checkout of the project. Only this machine can see them. Ctrl-C ends it."""

CHECKOUT = Path(__file__).parents[2]


def add_arguments(parser):
    parser.add_argument("folder", nargs="?", metavar="DIR", help="a folder that is built (default: docs/_build/live)")
    parser.add_argument("--pyodide", metavar="DIR", help="build the pages anew, with the Pyodide of this folder")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port (default: one that is free)")
    parser.add_argument("--no-browser", action="store_true", help="say the address and open nothing")


def run(args):
    import webbrowser

    if not 0 <= args.port <= 65535:
        raise ArgumentError(f"--port must be in 0..65535; got {args.port}")
    server = make_server(_folder(args), args.port)
    print(f"the pages are at {server.address}", flush=True)
    if not args.no_browser:
        webbrowser.open(server.address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("ended")
    finally:
        server.server_close()
    return 0


def _folder(args):
    """The folder to serve, built if it is the default one and is not there, or shall have another Pyodide."""
    if args.folder:
        if args.pyodide:
            raise ArgumentError("--pyodide builds the default folder anew; leave it out with a folder that is built")
        folder = Path(args.folder)
    else:
        folder = CHECKOUT / "docs" / "_build" / "live"
        if args.pyodide or not (folder / "live.json").is_file():
            _build(folder, args.pyodide)
    if not (folder / "index.html").is_file():
        raise ArgumentError(f"{folder}: holds no index.html to be opened")
    return folder


def _build(folder, pyodide):
    import subprocess

    if not (CHECKOUT / "docs" / "live").is_dir():
        raise BackendError("live: the pages are built from a checkout of the project; give a folder that is built")
    given = ["--pyodide", str(Path(pyodide).absolute())] if pyodide else []
    command = [sys.executable, "-m", "docs.live", str(folder), *given]
    done = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise BackendError(f"live: the pages could not be built: {done.stderr.strip()[-400:]}")


def make_server(folder, port=0):
    """A server of a folder for this machine alone; `server.address` is where."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Handler(SimpleHTTPRequestHandler):
        extensions_map = SimpleHTTPRequestHandler.extensions_map | {
            ".js": "text/javascript",  # whatever the system's own table says
            ".mjs": "text/javascript",
            ".wasm": "application/wasm",  # so that it is compiled while it comes
            ".whl": "application/zip",
        }

        def send_head(self):
            if self.headers.get("Host") not in self.server.hosts:  # a page elsewhere that has renamed itself
                self.send_error(403, "this page is for another address")
                return None
            return super().send_head()

        def end_headers(self):
            self.send_header("Cache-Control", "no-cache")  # asked for again, and sent where it has changed
            super().end_headers()

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, directory=str(folder)))
    server.daemon_threads = True
    server.hosts = {f"{name}:{server.server_port}" for name in ("127.0.0.1", "localhost")}
    server.address = f"http://127.0.0.1:{server.server_port}/"
    return server
