"""Steps in a real browser: keys, buttons, the bar, copies on one page, a page without scripts, paper, the dark."""

import pytest

from tinymaskrcnn.visualize import Steps, style

CAPTIONS = ["first", "second, with a longer text that tells more than the others do", "third", "fourth"]


def frame(k):
    figure = style.new_figure(3, 2)
    figure.add_axes((0, 0, 1, 1)).text(0.4, 0.4, str(k), fontsize=40)
    return figure


@pytest.fixture(scope="module")
def steps():
    return Steps([frame(k) for k in range(4)], CAPTIONS, title="Four frames")


def shown(slider):
    """(counter, captions that can be seen, numbers of the pictures that can be seen) of a slider."""
    pictures, captions = slider.locator("figure img"), slider.locator("figcaption")
    seen = [k for k in range(pictures.count()) if pictures.nth(k).is_visible()]
    texts = [captions.nth(k).inner_text() for k in range(captions.count()) if captions.nth(k).is_visible()]
    return slider.locator("output").inner_text(), texts, seen


def at(slider, k):
    return shown(slider) == (f"{k + 1} / 4", [CAPTIONS[k]], [k])


@pytest.fixture
def page(steps, tmp_path, visit):
    path = steps.save(tmp_path)
    visitor = visit(path.as_uri())
    visitor.page.goto(path.as_uri())
    yield visitor.page
    assert visitor.outside == [] and visitor.errors == []


def test_arrow_keys_home_and_end(page):
    slider = page.locator(".tmr-steps")
    assert at(slider, 0)
    page.keyboard.press("Tab")  # the slider itself is the first thing that has the focus
    for key, k in [("ArrowLeft", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 3)]:
        page.keyboard.press(key)
        assert at(slider, k), f"{key} should show frame {k + 1}; {shown(slider)}"
    page.keyboard.press("ArrowRight")
    assert at(slider, 3)
    page.keyboard.press("Home")
    assert at(slider, 0)
    page.keyboard.press("Control+ArrowRight")
    assert at(slider, 0)  # keys with a modifier belong to the browser


def test_buttons_and_bar(page):
    slider = page.locator(".tmr-steps")
    slider.get_by_role("button", name="next frame").click()
    slider.get_by_role("button", name="next frame").click()
    assert at(slider, 2)
    page.keyboard.press("ArrowRight")  # the button has the focus, and the keys still work
    assert at(slider, 3)
    slider.get_by_role("button", name="previous frame").click()
    assert at(slider, 2)
    bar = slider.get_by_role("slider", name="frame")
    bar.fill("1")
    assert at(slider, 0)
    bar.press("ArrowRight")
    assert at(slider, 1) and bar.get_attribute("aria-valuetext") == "2 of 4"
    assert CAPTIONS[1] in slider.locator(".tmr-said").inner_text()


def test_nothing_moves_from_frame_to_frame(page):
    slider = page.locator(".tmr-steps")
    before = slider.locator(".tmr-bar").bounding_box(), slider.bounding_box()
    for _ in range(3):
        slider.press("ArrowRight")
        assert (slider.locator(".tmr-bar").bounding_box(), slider.bounding_box()) == before


def test_every_picture_has_its_alternative_text_and_its_true_size(page):
    for k, image in enumerate(page.locator("figure img").all()):
        assert image.get_attribute("alt") == CAPTIONS[k]
        assert image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [330, 220]
    assert page.locator("figure.tmr-now img").bounding_box()["width"] == 330 + 10  # and the card around it


def test_copies_on_one_page_stay_apart(steps, tmp_path, visit, serve):
    html = steps._repr_html_()
    (tmp_path / "two.html").write_text(f'<!doctype html><meta charset="utf-8"><input id="pen">{html}{html}', "utf-8")
    visitor = visit(serve(tmp_path))
    page = visitor.page
    page.goto(visitor.home + "two.html")
    one, two = page.locator(".tmr-steps").all()
    one.locator("figure img").first.click()
    page.keyboard.press("ArrowRight")
    assert at(one, 1) and at(two, 0)
    two.hover()  # the pointer takes the keys along from one slider to the other
    page.keyboard.press("End")
    assert at(one, 1) and at(two, 3)
    page.locator("#pen").click()
    one.hover()
    page.keyboard.press("ArrowRight")  # but not from where someone writes
    assert at(one, 1) and at(two, 3)
    assert visitor.outside == []


def test_without_scripts_all_frames_are_there(steps, tmp_path, visit):
    path = steps.save(tmp_path)
    page = visit(path.as_uri(), java_script_enabled=False).page
    page.goto(path.as_uri())
    images = page.locator("figure img").all()
    tops = [image.bounding_box()["y"] for image in images]
    assert len(images) == 4 and all(image.is_visible() for image in images) and tops == sorted(set(tops))
    assert "2 / 4" in page.locator("figcaption").nth(1).inner_text() and not page.locator(".tmr-bar").is_visible()


def test_on_paper_all_frames_are_there(page):
    page.emulate_media(media="print")
    images = page.locator("figure img").all()
    assert all(image.is_visible() for image in images) and not page.locator(".tmr-bar").is_visible()
    assert len({image.bounding_box()["y"] for image in images}) == 4


def test_text_is_readable_in_the_dark(page):
    """Text and page, the picture's card: what the pictures were drawn on."""
    page.emulate_media(color_scheme="dark")
    color = "element => getComputedStyle(element).color"
    ink = page.locator("figcaption").first.evaluate(color)
    assert sum(map(int, ink.removeprefix("rgb(").removesuffix(")").split(","))) > 600
    card = page.locator("figure img").first.evaluate("image => getComputedStyle(image).backgroundColor")
    assert card == "rgb(255, 255, 255)"


def test_a_single_frame_needs_no_bar(tmp_path, visit):
    path = Steps([frame(0)], ["alone"]).save(tmp_path)
    page = visit(path.as_uri()).page
    page.goto(path.as_uri())
    assert page.locator("figure img").is_visible() and not page.locator(".tmr-bar").is_visible()
