"""The pages that compute in the browser: built with a Pyodide from a folder, opened in a browser that has no way out.

They want what TINYMASKRCNN_PYODIDE names, and are skipped where it names nothing.
"""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from docs.live_checks import LONG, differs, served
from docs.page_checks import complaints

from tinymaskrcnn import cli
from tinymaskrcnn.homework.release import student_file

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
    with ExitStack() as servers:

        def start(name="index.html", folder=pages, **options):
            visitor = visit(servers.enter_context(served(folder)), **options)
            visitor.page.goto(visitor.home + name)
            return visitor

        yield start


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


# ---------------------------------------------------------------- homework

RIGHT = "x, weight = cache\n    return dy @ weight.T, x.T @ dy, dy.sum(axis=0)"
BLANK = 'raise NotImplementedError("hw01.linear_backward")  # about 5 lines'


def said_by_the_command(text, folder, capsys):
    """The lines that `homework check` prints of the first exercise, and the bytes of its picture."""
    (folder / "hw01.py").write_text(text)
    cli.main(["homework", "check", str(folder / "hw01.py"), "--only", "linear_backward"])
    image = folder / "hw01_pictures" / "hw01.linear_backward.png"
    lines = [line.removeprefix("    ") for line in capsys.readouterr().out.splitlines()]
    return lines, image.read_bytes() if image.exists() else None


def editor(page):
    """Where homework is written; what is to be written there comes after the page has."""
    page.wait_for_function("document.getElementById('text').value !== ''")
    return page.locator("#text")


def test_homework_is_checked_in_the_page_as_on_the_command_line(open_page, tmp_path, capsys):
    visitor = open_page("homework.html#hw01.linear_backward", accept_downloads=True)
    page = visitor.page
    page.set_default_timeout(LONG)
    text = editor(page)
    text.fill(text.input_value().replace(BLANK, RIGHT.replace("sum", "mean")))
    page.locator("#check").click()
    page.locator("#verdict article").wait_for()
    lines, image = said_by_the_command(file_in(page), tmp_path, capsys)
    shown = page.locator("#verdict .says, #verdict pre").all_inner_texts()
    [mistake] = [line[3:] for line in lines if line.startswith("=> ")]
    assert shown == [mistake, "\n".join(line for line in lines[1 : lines.index(f"=> {mistake}")])]
    assert differs(page.evaluate(DATA, "#verdict img"), image) < 2.5
    # corrected, it passes; what was written is there again when the page is, and is the file that is handed in
    text.fill(text.input_value().replace("mean", "sum"))
    text.press("Control+Enter")
    page.locator("#verdict article.right").wait_for()
    a_loop_without_an_end_is_ended(page, text)
    page.reload()
    assert "dy.sum(axis=0)" in editor(page).input_value()
    page.locator("#exercises button.right").wait_for()
    assert page.locator("#exercises button.right").count() == 1
    with page.expect_download() as saved:
        page.locator("#save").click()
    assert saved.value.suggested_filename == "hw01.py"
    lines, image = said_by_the_command(Path(saved.value.path()).read_text(), tmp_path, capsys)
    assert lines[0].split()[1] == "right" and image is None
    assert visitor.outside == [] and visitor.errors == []


def a_loop_without_an_end_is_ended(page, text):
    """And the page says so; Python starts anew, and what was written is there still. Half a minute passes at once."""
    right = text.input_value()
    endless = right.replace("    x, weight = cache", "    while True:\n        pass\n    x, weight = cache")
    text.fill(endless)
    page.clock.install()
    page.locator("#check").click()
    page.locator("#said", has_text="Checking").wait_for()
    page.clock.fast_forward(31_000)
    page.locator("#verdict pre", has_text="ended after 30 seconds: is there a loop that has no end?").wait_for()
    page.locator("#said", has_text="Python is ready again").wait_for()
    assert text.input_value() == endless and "while True:" in file_in(page)
    text.fill(right)
    page.locator("#check").click()
    page.locator("#verdict article.right").wait_for()


DATA = """async (selector) => {
    const data = await (await fetch(document.querySelector(selector).src)).arrayBuffer();
    return btoa(Array.from(new Uint8Array(data), (byte) => String.fromCharCode(byte)).join(''));
}"""


def file_in(page):
    """The text of the homework as the browser keeps it."""
    return page.evaluate("localStorage.getItem('tinymaskrcnn.hw01')")


