"""The page of `tinymaskrcnn annotate` in a real browser: what is drawn on it by hand and keyboard is kept."""

import threading

import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn.commands import annotate_page
from tinymaskrcnn.data.annotator import Notebook


@pytest.fixture
def server(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, more in (("a.png", {}), ("b.jpg", {"exif": exif})):
        Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(tmp_path / name, **more)
    notebook = Notebook(tmp_path, tmp_path / "boxes.json")
    made = annotate_page.make_server(notebook, suggest=lambda path: [[1, 2, 3, 4, 5]])
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def test_boxes_are_drawn_by_hand_and_by_keyboard(server, visit):
    """Drag, name, add, move, delete, go on."""
    visitor = visit(server.address)
    page = visitor.page
    page.goto(server.address)
    page.locator("#name", has_text="a.png").wait_for()
    page.locator("#said", has_text="saved: 1 in a.png").wait_for()  # what was suggested
    page.keyboard.press("Tab")
    page.locator(".box").first.focus()
    page.keyboard.press("Delete")
    frame = page.locator("#picture").bounding_box()
    at = [(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]) for x, y in ((0.25, 0.25), (0.75, 0.5))]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1])
    page.mouse.up()
    page.keyboard.press("7")
    page.keyboard.press("n")
    page.keyboard.press("3")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("PageDown")
    page.locator("#said", has_text="saved: 1 in b.jpg").wait_for()
    first, second = server.notebook.boxes["a.png"]
    np.testing.assert_allclose(first, [15, 10, 45, 20, 7], atol=0.5)
    np.testing.assert_allclose(second, [28, 16.67, 34, 23.33, 3], atol=0.5)
    assert server.notebook.boxes["b.jpg"] == [[1, 2, 3, 4, 5]]
    assert visitor.errors == [] and visitor.outside == []
