"""The playground in a browser that has no way out: a digit is drawn, found and moved, and all of it follows.

It wants what TINYMASKRCNN_PYODIDE names, and is skipped where it names nothing.
"""

import base64
import functools
import json
import statistics

import pytest
from docs.page_checks import complaints
from docs.test_live import PYODIDE, open_page, pages  # noqa: F401  fixtures

pytestmark = pytest.mark.skipif(not PYODIDE, reason="TINYMASKRCNN_PYODIDE names no distribution of Pyodide")
TWO = [(56, 50), (60, 44), (66, 43), (70, 48), (68, 56), (62, 64), (56, 71), (63, 71), (72, 71)]
REACTIONS = "performance.getEntriesByName('playground: reaction').map((one) => one.duration)"
INKED = "(id) => document.getElementById(id).toDataURL()"


def link(**more):
    """The part of an address that holds a scene."""
    return "#scene=" + base64.urlsafe_b64encode(json.dumps(more).encode()).decode().rstrip("=")


ONE = {"x": 60, "y": 60, "size": 30}
NO_SCENES = [  # what a link may hold, and no page can show
    {"scene": {"digits": [{"x": None}]}},
    {"scene": {"digits": [ONE]}},  # of what
    {"scene": {"digits": [ONE | {"strokes": 5}]}},
    {"scene": {"digits": [ONE | {"strokes": [[1, 2]]}]}},
    {"scene": {"digits": [ONE | {"sample": 3, "angle": "steep"}]}},
    {"scene": {"digits": [], "noise": "loud"}},
    {"scene": {"digits": []}, "least": "half"},
    {"scene": {"digits": []}, "settings": {"rpn.nms_iou": "half"}},
    {"scene": {"digits": []}, "settings": {"rpn.other": 1}},
]


class Player:
    """A page of the playground, and the hand on its picture."""

    def __init__(self, visitor):
        self.visitor, self.page = visitor, visitor.page
        self.page.set_default_timeout(300_000)  # where others work, too, Python takes its time to start

    def wait_for_python(self):
        self.page.wait_for_function(f"{REACTIONS}.length > 0")
        return self

    def at(self, x, y, canvas="#scene"):
        box = self.page.locator(canvas).bounding_box()
        return box["x"] + x * box["width"] / 128, box["y"] + y * box["height"] / 128

    def stroke(self, points, canvas="#scene"):
        self.page.mouse.move(*self.at(*points[0], canvas))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point, canvas), steps=3)
        self.page.mouse.up()

    def found(self):
        return self.page.locator("#found button:not(.lost)").all_inner_texts()

    def picture(self, canvas):
        return self.page.evaluate(INKED, canvas)

    def until_changed(self, canvas, before):
        self.page.wait_for_function(f"([id, before]) => ({INKED})(id) !== before", arg=[canvas, before])

    def react(self, do):
        """What is done, and then the answer to it is on the page."""
        count = len(self.page.evaluate(REACTIONS))
        do()
        self.page.wait_for_function(f"(count) => {REACTIONS}.length > count", arg=count)

    def go_to(self, hash):
        self.page.evaluate("(hash) => { location.hash = hash; }", hash)

    def is_clean(self):
        return self.visitor.outside == [] and self.visitor.errors == []


@pytest.fixture
def play(open_page):  # noqa: F811
    """play(hash)  ->  a Player on the page."""
    return lambda hash="", **options: Player(open_page(f"playground.html{hash}", **options))


def test_a_digit_is_drawn_found_moved_and_followed(play):
    """And what an address may hold: on one page, since each page starts Python anew, which takes most of the time."""
    player = play("#scene=e30")  # which is no scene
    page = player.page
    page.locator("#found button").nth(3).wait_for()
    assert len(player.found()) == 4 and page.locator("#before-said").inner_text().startswith("4092 anchors")  # recorded
    an_address_that_holds_no_scene_says_so_and_shows_another_one(player)  # as soon as Python has started

    player.react(lambda: player.stroke(TWO))
    page.locator("#found button[aria-pressed=true]", has_text="2").wait_for()
    page.locator("#who", has_text="a 2 with").wait_for()
    page.locator("#why b", has_text="objectness").wait_for()

    before, count = player.picture("after"), page.locator("#after-said").inner_text()
    page.locator("#nms").fill("0.1")
    player.until_changed("after", before)
    page.wait_for_function("(before) => document.getElementById('after-said').textContent !== before", arg=count)

    page.locator("#tool-move").click()
    roi = player.picture("roi")
    player.react(lambda: player.stroke([(63, 58), (66, 70)]))
    player.until_changed("roi", roi)
    assert "scene=" in page.evaluate("new Promise((done) => setTimeout(() => done(location.hash), 600))")

    page.locator("#moved", has_text="loss").wait_for()
    start = page.locator("#moved").inner_text()
    page.locator("#run").click()
    page.locator("#run", has_text="Let it go").wait_for()
    loss = [float(text.split("loss ")[1].split(";")[0]) for text in (start, page.locator("#moved").inner_text())]
    assert loss[1] < loss[0] / 4
    follow_links(player)
    assert player.is_clean()


