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
WHY = """async () => live.call("playground:why", {k: 0, scene: await live.call("playground:example")})"""
TRAINER = """import numpy as np
from tinymaskrcnn.config import tour_preset
from tinymaskrcnn.data.loader import open_stream
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.train.trainer import Trainer, computing
config = tour_preset()
stream = open_stream(config, split="train")
learner = build_model(config.model, rng=np.random.default_rng(0))
learner.train()
trainer, batch = Trainer(learner, stream, config.train), stream.batch(0)
with computing(): trainer.train_step([batch])"""
STEP = "with computing(): trainer.train_step([batch])"
SMALL = "(begin) => live.call('playground:train', {steps: begin ? 0 : 1, begin})"
TICKS = os.sysconf("SC_CLK_TCK")


def renderers():
    """{process: seconds of the processor} of the tabs of the browser that this program has started."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            parents[path.name] = fields[1]
            if b"--type=renderer" in (path / "cmdline").read_bytes():
                used[path.name] = (int(fields[11]) + int(fields[12])) / TICKS
        except OSError:  # it has ended
            continue
    return {process: seconds for process, seconds in used.items() if str(os.getpid()) in _ancestors(process, parents)}


def _ancestors(process, parents):
    while process in parents:
        process = parents[process]
        yield process


class Tab:
    """A page whose calls are timed."""

    def __init__(self, browser, address):
        self.page = browser.new_page()
        self.page.set_default_timeout(LONG)
        self.page.goto(address)

    def timed(self, what, program, given=None):
        began, before = time.perf_counter(), renderers()
        self.page.evaluate(program, given)
        wall, after = time.perf_counter() - began, renderers()
        used = sum(seconds - before.get(process, 0) for process, seconds in after.items())
        print(f"{what:<48} {wall:7.2f} s {used:7.2f} s", flush=True)

    def megabytes(self):
        """The most that the tab has taken so far."""
        status = [Path("/proc", process, "status").read_text() for process in renderers()]
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
        tab.timed("a first explanation", WHY)
        tab.timed("another explanation", WHY)
        tab.timed("a first training step of the shipped detector", CELL, TRAINER)
        for _ in range(3):
            tab.timed("another training step of it", CELL, STEP)
        tab.timed("the playground's small model is made", SMALL, True)
        for _ in range(3):
            tab.timed("a training step of it", SMALL, False)
        tab.timed("a first check of an exercise", CHECK, text)
        tab.timed("another check of an exercise", CHECK, text)
        print(f"{'memory of the tab at its most':<48} {tab.megabytes():7.0f} MB")
        tab.page.close()
        Tab(context, address).timed("start of Python, from the browser's cache", BOOT)
        browser.close()


if __name__ == "__main__":
    main()
