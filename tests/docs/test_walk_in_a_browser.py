"""The page of a walk in a real browser: any screen, light and dark, keys, words for pictures, contrast, no errors."""

import numpy as np
import pytest
from docs.page_checks import complaints
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.explain.walk import walk_step
from tinymaskrcnn.structures import ImageBatch
from tinymaskrcnn.visualize.thumbnails import Thumbnails
from tinymaskrcnn.visualize.walk_page import walk_page

CHECKS = ("overflow", "names", "alternatives", "contrast")


@pytest.fixture(scope="module")
def text():
    images, targets = tiny_scene(objects=(2,))
    look = Thumbnails(images[0])
    walk = walk_step(tiny_model(seed=3), ImageBatch(images, np.array([[64, 64]]), targets), look=look)
    return walk_page(walk, picture=look.portrait(targets.boxes[0], "A scene with two"), about="A small model.")


@pytest.fixture
def opened(text, tmp_path, visit):
    path = tmp_path / "walk.html"
    path.write_text(text, encoding="utf-8")
    visitor = visit(path.as_uri())
    visitor.page.goto(path.as_uri())
    yield visitor.page
    assert visitor.outside == [] and visitor.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_reads_on_any_screen(opened, scheme):
    opened.emulate_media(color_scheme=scheme)
    for width in (390, 1280, 1920):
        opened.set_viewport_size({"width": width, "height": 800})
        assert [complaints(opened, check) for check in CHECKS] == [[]] * len(CHECKS), width
    opened.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert [complaints(opened, check) for check in CHECKS] == [[]] * len(CHECKS)
    broken = "[...document.images].filter((i) => !i.naturalWidth || !i.alt).length"
    assert opened.evaluate(broken) == 0
    assert opened.evaluate("[...document.images].every((i) => getComputedStyle(i).filter === 'none')")


def test_keys_lead_through_it(opened):
    page, focus = opened, "document.activeElement.id"
    page.keyboard.press("j")
    first = page.evaluate(focus)
    assert first == "f0"
    page.keyboard.press("j")
    assert page.evaluate(focus) != first
    page.keyboard.press("k")
    assert page.evaluate(focus) == first
    page.keyboard.press("b")
    assert page.locator(f"#{page.evaluate(focus)} h3").inner_text() == "MaskRCNN.backward"
    page.keyboard.press("z")
    assert page.locator("#larger").get_attribute("aria-pressed") == "true"


def test_the_rail_tells_where_one_is(opened):
    opened.locator(".rail a[href='#s1']").click()
    opened.wait_for_function("document.querySelector('.rail a[href=\"#s1\"]').getAttribute('aria-current') === 'true'")
    assert "function" in opened.locator(".now").inner_text()