def test_the_editor_of_the_homework(open_page):
    """Tab indents, Enter keeps the indentation, the rest of the file stays what it is; nothing of it needs Python."""
    page = open_page("homework.html").page
    text = editor(page)
    whole = student_file("hw01")
    text.focus()
    page.keyboard.press("Control+End")
    page.keyboard.type("def f():")
    page.keyboard.press("Enter")
    page.keyboard.type("if 1:")
    page.keyboard.press("Enter")
    page.keyboard.press("Backspace")
    page.keyboard.press("Tab")
    page.keyboard.type("pass")
    added = "def f():\n    if 1:\n        pass\n"
    first, rest = whole.split(f"{BLANK}\n", 1)
    assert file_in(page) == f"{first}{BLANK}\n{added}{rest}"
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "check"
    numbers = page.locator("#numbers").inner_text().split()
    assert whole.splitlines()[int(numbers[0]) - 1].startswith("# 1. The way back")
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#again").click()
    assert file_in(page) == whole
    page.locator("#file").set_input_files({"name": "mine.py", "mimeType": "text/x-python", "buffer": b""})
    page.locator("#said", has_text="must say which homework").wait_for()
    page.locator("#file").set_input_files({"name": "hw02_me.py", "mimeType": "text/x-python", "buffer": b"x = 1\n"})
    page.wait_for_function("location.hash === '#hw02.image_to_columns'")
    page.wait_for_function("document.getElementById('text').value === 'x = 1\\n'")


def test_two_tabs_write_one_file_and_what_a_browser_keeps_may_be_broken(open_page):
    """The newer text is shown in both; marks that cannot be read are none."""
    page = open_page("homework.html").page
    editor(page)
    other = page.context.new_page()
    other.goto(page.url)
    written = editor(other).input_value() + "# in the other tab\n"
    other.locator("#text").fill(written)
    page.locator("#said", has_text="changed in another tab").wait_for()
    assert page.locator("#text").input_value() == written
    for broken in ("{", "null", "3"):
        page.evaluate("(text) => localStorage.setItem('tinymaskrcnn.verdicts', text)", broken)
        page.reload()
        editor(page)
        assert page.locator("#exercises button").count() == 7


# ---------------------------------------------------------------- where it cannot run


def test_a_page_says_why_python_cannot_be_started(open_page):
    visitor = open_page("homework.html", java_script_enabled=False)
    assert "needs JavaScript" in visitor.page.inner_text("main")
    page = open_page("index.html").page
    page.add_init_script("delete globalThis.WebAssembly")
    page.goto(page.url.replace("index", "homework"))
    editor(page)
    page.locator("#check").click()
    page.get_by_text("This browser has no WebAssembly").wait_for()
    assert page.locator("#text").is_editable()
    page.goto(page.url.replace("homework", "playground"))
    page.get_by_text("This browser has no WebAssembly").wait_for()
    page.locator("#found button").nth(3).wait_for()  # a recorded scene
    visitor.page.goto(visitor.page.url.replace("homework", "playground"))
    assert "computes with JavaScript and WebAssembly, which are off here" in visitor.page.inner_text("main")


LATER = ("pyodide/pyodide.asm.wasm", "pyodide/numpy-*", "tinymaskrcnn-*")


@pytest.mark.parametrize("broken", ["live.json", *(pytest.param(name, marks=pytest.mark.long) for name in LATER)])
def test_a_page_says_that_the_download_broke_off(broken, pages, open_page, tmp_path):
    """Half of a file is there; what was written stays, and one can try again."""
    for path in pages.rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(pages)
            copy.parent.mkdir(exist_ok=True)
            copy.symlink_to(path)
    [file] = tmp_path.glob(broken)
    whole = file.read_bytes()
    file.unlink()
    file.write_bytes(whole[: len(whole) // 2])
    page = open_page("homework.html", folder=tmp_path).page
    page.set_default_timeout(LONG)
    page.locator("#check").click()
    page.get_by_text("Python could not be started").wait_for()
    assert page.get_by_role("button", name="Try again").is_visible() and page.locator("#text").is_editable()


def test_on_a_phone_the_chosen_exercise_is_in_sight_and_the_buttons_leave_room_to_write(open_page):
    page = open_page("homework.html#hw02.conv2d_backward").page
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    editor(page)
    chosen = page.locator("#exercises button[aria-pressed=true]").bounding_box()
    assert 0 <= chosen["x"] and chosen["x"] + chosen["width"] <= 390
    assert page.locator(".bar").bounding_box()["height"] < 80


@pytest.mark.parametrize("name", ["index.html", "homework.html"])
def test_pages_can_be_read_and_used_on_a_phone_and_in_the_dark(name, open_page):
    page = open_page(name).page
    page.locator("a").first.wait_for()
    page.wait_for_load_state("networkidle")
    for width, scheme in ((390, "light"), (390, "dark"), (1280, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        for check in ("overflow", "names", "contrast", "alternatives"):
            assert complaints(page, check) == [], f"{width} px, {scheme}: {check}"
