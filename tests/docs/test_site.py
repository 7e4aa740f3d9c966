"""The site is built as the docs say, warnings being errors, and opened in a real browser that has no way out."""

import html
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from docs.live_checks import lesson_runs_by_its_buttons, served
from docs.page_checks import complaints
from drawn_examples import ALL, now
from lessons.pair import sources

ROOT = Path(__file__).parents[2]
NEEDED = ("sphinx", "myst_nb", "pydata_sphinx_theme", "sphinx-mathjax-offline", "ipykernel")
RUN_HERE = "01_pairs_and_gradients"
RUN_LIVE = ("05_anchors_and_labels", "00_tour", "04_boxes_iou_nms", "06_roi_pooling_grids")
# Nothing in these may be an address of elsewhere: what a browser loads by itself
LOADED = re.compile(r"""<(?:script|img|iframe|source|video)\b[^>]*\bsrc=["']?(?:https?:)?//[^"'\s>]*""")
LINKED = re.compile(r"""<link\b[^>]*\bhref=["']?(?:https?:)?//[^"'\s>]*""")
IMPORTED = re.compile(r"""(?:@import\s+|url\()["']?(?:https?:)?//[^"')\s]*""")

RAN = {path.stem for path in now(sources())} | {RUN_HERE}  # lessons that have outputs

LARGEST = 1_500_000  # bytes of a page
WHOLE = "article :is(pre, .pst-scrollable-table-container, mjx-container[display=true])"  # what a desk has room for
LOOKS = [  # width, scheme, and what is asked of every page then
    (390, "light", [("overflow",), ("cut",), ("names",), ("alternatives",), ("unseen",)]),
    (1280, "light", [("overflow",), ("names",), ("contrast",), ("sideways", WHOLE), ("unseen",), ("broken",)]),
    (1280, "dark", [("contrast",)]),
]
API_PAGES = {f"api/{name}.html" for name in ("losses", "roi", "visualize")}  # those that every run looks at


def missing():
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


@pytest.fixture(scope="module")
def site(tmp_path_factory, executed):
    """The folder of the built pages. The lessons that train do so for a few steps only.

    One lesson runs while the site is built, as all do for a reader; others have run before, for their own tests. Those
    that are not in turn have no outputs.
    """
    if missing():
        pytest.skip(f"not installed (extra docs): {', '.join(missing())}")
    folder = tmp_path_factory.mktemp("site")
    (folder / "lessons").mkdir()
    shutil.copy(ROOT / "lessons/README.md", folder / "lessons")  # the list of lessons
    for source in sources():
        path = executed(source) if source.stem in RAN - {RUN_HERE} else source.with_suffix(".ipynb")
        shutil.copy(path, folder / "lessons")
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("_build", "lessons", "__pycache__"))
    before = [f"lessons/{source.stem}*" for source in sources() if source.stem != RUN_HERE]
    with open(folder / "docs/conf.py", "a", encoding="utf-8") as conf:  # a list, which -D cannot say
        conf.write(f"\nnb_execution_excludepatterns = {before}\n")
    env = os.environ | {"TINYMASKRCNN_FAST": "1", "OPENBLAS_NUM_THREADS": "1", "IPYTHONDIR": str(folder / "ipython")}
    source = f"-Dlessons_source={folder / 'lessons'}"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", source, "docs", "pages"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-6000:]
    return folder / "pages"


def test_the_site(site, visit, serve):
    """One test, since every worker that runs one of several would build the site anew."""
    lessons = sorted(path.stem for path in (ROOT / "lessons").glob("*.ipynb"))
    assert [path.stem for path in sorted((site / "lessons").glob("*.html"))] == lessons
    nothing_is_loaded_from_elsewhere(site)
    no_answer_is_shown(site)
    visitor = visit(serve(site))
    page = visitor.page
    the_step_is_walked_and_drawn(site, visitor)
    for name in ("index", "guide", "instructor_guide", "api/convolution", "api/losses", "api/roi"):
        page.goto(f"{visitor.home}{name}.html")
        mathematics_is_typeset(page, name, at_least=2 if name.startswith("api/") else 0)
    with_slider = []
    for name in lessons:
        page.goto(f"{visitor.home}lessons/{name}.html")
        mathematics_is_typeset(page, name, at_least=0 if name == "00_tour" else 1)
        if name not in RAN:
            continue
        pictures_are_there(page, name)
        answers_come_when_they_are_asked_for(page, name)
        sliders = page.locator(".tmr-steps.tmr-live")
        for k in range(sliders.count() if ALL else min(sliders.count(), 1)):  # one script moves them all
            slider_moves_by_arrow_keys(page, sliders, k)
        if sliders.count():
            with_slider.append(name)
        it_can_be_read(page, f"lessons/{name}.html")
    assert len(with_slider) >= (6 if ALL else 1), f"only {with_slider} of {RAN} have something to step through"
    assert visitor.outside == [] and visitor.errors == []
    page.goto(f"{visitor.home}lessons/{with_slider[-1]}.html")
    dark_pages_stay_dark(page)
    every_page_can_be_read(site, page, visitor.home)  # the lessons by now are
    links_lead_somewhere(site)
    lessons_run(site, visit)


