"""What a touchable picture is made of: it holds all that it needs, and a still picture for where no script runs."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from golden import MATRIX
from tiny_model import tiny_model
from visualize.pictures import GREY, trace
from visualize.test_steps import Tags

from tinymaskrcnn.visualize import touch

BOXES = np.array([[2, 2, 12, 12], [3, 2, 13, 12], [20, 4, 30, 20]], np.float32)
SCORES = np.array([0.9, 0.8, 0.7], np.float32)
MAKE = {
    "iou": lambda: touch.iou(),
    "iou on a picture": lambda: touch.iou([2, 2, 12, 12], [5, 5, 20, 20], image=GREY),
    "roi": lambda: touch.roi(MATRIX[0]),
    "nms": lambda: touch.nms(GREY, BOXES, SCORES),
    "trace": lambda: touch.trace(tiny_model(seed=3).eval(), trace()),
}


@pytest.fixture(params=MAKE)
def made(request):
    return MAKE[request.param]()


def test_it_asks_for_nothing_and_names_nothing_globally(made):
    page = made._repr_html_()
    text = re.sub(r"base64,[A-Za-z0-9+/=]+|// .*|http://www\.w3\.org/2000/svg", "", page)
    assert len(text) > 3000 and not re.search(r"https?:|@import|url\(|fetch\(|import\(|XMLHttp|\.src\b", text)
    assert not any("id" in attributes or "name" in attributes for _, attributes in Tags(page).tags)
    script = Tags(page).all("script")[1]
    assert script == {} and page.count("(function () {") >= 1  # nothing of it is seen by another script
    assert page == made._repr_html_()  # so a notebook that is run again does not change


def test_where_no_script_runs_there_is_a_picture_that_says_what_it_shows(made):
    [still] = Tags(made._repr_html_()).all("img")
    assert base64.b64decode(still["src"].removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    assert len(still["alt"]) > 10 and made.title in Tags(made._repr_html_()).text
    assert not Tags(made._repr_html_()).all("button")  # the script makes them; without it they would be dead


def test_it_is_small_enough_for_a_page(made):
    assert len(made._repr_html_()) < 400_000


def test_the_data_come_back_as_they_were(made):
    found = re.search(r'<script type="application/json">(.*?)</script>', made._repr_html_(), re.DOTALL)[1]
    assert json.loads(found) == json.loads(json.dumps(made.data)) and "</" not in found


def test_a_page_of_its_own(made, tmp_path):
    path = made.save(tmp_path / "page.html")
    page = path.read_text(encoding="utf-8")
    assert made._repr_html_() in page and f"<title>{made.title}</title>" in page
    assert repr(made) == f"Touch({made.title!r})"


VISUALIZE = Path(touch.__file__).parents[1]
SHEETS = {"tmr-steps": VISUALIZE / "steps.css", "tmr-touch": VISUALIZE / "touch/touch.css"}


def selectors(sheet):
    rules = re.findall(r"([^{}]+)\{", re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL))
    parts = [part.strip() for rule in rules for part in re.split(r",(?![^(]*\))", rule)]
    return [part for part in parts if part and not part.startswith("@")]


def test_on_one_page_the_rules_of_sliders_and_of_what_is_touched_keep_to_their_own():
    """A class that both use stands in no rule without its root: `.tmr-live figure` once hid the maps of the pyramid."""
    rules = {root: selectors(path.read_text(encoding="utf-8")) for root, path in SHEETS.items()}
    names = {root: set(re.findall(r"\.(tmr-[\w-]+)", " ".join(found))) for root, found in rules.items()}
    both = set.intersection(*names.values())
    assert {"tmr-live", "tmr-title"} <= both
    for root, found in rules.items():
        loose = [rule for rule in found if both & set(re.findall(r"\.(tmr-[\w-]+)", rule)) and f".{root}" not in rule]
        assert not loose, f"{SHEETS[root].name}: {loose}"
