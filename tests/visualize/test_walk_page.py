"""The page of a walk: lines and functions as walked, links that lead somewhere, words for every picture, any screen."""

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.explain.walk import walk_step
from tinymaskrcnn.structures import ImageBatch
from tinymaskrcnn.visualize.thumbnails import Thumbnails
from tinymaskrcnn.visualize.walk_page import walk_page


class Page(HTMLParser):
    """What the tests ask for: ids, links, pictures, and the numbered lines of each card."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.images, self.lines, self.rows = [], [], [], {}, []
        self.card = self.row = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes["href"]] if tag == "a" else []
        self.images += [attributes] if tag == "img" else []
        if tag == "article":
            self.card = attributes["id"]
            self.lines[self.card] = set()
        words = (attributes.get("class") or "").split()
        self.row = words[1] if words[:1] == ["row"] else self.row
        self.counts = words == ["no"]

    def handle_data(self, data):
        if getattr(self, "counts", False) and self.row == "ran":
            self.lines[self.card].add(int(data))
        self.counts = False


@pytest.fixture(scope="module")
def walk_and_text():
    images, targets = tiny_scene(objects=(2,))
    batch = ImageBatch(images, np.array([[64, 64]]), targets)
    look = Thumbnails(images[0])
    walk = walk_step(tiny_model(seed=3), batch, look=look)
    return walk, walk_page(walk, picture=look.portrait(targets.boxes[0], "A scene with two"), about="A <small> model.")


def test_every_function_has_a_card_with_its_lines(walk_and_text):
    walk, text = walk_and_text
    page = Page(text)
    assert len(page.lines) == len(walk.functions) > 150
    for number, function in enumerate(walk.functions):
        assert page.lines[f"f{number}"] == function.lines, function.name
    places = [text.index(f'id="f{number}"') for number, f in enumerate(walk.functions) if f.file != "contract.py"]
    assert places == sorted(places), "in the order of the step"


def test_links_lead_somewhere_and_mirrors_to_one_another(walk_and_text):
    walk, text = walk_and_text
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    cards = dict(re.findall(r'<article class="\w+" id="(f\d+)"(.*?)</article>', text, re.DOTALL))
    mirrors = {card: m[1] for card, inner in cards.items() if (m := re.search(r'class="mirror" href="#(f\d+)"', inner))}
    assert len(mirrors) > 50 and all(mirrors[mirror] == card for card, mirror in mirrors.items())


def test_every_picture_has_words_and_is_in_the_page(walk_and_text):
    _, text = walk_and_text
    images = Page(text).images
    assert len(images) > 500
    assert all(len(image["alt"]) > 8 and image["src"].startswith("data:image/png;base64,") for image in images)
    assert not re.search(r"https?://|@import|url\(", text)


def test_the_page_is_small_and_says_what_was_walked(walk_and_text):
    walk, text = walk_and_text
    assert len(text.encode()) < 1.5e6
    assert f"<b>{len(walk.functions)}</b> functions" in text and "A &lt;small&gt; model." in text
    assert all(name.replace("_", " ") in text for name in walk.losses)


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ({"box_class": 1.0}, "one loss says how far off it was, and its gradient climbs"),
        ({"box_class": 1.0, "box_delta": 2.0}, "two losses say how far off it was, and their gradients climb"),
    ],
)
def test_the_losses_are_counted(walk_and_text, losses, said):
    """Of R-CNN there is one, of Fast R-CNN two; neither is a Mask R-CNN."""
    walk, _ = walk_and_text
    text = walk_page(
        dataclasses.replace(walk, losses=losses),
        picture=Thumbnails(np.zeros((64, 64, 1))).portrait(np.zeros((0, 4)), "x"),
        about="",
    )
    assert said in text and "five" not in text and "Mask R-CNN" not in text.split("<style>")[0]


def test_parts_can_be_hidden(walk_and_text):
    walk, _ = walk_and_text
    function = walk.find("ops/linear.py", "linear_backward")
    lines = min(function.lines), max(function.lines)
    look = Thumbnails(np.zeros((64, 64, 1)))
    text = walk_page(
        walk, picture=look.portrait(np.zeros((0, 4)), "x"), about="", hidden={function.file: [(*lines, "not <this>")]}
    )
    assert (
        text.count("not &lt;this&gt;") == 1
        and not Page(text).lines[f"f{walk.functions.index(function)}"] & function.lines
    )