def lessons_run(site, visit):
    """By the buttons of their cells, in Pyodide; in a usual run some cells of one of them."""
    if not os.environ.get("TINYMASKRCNN_PYODIDE"):
        return
    with served(site) as address:
        for name in RUN_LIVE if ALL else [name for name in RUN_LIVE if name in RAN][:1]:
            visitor = visit(address)
            lesson_runs_by_its_buttons(visitor.page, address, name, most=None if ALL else 8)
            assert visitor.outside == [] and visitor.errors == []


def every_page_can_be_read(site, page, home):
    """A page is not larger than what a phone loads in a moment."""
    looked_at = {"index.html", "guide.html", *now(sorted(path.name for path in site.glob("*.html"))), *API_PAGES}
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        if name.startswith(("_modules/", "_static/", "one_step", "live/")):  # source, the theme's, what has own tests
            continue
        assert path.stat().st_size <= LARGEST, f"{name} has {path.stat().st_size:,} bytes"
        if not name.startswith("lessons/") and (ALL or name in looked_at):  # many are made alike
            page.goto(home + name)
            it_can_be_read(page, name)


def it_can_be_read(page, name):
    """On a phone and on a desk, in light and dark."""
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.add_style_tag(content="* { transition: none !important; }")  # no colour is on its way to another
    for width, scheme, checks in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
        for check, *given in checks:
            found = complaints(page, check, *given)
            assert found == [], f"{name}, {width} px, {scheme}: {check}: {found[:5]}"


def links_lead_somewhere(site):
    """Every link to another page or place of the site, and every picture, has something at its end."""
    places = {}
    for path in set(site.rglob("*.html")) - set((site / "_static").rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        places[path.resolve()] = set(re.findall(r"""\s(?:id|name)=["']([^"']+)["']""", text)), text
    for path, (_, text) in places.items():
        text = re.sub(r"<pre>.*?</pre>|<script.*?</script>|base64,[\w+/=]+", "", text, flags=re.DOTALL)
        for link in re.findall(r"""\s(?:href|src)=["']([^"']+)["']""", text):
            where, _, place = html.unescape(link).partition("#")
            if re.match(r"[a-z]+:", where) or "_modules" in path.parts:
                continue
            target = (path.parent / where.partition("?")[0]).resolve() if where else path
            assert target.exists(), f"{path.relative_to(site.resolve())} links to {link}"
            known = target not in places or not place or place in places[target][0]
            assert known, f"{path.relative_to(site.resolve())} links to {link}, where no such place is"


def answers_come_when_they_are_asked_for(page, name):
    """What follows a "Predict" is folded; a click unfolds it. Afterwards all are open."""
    answers = page.locator("details.tmr-answer")
    assert answers.count() >= 2, f"{name} folds only {answers.count()} answers"
    inside = answers.first.locator(":scope > :not(summary)").first
    assert not inside.is_visible()
    answers.first.locator("summary").click()
    assert inside.is_visible()
    page.evaluate("document.querySelectorAll('details.tmr-answer').forEach(one => { one.open = true; })")


def nothing_is_loaded_from_elsewhere(site):
    for path in [*site.rglob("*.html"), *site.rglob("*.css")]:
        text = re.sub(r"base64,[\w+/=]+", "", path.read_text(encoding="utf-8"))
        for pattern in (LOADED, LINKED, IMPORTED):
            found = pattern.search(re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL))
            assert found is None, f"{path.relative_to(site)} loads {found[0]}"


def the_step_is_walked_and_drawn(site, visitor):
    """The walk is a page beside the others, without the answers; the sheet's links lead to pages of the site."""
    walk = (site / "one_step.html").read_text(encoding="utf-8")
    assert walk.count("this part is homework") >= 20 and len(walk.encode()) < 1.5e6
    page = visitor.page
    page.goto(f"{visitor.home}walk.html")
    page.locator(".open-walk a").click()
    page.wait_for_load_state()  # a page of a megabyte comes in pieces
    assert page.title() == "One training step, line by line" and page.locator("article").count() > 150
    page.goto(f"{visitor.home}architecture.html")
    assert page.locator("svg.plate image").count() > 40
    links = page.eval_on_selector_all("svg.plate a", "all => all.map(a => a.getAttribute('href'))")
    assert len(links) >= 28 and all((site / link).exists() for link in links)


