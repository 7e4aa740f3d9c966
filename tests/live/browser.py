"""What takes how long in a tab of a browser, and how much memory: `python -m live.browser` (from tests/) says it.

TINYMASKRCNN_PYODIDE names the distribution that the pages are built with. Seconds are those of the clock, and behind
them those of the processor in the tab, which count where other programs work at the same time.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from docs.live_checks import LONG, served
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
BOOT = "async () => { const { Live } = await import('./live.js'); window.live = new Live(); await live.boot(); }"
CELL = "(code) => live.call('cell:run_cell', {code})"
CHECK = "(text) => live.call('homework:check', {homework: 'hw01', text, only: ['hw01.linear_backward']})"
OPEN = """from tinymaskrcnn.zoo import load_tour_detector
from tinymaskrcnn.config import SceneConfig
from tinymaskrcnn.data import SceneStream
model = load_tour_detector()
image, truth = SceneStream(SceneConfig(), split="test", seed=0, batch_size=8).scene(20)"""
DRAW = "from tinymaskrcnn import visualize as show\nshow.detections_figure([image], [truth], model.detect(image[None]))"
TICKS = os.sysconf("SC_CLK_TCK")


def renderers():
    """{process: seconds of the processor} of this machine's tabs."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if b"--type=renderer" in (path / "cmdline").read_bytes():
                fields = (path / "stat").read_text().rpartition(")")[2].split()
                found[path.name] = (int(fields[11]) + int(fields[12])) / TICKS
        except OSError:  # it has ended
            continue
    return found


class Tab:
    """A page whose calls are timed."""

    def __init__(self, browser, address):
        before = set(renderers())
        self.page = browser.new_page()
        self.page.set_default_timeout(LONG)
        self.page.goto(address)
        time.sleep(1)
        self.processes = set(renderers()) - before

    def processor(self):
        return sum(seconds for process, seconds in renderers().items() if process in self.processes)

    def timed(self, what, program, given=None):
        began, used = time.perf_counter(), self.processor()
        self.page.evaluate(program, given)
        wall, used = time.perf_counter() - began, self.processor() - used
        print(f"{what:<48} {wall:7.2f} s {used:7.2f} s", flush=True)

    def megabytes(self):
        """The most that the tab has taken so far."""
        status = [Path("/proc", process, "status").read_text() for process in self.processes]
        return max(int(re.search(r"VmHWM:\s+(\d+)", text)[1]) / 1024 for text in status)


def main():
    from tinymaskrcnn.homework.release import student_file

    wrong = "x, weight = cache\n    return dy @ weight.T, x.T @ dy, dy.mean(axis=0)"
    text = student_file("hw01").replace('raise NotImplementedError("hw01.linear_backward")', wrong)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver, served(folder) as address:
        command = [
            sys.executable,
            "-m",
            "docs.live",
            folder,
            "--pyodide",
            os.path.abspath(os.environ["TINYMASKRCNN_PYODIDE"]),
        ]
        subprocess.run(command, cwd=ROOT, check=True)
        flags = ["--no-sandbox", "--disable-gpu"] if os.geteuid() == 0 else ["--disable-gpu"]
        browser = driver.chromium.launch(executable_path=chromium, args=flags)
        context = browser.new_context()
        tab = Tab(context, address)
        tab.timed("start of Python, nothing cached", BOOT)
        tab.timed("a first cell", CELL, "1 + 1")
        tab.timed("another cell", CELL, "1 + 1")
        tab.timed("a detector is opened", CELL, OPEN)
        tab.timed("a first detection", CELL, "found = model.detect(image[None])")
        tab.timed("another detection", CELL, "found = model.detect(image[None])")
        tab.timed("a first picture of a detection", CELL, DRAW)
        tab.timed("another picture of a detection", CELL, DRAW)
        tab.timed("a first check of an exercise", CHECK, text)
        tab.timed("another check of an exercise", CHECK, text)
        print(f"{'memory of the tab at its most':<48} {tab.megabytes():7.0f} MB")
        tab.page.close()
        Tab(context, address).timed("start of Python, from the browser's cache", BOOT)
        browser.close()


if __name__ == "__main__":
    main()
