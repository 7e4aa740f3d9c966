"""What is asked of pages that compute in the browser: by its buttons a lesson says what it said when it was built."""

import base64
import io
import re
import threading
from contextlib import contextmanager

import numpy as np
from PIL import Image

from tinymaskrcnn.commands.live import make_server

from .page_checks import complaints

LONG = 240_000  # milliseconds for what takes ten seconds where nobody else works
FAR = 6.0  # of 255, seen from afar: letters are set otherwise by each matplotlib, and a line moves by half a pixel
CELLS = "article div.cell:has(.cell_input pre)"
NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]\d+)?")
RAN = "cell => /ran here|did not|ended|have not/.test(cell.querySelector('.tmr-cell-said').textContent)"
SAID = """async (cell) => {
    const next = cell.nextElementSibling, answer = next?.matches('details.tmr-answer') ? next : null;
    const places = [...cell.querySelectorAll('.cell_output'), ...(answer?.querySelectorAll(':scope > .cell_output') ?? [])];
    const found = {status: cell.querySelector('.tmr-cell-said').textContent};
    for (const [name, ran] of [['recorded', false], ['here', true]]) {
        const all = (kind) => places.filter((p) => p.classList.contains('tmr-ran') === ran).flatMap((p) => [...p.querySelectorAll(kind)]);
        const data = async (image) => {
            const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
            return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
        };
        found[name] = {
            text: all('.output.stream pre, .output.text_plain pre').map((e) => e.textContent.trim()).join('\\n'),
            images: await Promise.all(all('img').map(data)),
        };
    }
    return found;
}"""  # noqa: E501  a program of its own


@contextmanager
def served(folder):
    """The address under which a folder answers as `tinymaskrcnn live` serves it."""
    server = make_server(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.address
    server.shutdown()
    server.server_close()


def differs(one, two):
    """How far two pictures, as bytes or their base64, are from one another: of 255, in the mean, seen from afar."""
    data = [base64.b64decode(png) if isinstance(png, str) else png for png in (one, two)]
    first, second = (Image.open(io.BytesIO(png)).convert("RGB") for png in data)
    assert np.abs(np.subtract(first.size, second.size)).max() <= 4  # a word is a pixel wider
    first, second = (np.asarray(picture.reduce(8), float) for picture in (first, second.resize(first.size)))
    return abs(first - second).mean()


def same_words(here, recorded):
    """Whether two texts are the same, but for empty lines, which a kernel adds where it sends a text in parts, and the
    last digits of long numbers, which each machine rounds by itself."""
    here = here.replace("Falsifying example:", "Failing test case:")  # as a newer hypothesis says
    here, recorded = (re.sub(r"\n\s*\n", "\n", text) for text in (here, recorded))
    same = NUMBER.sub("#", here) == NUMBER.sub("#", recorded)
    return same and np.allclose(*([float(n) for n in NUMBER.findall(text)] for text in (here, recorded)), 1e-4, 1e-6)


def lesson_runs_by_its_buttons(page, address, name, *, most=None):
    """All cells of a lesson, or the first ones: no error, the texts that were recorded, pictures that look the same."""
    page.set_default_timeout(LONG)
    page.goto(f"{address}lessons/{name}.html")
    assert page.locator(".tmr-cell-bar").count() == 0  # nothing is loaded before the reader asks for it
    page.get_by_role("button", name="Run this lesson in your browser").click()
    page.get_by_role("button", name="Start Python").click()
    page.locator(".tmr-cell-bar").first.wait_for(state="attached")
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    cells = page.locator(CELLS)
    count = min(most or cells.count(), cells.count())
    if most:
        cells.nth(count - 1).get_by_role("button", name="Run all above").click()
    for k in range(count):
        cell = cells.nth(k)
        if not most or k == count - 1:
            cell.get_by_role("button", name="Run", exact=True).click()
        page.wait_for_function(RAN, arg=cell.element_handle())
        said = cell.evaluate(SAID)
        recorded, here = said["recorded"], said["here"]
        assert "ran here" in said["status"] and "Traceback" not in here["text"], f"{name}, cell {k}: {here['text']}"
        assert same_words(here["text"], recorded["text"]), f"{name}, cell {k}: {here['text']}"
        assert len(here["images"]) == len(recorded["images"]), f"{name}, cell {k}"
        for one, two in zip(here["images"], recorded["images"]):
            assert differs(one, two) < FAR, f"{name}, cell {k}: another picture"
    page.add_style_tag(content="* { transition: none !important; }")  # no colour is on its way to another
    for scheme in ("light", "dark"):  # with the buttons, and what was said
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
        assert complaints(page, "contrast") == [], f"{name}, {scheme}"
    return count
