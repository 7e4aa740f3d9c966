"""The page of `tinymaskrcnn annotate` in a real browser: what is drawn on it by hand and keyboard is kept."""

import threading

import numpy as np
import pytest
from docs.page_checks import complaints

HAND = [27, 16.67, 33, 23.33, 0]  # what the key n draws on a.png


@pytest.fixture
def server(annotate_server):
    return annotate_server


@pytest.fixture
def gate(server):
    """What it does not let through waits: it opens with gate.set(), and at the end."""
    made = threading.Event()
    yield made
    made.set()


@pytest.fixture
def slow(server, gate):
    """The server, whose suggestions wait for the gate."""
    server.suggest = lambda path: gate.wait(20) and [[1, 2, 3, 4, 5]]
    return server


@pytest.fixture
def opened(server, visit):
    """opened(**options of the browser's context)  ->  the page, its first picture drawn; nothing may go wrong there."""
    visitors = []

    def open_(**options):
        visitors.append(visit(server.address, **options))
        page = visitors[-1].page
        page.set_default_timeout(10_000)
        page.goto(server.address)
        page.locator("#name", has_text="a.png").wait_for()
        drawn(page)
        return page

    yield open_
    assert all(visitor.errors == [] and visitor.outside == [] for visitor in visitors)


def told(page, words):
    page.locator("#said", has_text=words).wait_for()


def drawn(page):
    """The picture has come and has its size: before, no place in it is where it will be."""
    page.locator("#picture").evaluate("image => image.decode()")


def points(page, *places):
    """Where places in the picture, as parts of its width and height, are on the screen."""
    frame = page.locator("#picture").bounding_box()
    return [(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]) for x, y in places]


def test_boxes_are_drawn_by_hand_and_by_keyboard(server, opened):
    """Drag, name, add, move, delete, go on."""
    page = opened()
    told(page, "saved: 1 in a.png")  # what was suggested
    page.keyboard.press("Tab")
    page.locator(".box").first.focus()
    page.keyboard.press("Delete")
    begin, end = points(page, (0.25, 0.25), (0.75, 0.5))
    page.mouse.move(*begin)
    page.mouse.down()
    page.mouse.move(*end)
    page.mouse.up()
    page.keyboard.press("7")
    page.keyboard.press("n")
    page.keyboard.press("3")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("PageDown")
    told(page, "saved: 1 in b.jpg")
    first, second = server.notebook.boxes["a.png"]
    np.testing.assert_allclose(first, [15, 10, 45, 20, 7], atol=0.5)
    np.testing.assert_allclose(second, [28, 16.67, 34, 23.33, 3], atol=0.5)
    assert server.notebook.boxes["b.jpg"] == [[1, 2, 3, 4, 5]]


def test_a_box_drawn_while_a_suggestion_is_on_its_way_stays(slow, opened, gate):
    """It is in the file before the suggestion comes, which is dropped; the next box joins it."""
    page = opened()
    page.keyboard.press("n")
    told(page, "saved: 1 in a.png")
    gate.set()
    told(page, "a.png was changed meanwhile")
    np.testing.assert_allclose(slow.notebook.boxes["a.png"], [HAND], atol=0.01)
    page.keyboard.press("n")
    told(page, "saved: 2 in a.png")
    np.testing.assert_allclose(slow.notebook.boxes["a.png"], [HAND, HAND], atol=0.01)
    assert page.locator(".box").count() == 2


@pytest.mark.parametrize("ends", ["let go", "page turned"])
def test_a_suggestion_that_comes_while_a_box_is_drawn_leaves_it_alone(slow, opened, gate, ends):
    page = opened()
    begin, halfway, end = points(page, (0.25, 0.25), (0.5, 0.3), (0.75, 0.5))
    page.mouse.move(*begin)
    page.mouse.down()
    page.mouse.move(*halfway)
    page.locator(".box").wait_for()
    gate.set()
    told(page, "a.png was changed meanwhile")
    page.mouse.move(*end)
    if ends == "page turned":
        slow.suggest = lambda path: []
        page.keyboard.press("PageDown")
        page.mouse.move(*halfway)
        told(page, "saved: 0 in b.jpg")
    page.mouse.up()
    told(page, "saved: 1 in a.png" if ends == "let go" else "saved: 0 in b.jpg")
    np.testing.assert_allclose(slow.notebook.boxes.pop("a.png"), [[15, 10, 45, 20, 0]], atol=0.5)
    assert slow.notebook.boxes == ({} if ends == "let go" else {"b.jpg": []})


def test_a_picture_left_before_its_suggestion_came_does_not_hold_nothing(slow, opened, gate):
    page = opened()
    page.keyboard.press("PageDown")
    page.keyboard.press("PageUp")
    page.keyboard.press("PageDown")
    page.locator("#name", has_text="b.jpg").wait_for()
    assert slow.notebook.boxes == {} and page.locator(".box").count() == 0
    with page.expect_response("**/boxes/0"), page.expect_response("**/boxes/1"):
        gate.set()
    page.locator(".box").wait_for()
    assert slow.notebook.boxes == {"a.png": [[1, 2, 3, 4, 5]], "b.jpg": [[1, 2, 3, 4, 5]]}


def test_a_picture_shows_its_boxes_although_they_are_still_being_saved(server, opened, gate):
    server.suggest, put = None, server.notebook.put
    server.notebook.put = lambda *given: gate.wait(20) and put(*given)
    page = opened()
    for key in ("n", "PageDown", "PageUp"):
        page.keyboard.press(key)
    assert page.locator(".box").count() == 1
    page.keyboard.press("n")
    gate.set()
    told(page, "saved: 2 in a.png")
    np.testing.assert_allclose(server.notebook.boxes["a.png"], [HAND, HAND], atol=0.01)


def test_a_suggestion_takes_the_place_of_boxes_only_when_that_is_wanted(server, opened):
    page, asked, answers = opened(), [], ["dismiss", "accept"]
    page.on("dialog", lambda dialog: (asked.append(dialog.message), getattr(dialog, answers.pop(0))()))
    told(page, "saved: 1 in a.png")
    page.keyboard.press("n")
    told(page, "saved: 2 in a.png")
    page.locator("#suggest").click()
    page.keyboard.press("n")
    told(page, "saved: 3 in a.png")
    assert len(asked) == 1 and "a.png has boxes (2)" in asked[0]
    page.locator("#suggest").click()
    told(page, "saved: 1 in a.png")
    assert server.notebook.boxes["a.png"] == [[1, 2, 3, 4, 5]] and page.locator(".box").count() == 1


def test_only_a_picture_that_was_left_without_a_box_holds_nothing(server, opened):
    """It is an example of what is no object; one that is on the screen is none yet. The last is left as any other."""
    server.suggest = None
    page = opened()
    page.wait_for_load_state("networkidle")
    assert server.notebook.boxes == {} and not server.notebook.path.exists()
    page.keyboard.press("PageDown")
    told(page, "saved: 0 in a.png")
    assert server.notebook.boxes == {"a.png": []}
    page.keyboard.press("PageDown")
    told(page, "saved: 0 in b.jpg")
    assert server.notebook.boxes == {"a.png": [], "b.jpg": []}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_on_a_phone_and_a_desk_in_light_and_dark(server, opened, scheme):
    server.suggest = lambda path: [[1, 2, 3, 4, 5], [50, 10, 60, 40, 1]]
    page = opened(color_scheme=scheme)
    page.locator(".box").nth(1).focus()
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        for check in ("overflow", "names", "alternatives", "contrast"):
            assert complaints(page, check) == [], f"{scheme} {width}"