def an_address_that_holds_no_scene_says_so_and_shows_another_one(player):
    said = player.page.locator("#said")
    for broken in ("%%", *(link(**some).removeprefix("#scene=") for some in NO_SCENES), "e30"):
        said.filter(has_text="holds no scene that can be read").wait_for()
        assert len(player.found()) == 4
        said.evaluate("(said) => { said.textContent = ''; }")
        player.go_to(f"#scene={broken}")
    said.filter(has_text="holds no scene that can be read").wait_for()


def follow_links(player):
    """A scene comes by its address; a digit that is missed says what it died of; keys do what hands do."""
    page, three = player.page, {"x": 90, "y": 80, "size": 34, "sample": 3}
    tiny = {"x": 40, "y": 40, "size": 9, "strokes": [[[-0.3, -0.5], [0.3, -0.5], [0, 0.5]]]}
    player.react(lambda: player.go_to(link(scene={"digits": [tiny, three]}, least=0.6)))
    page.locator("#missed h3", has_text="Digit 1 was lost at").wait_for()
    assert page.locator("#least").input_value() == "0.6" and len(player.found()) == 1
    page.locator("#scene").focus()
    for key, digits in (("3", 3), ("ArrowLeft", 3), ("Delete", 2)):
        player.react(lambda key=key: page.keyboard.press(key))
        page.locator("#said", has_text=f"of {digits} digits").wait_for()
    player.react(lambda: page.locator("#undo").click())
    player.go_to(link(scene={"digits": [three | {"size": 5000}]}))
    page.locator("#said", has_text="a scene's size is a number from 6 to 128; got 5000").wait_for()
    player.react(lambda: page.locator("#undo").click())  # and what was there goes on
    page.locator("#said", has_text="of 3 digits").wait_for()
    player.react(lambda: page.locator("#empty").click())
    page.locator("#who", has_text="nothing is found").wait_for()
    player.react(lambda: page.locator("#undo").click())
    player.go_to(link(scene={"digits": [three]}, settings={"rpn.nms_iou": 7}, least=0.3))
    page.locator("#said", has_text="nms_iou").wait_for()
    page.wait_for_timeout(500)  # longer than a hand rests, after which the words about the scene come
    assert "nms_iou" in page.locator("#said").inner_text()
    page.wait_for_function("document.getElementById('nms').value !== '1' && least.value === '0.6'")  # as it was
    page.locator("#who", has_text="a 3 with").wait_for()


def test_opened_as_a_file_it_says_what_to_do(pages, visit):  # noqa: F811
    page = visit(pages.as_uri()).page
    page.goto((pages / "playground.html").as_uri())
    page.locator("#said", has_text="“tinymaskrcnn live”").wait_for()


@pytest.mark.parametrize("width, scheme", [(390, "light"), (1280, "dark")])
def test_the_page_is_for_everybody(play, width, scheme):
    player = play(color_scheme=scheme, has_touch=True)
    page = player.page
    page.set_viewport_size({"width": width, "height": 844})
    page.locator("#found button").nth(3).wait_for()
    for check in ("overflow", "alternatives", "names", "contrast"):
        assert complaints(page, check) == [], check
    small = "[...document.querySelectorAll('button')].filter((b) => b.offsetParent && b.offsetHeight < 24)"
    assert page.evaluate(f"{small}.map((b) => b.textContent)") == []  # a finger finds them
    before, finger = player.picture("scene"), page.context.new_cdp_session(page)
    for kind, point in zip(("touchStart", "touchMove", "touchMove"), ((50, 40), (60, 70), (70, 100))):
        x, y = player.at(*point)
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    player.until_changed("scene", before)  # a stroke, and not the page that moves
    assert page.evaluate("scrollY") == 0 and player.is_clean()


@pytest.mark.long
def test_a_drag_is_answered_within_half_a_second(play):
    player = play().wait_for_python()
    page = player.page
    page.locator("#tool-move").click()
    page.mouse.move(*player.at(30, 34))
    page.mouse.down()
    medians = []
    for way in (1, -1, 1):  # the least of three medians of 20: others work on the same cores
        for step in range(20):
            player.react(functools.partial(page.mouse.move, *player.at(64 + way * (20 - 2 * step), 34 + step)))
        medians.append(statistics.median(page.evaluate(REACTIONS)[-20:]))
    page.mouse.up()
    print("reaction to a drag, medians of 20, ms:", [round(one) for one in medians])
    assert min(medians) <= 500


@pytest.mark.long
def test_a_detector_is_trained_in_the_tab(play):
    player = play().wait_for_python()
    page = player.page
    page.locator("#train").click()
    page.wait_for_function("Number(document.getElementById('frame').max) >= 3")
    player.react(lambda: page.locator("#pad button").first.click())  # it answers meanwhile
    page.locator("#train", has_text="Pause").click()
    page.locator("#train", has_text="Train on").wait_for()
    film = player.picture("film")
    page.locator("#frame").fill("0")
    assert player.picture("film") != film and player.picture("curve") and player.is_clean()
