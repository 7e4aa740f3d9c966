"""Makes the helpers of this folder importable and lends the strict device array to every test that asks for it."""

import gc
import os
import signal
import sys
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores already: more threads would wait for one another
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parent))
import drawn_examples  # noqa: E402

# They take longest: begun first, they are done when the others are, and no process ends alone with them.
FIRST = (
    "docs/test_site.py",
    "lessons/test_lessons.py",
    "homework/test_homework_grade.py",
    "data/test_coco_damage.py",
    "kernels/c/test_memory_of_the_lane.py",
)


def pytest_collection_modifyitems(items):
    """What is marked long repeats what shorter tests show, on more of the same; TINYMASKRCNN_TESTS=all runs it, too.

    Of what is marked in_turn, many cases of one test, every run takes a third, and another run others.
    """
    here = Path(__file__).parent
    ranks = {here / name: rank for rank, name in enumerate(FIRST)}
    items.sort(key=lambda item: ranks.get(item.path, len(FIRST)))
    if os.environ.get("TINYMASKRCNN_TESTS") == "all":
        return
    alike = {}
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="long; runs with TINYMASKRCNN_TESTS=all"))
        elif item.get_closest_marker("in_turn"):
            alike.setdefault((item.path, item.originalname), []).append(item)
    for cases in alike.values():
        for item in drawn_examples.not_now(cases):
            item.add_marker(pytest.mark.skip(reason="in turn: not in this run; with TINYMASKRCNN_TESTS=all all do"))


def pytest_collection_finish():
    """What has been collected stays until the end: no collection of garbage looks at it again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Each process gets one long part of the tests, and takes over from others when it is done.

    What a file's tests share is then made in one process; dealt out in small lots, it is made in all of them.
    """
    if config.getvalue("dist") == "load":  # as -n alone has it
        from xdist.scheduler import WorkStealingScheduling

        return WorkStealingScheduling(config, log)


@pytest.fixture
def device():
    """The strict device array's module: device.asarray(host_array) moves there."""
    import strict_device

    return strict_device.xp


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """once(name, make)  ->  the folder that make(folder) has filled: for whichever process comes first, and for all."""
    from shared import made_once

    base = tmp_path_factory.getbasetemp()  # of each worker a folder of its own, in one that all share
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return lambda name, make: made_once(root / name, make)


@pytest.fixture(scope="session", autouse=True)
def emulated(once):
    """The kernels for CUDA are compiled by the first process that asks, those that tests start among them."""
    import cuda_emulator

    os.environ[cuda_emulator.SHELF] = str(once("emulated", lambda folder: None))


@pytest.fixture(scope="session")
def executed(once):
    """executed(lesson)  ->  the path of its notebook with outputs; run once, for the lesson's test and for the site."""
    from lessons import running

    def path_of(lesson):
        def run(folder):
            (folder / "empty").mkdir()
            running.write(running.run_notebook(lesson, folder / "empty"), folder / f"{lesson.stem}.ipynb")

        return once(f"lesson-{lesson.stem}", run) / f"{lesson.stem}.ipynb"

    return path_of


@pytest.fixture
def rng():
    import numpy as np

    return np.random.default_rng(0)


@pytest.fixture
def annotate_server(tmp_path):
    """The server of `tinymaskrcnn annotate` for a.png, 60 wide and 40 high, and b.jpg, which its EXIF turns upright."""
    import threading

    import numpy as np
    from PIL import Image

    from tinymaskrcnn.commands.annotate_page import make_server
    from tinymaskrcnn.data.annotator import Notebook

    exif = Image.Exif()
    exif[0x0112] = 6
    for name, more in (("a.png", {}), ("b.jpg", {"exif": exif})):
        Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(tmp_path / name, **more)
    notebook = Notebook(tmp_path, tmp_path / "boxes.json")
    server = make_server(notebook, suggest=lambda path: [[1, 2, 3, 4, 5]])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def python_ctrl_c():
    """Python's own handler, also where the shell that started the tests has set Ctrl-C to be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)