def no_answer_is_shown(site):
    """The pages with the package's source leave the blanks of the homework blank."""
    modules = [path.read_text(encoding="utf-8") for path in (site / "_modules").rglob("*.html")]
    assert len(modules) > 40 and sum(text.count("# this one is homework") for text in modules) >= 20
    assert not any("BEGIN SOLUTION hw" in text for text in modules)


def mathematics_is_typeset(page, name, *, at_least):
    """Every formula of the page has become MathJax's drawing of it, and none an error."""
    drawn = "formula => formula.querySelector('mjx-container mjx-math')"
    page.wait_for_function(f"[...document.querySelectorAll('.math')].every({drawn})")
    assert page.locator(".math").count() >= at_least, f"{name} should have formulas"
    assert page.locator("mjx-merror").count() == 0, f"{name}: {page.locator('mjx-merror').first.inner_text()}"
    for text in page.locator("article p:not(.tmr-title)").all_inner_texts():
        assert "$$" not in text, f"{name} shows a formula as text: {text[:80]}"


def pictures_are_there(page, name):
    no_picture = "all => all.filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
    broken = page.eval_on_selector_all("article img", no_picture)
    assert broken == [], f"{name} has pictures that are none"
    assert page.locator("article img").count() > 0


def slider_moves_by_arrow_keys(page, sliders, k):
    """Counter, picture and caption follow the keys, and no other slider of the page does."""
    slider = sliders.nth(k)
    count = slider.locator("figure").count()
    others = [sliders.nth(j).locator("output").inner_text() for j in range(sliders.count()) if j != k]
    slider.locator("figure.tmr-now img").click()
    for key, number in (("ArrowRight", 2), ("ArrowLeft", 1), ("End", count), ("Home", 1)):
        page.keyboard.press(key)
        assert slider.locator("output").inner_text() == f"{number} / {count}"
        visible = [j for j, image in enumerate(slider.locator("figure img").all(), start=1) if image.is_visible()]
        assert visible == [number] and slider.locator("figcaption").nth(number - 1).is_visible()
    assert others == [sliders.nth(j).locator("output").inner_text() for j in range(sliders.count()) if j != k]


def dark_pages_stay_dark(page):
    """In the dark a slider's captions are light on dark, like the text around it."""
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    slider = page.locator(".tmr-steps").first
    caption = slider.locator("figcaption").first
    light = "e => getComputedStyle(e).color.match(/[0-9.]+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0)"
    around = "e => getComputedStyle(e.closest('.output')).backgroundColor"
    assert slider.evaluate(light) == caption.evaluate(light) > 450
    assert slider.evaluate(around) == "rgba(0, 0, 0, 0)"


# ---------------------------------------------------------------- the checks themselves


@pytest.mark.parametrize(
    "line",
    [
        '<script async="async" src="https://cdn.example/tex.js"></script>',
        "<script src='//cdn.example/require.js'></script>",
        '<link rel="preconnect" href="https://fonts.example">',
        '<img alt="" src="http://pictures.example/one.png">',
        '<style>@import "https://fonts.example/a.css";</style>',
        '<p style="background: url(https://pictures.example/two.png)">',
    ],
)
def test_what_is_loaded_from_elsewhere_is_found(tmp_path, line):
    page = tmp_path / "page.html"
    page.write_text('<a href="https://example.org">a link may lead away</a> <img src="_images/three.png">')
    nothing_is_loaded_from_elsewhere(tmp_path)
    page.write_text(page.read_text() + line)
    with pytest.raises(AssertionError, match=r"page\.html loads"):
        nothing_is_loaded_from_elsewhere(tmp_path)


def test_the_browser_tells_what_a_page_asks_for_and_complains_of(tmp_path, visit, serve):
    asking = 'fetch("https://elsewhere.example/x").catch(() => {}); throw new Error("broken")'
    (tmp_path / "page.html").write_text(f"<!doctype html><script>{asking}</script>")
    visitor = visit(serve(tmp_path))
    with visitor.page.expect_event("requestfailed"), visitor.page.expect_event("pageerror"):
        visitor.page.goto(visitor.home + "page.html")
    assert visitor.outside == ["https://elsewhere.example/x"]
    assert any("broken" in error for error in visitor.errors)


def test_the_browser_tells_what_a_worker_asks_for(tmp_path, visit, serve):
    """Python is loaded and runs in one."""
    (tmp_path / "worker.js").write_text('fetch("https://elsewhere.example/y").catch(() => postMessage("refused"))')
    heard = "worker.onmessage = ({ data }) => { document.title = data; };"
    script = f'const worker = new Worker("worker.js", {{ type: "module" }}); {heard}'
    (tmp_path / "page.html").write_text(f"<!doctype html><title>asking</title><script>{script}</script>")
    visitor = visit(serve(tmp_path))
    visitor.page.goto(visitor.home + "page.html")
    visitor.page.wait_for_function("document.title === 'refused'")
    assert visitor.outside == ["https://elsewhere.example/y"]
