"""A headless browser that reaches nothing but what a test serves, and tells what a page asked for and complained of."""

import os
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra test)")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    flags = ["--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with playwright.sync_playwright() as driver:
        if hasattr(os, "getuid") and os.getuid() == 0:
            flags.append("--no-sandbox")  # the only way Chromium runs for root
        found = driver.chromium.launch(executable_path=path, args=flags)
        yield found
        found.close()


class Visit:
    """A page of its own, what it asked for outside of `home`, and the errors in its console."""

    def __init__(self, browser, home, **options):
        self.context = browser.new_context(viewport={"width": 1300, "height": 900}, **options)
        self.outside, self.errors, self.home = [], [], home
        self.context.route("**/*", self._allow)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self._told(message.type, message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _allow(self, route):
        if route.request.url.startswith((self.home, "data:", "blob:")):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def _told(self, kind, text):
        if kind in ("error", "warning"):
            self.errors.append(text)


@pytest.fixture
def visit(browser):
    """visit(home, **options of the browser's context)  ->  Visit, closed when the test ends."""
    open_ = []

    def make(home, **options):
        open_.append(Visit(browser, home, **options))
        return open_[-1]

    yield make
    for one in open_:
        one.context.close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture
def serve():
    """serve(folder)  ->  the address under which a folder answers while the test runs."""
    servers = []

    def start(folder):
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
