"""A sheet on a page and on paper: the same things at the same places."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tinymaskrcnn.visualize.sheet import A1, COLORS, Sheet
from tinymaskrcnn.visualize.thumbnails import Thumbnails

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def sheet():
    sheet = Sheet(400, 283, 'A "sheet" & more')
    sheet.box(10, 10, 100, 50, edge="up")
    sheet.text(20, 40, "a < b", bold=True, link="page.html?a=1&b=2")
    sheet.line([(110, 35), (200, 35), (200, 100)], color="down", dashed=True)
    sheet.picture(150, 100, 40, 40, Thumbnails()(np.arange(64.0).reshape(8, 8), "x"))
    return sheet


def test_the_svg_says_all_of_it(sheet):
    root = ET.fromstring(sheet.svg())
    assert root.get("aria-label") == 'A "sheet" & more' and root.get("viewBox") == "0 0 400 283"
    link = root.find(f"{SVG}a")
    assert link.get("href") == "page.html?a=1&b=2" and link.find(f"{SVG}text").text == "a < b"
    picture = root.find(f"{SVG}image")
    assert picture.get("aria-label").startswith("x (8, 8)") and picture.get("href").startswith("data:image/png;base64,")
    assert [root.find(f"{SVG}polygon").get("points").split()[0]] == ["200,100"]
    used = {name for element in root.iter() for name in re.findall(r"(?:fill|edge)-(\w+)", element.get("class") or "")}
    assert {"up", "down", "line", "paper", "card", "ink"} <= used <= set(COLORS)


def test_the_figure_is_a1_and_has_the_same_words(sheet):
    figure = sheet.figure()
    assert tuple(figure.get_size_inches()) == A1
    [ax] = figure.axes
    assert [text.get_text() for text in ax.texts] == ["a < b"] and len(ax.images) == 1
    assert ax.get_xlim() == (0, 400) and ax.get_ylim() == (283, 0)


def _light(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("scheme", [0, 1])
@pytest.mark.parametrize("ink", ["ink", "muted", "down", "up"])
@pytest.mark.parametrize("paper", ["paper", "card"])
def test_words_stand_out(scheme, ink, paper):
    dark, bright = sorted((_light(COLORS[ink][scheme]), _light(COLORS[paper][scheme])))
    assert (bright + 0.05) / (dark + 0.05) >= 4.5
