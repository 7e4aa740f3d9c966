"""Touchable pictures in a real browser: they compute what the package computes, for boxes that a generator draws.

A case is entered into the fields that a reader sees, and read off what the page then shows.
"""

import numpy as np
import pytest
from docs.page_checks import complaints
from golden import MATRIX
from tiny_model import tiny_model
from visualize.pictures import GREY, trace

from tinymaskrcnn.ops import nms, prroi_pool, roi_align, roi_pool, roi_warp
from tinymaskrcnn.ops.boxes import area, iou_matrix
from tinymaskrcnn.visualize import touch

CASES = 400
ENTER = """
const enter = (group, box) => {
  const inputs = [...group.querySelectorAll("input")];
  inputs.forEach((input, k) => { input.value = box[k]; });
  inputs[0].dispatchEvent(new Event("input"));
};
"""


@pytest.fixture
def opened(tmp_path, visit):
    """opened(touch, **options of the browser's context)  ->  the page, on which nothing may go wrong."""
    visitors = []

    def open_(made, **options):
        path = made.save(tmp_path / f"page{len(visitors)}.html")
        visitors.append(visit(path.as_uri(), **options))
        visitors[-1].page.goto(path.as_uri())
        return visitors[-1].page

    yield open_
    assert all(visitor.outside == [] and visitor.errors == [] for visitor in visitors)


def drawn_boxes(rng, count, low, high, *, grid):
    """Boxes of every kind: on a grid or anywhere, inside and outside, without area, with swapped corners."""
    corners = np.sort(rng.uniform(low, high, (count, 2, 2)), axis=1).reshape(count, 4)
    kind = rng.integers(0, 9, count)
    corners[kind > 5] = np.round(corners[kind > 5] / grid) * grid
    corners[kind == 3, 2:] = corners[kind == 3, :2]  # a point
    corners[kind == 4, 2] = corners[kind == 4, 0]  # a line
    return corners


def test_iou_is_that_of_the_package(opened):
    rng = np.random.default_rng(0)
    a, b = drawn_boxes(rng, CASES, -20, 90, grid=10), drawn_boxes(rng, CASES, -20, 90, grid=10)
    b[:40] = a[:40]
    b[40:80, :2], b[40:80, 2:] = a[40:80, :2] - 3, a[40:80, 2:] + 5  # one within the other
    b[80:100] = b[80:100][:, [2, 3, 0, 1]]  # corners that are swapped
    page = opened(touch.iou())
    ask = f"""pairs => {{ {ENTER}
      const [one, two] = document.querySelectorAll(".tmr-fields");
      return pairs.map(([a, b]) => {{ enter(one, a); enter(two, b);
        const said = (name) => document.querySelector(`.tmr-sums .tmr-${{name}}`);
        return [Number(said("iou").dataset.value), said("intersection").textContent, said("union").textContent,
                document.querySelector(".tmr-verdict").textContent]; }}); }}"""
    found = page.evaluate(ask, np.stack([a, b], axis=1).tolist())
    wanted = np.array([iou_matrix(a[k : k + 1], b[k : k + 1])[0, 0] for k in range(CASES)])
    np.testing.assert_array_equal([row[0] for row in found], wanted)  # the same bits
    shared = area(np.concatenate([np.maximum(a, b)[:, :2], np.minimum(a, b)[:, 2:]], axis=1))
    np.testing.assert_allclose([float(row[1]) for row in found], shared, atol=6e-5)
    union = area(a) + area(b) - shared
    np.testing.assert_allclose([float(row[2].split("= ")[1]) for row in found], union, atol=6e-5)
    assert (wanted == 1).sum() > 20 and (wanted == 0).sum() > 100 and ((wanted > 0) & (wanted < 1)).sum() > 80
    for (_, _, _, verdict), ratio, k in zip(found, wanted, range(CASES)):
        empty = area(a[k]) == 0 or area(b[k]) == 0
        assert ("without area" in verdict) == empty and ("share nothing" in verdict) == (ratio == 0 and not empty)
        assert ("inside" in verdict) == (40 <= k < 80 and not empty) or k >= 80


OPERATORS = {
    "RoIPool": roi_pool.roi_pool_forward,
    "RoIWarp": roi_warp.roi_warp_forward,
    "RoIAlign": roi_align.roi_align_forward,
    "PrRoIPool": prroi_pool.prroi_pool_forward,
}


def cut(name, features, rois, bins):
    given = dict(image_index=np.zeros(len(rois), int), output_size=bins, scale=1.0)
    return OPERATORS[name](features, rois, **given)[0][..., 0]


def place_read(name, rois, bins):
    """Where bins read on the average, by maps that hold the places of their cells: two of (K, S, S), NaN: nowhere."""
    middle = np.arange(8) + 0.5
    rulers = [np.broadcast_to(middle[None], (8, 8)), np.broadcast_to(middle[:, None], (8, 8))]
    if name == "RoIPool":  # the maximum of a ruler is one end of what was read, that of minus the ruler the other
        ends = [(cut(name, sign * ruler[None, :, :, None] + 0.0, rois, bins)) for ruler in rulers for sign in (1, -1)]
        seen = cut(name, np.ones((1, 8, 8, 1)), rois, bins) > 0
        return [np.where(seen, (high - low) / 2, np.nan) for high, low in (ends[:2], ends[2:])]
    sums = cut(name, np.ones((1, 8, 8, 1)), rois, bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        return [cut(name, ruler[None, :, :, None] + 0.0, rois, bins) / sums for ruler in rulers]


@pytest.mark.in_turn
@pytest.mark.parametrize("bins", [1, 2, 3, 4])
@pytest.mark.parametrize("rounded", [False, True])
def test_the_crops_are_those_of_the_package(opened, bins, rounded):
    rois = drawn_boxes(np.random.default_rng(bins), CASES // 8, -2.5, 10.5, grid=0.25)
    page = opened(touch.roi(MATRIX[0], output_size=bins, stride=8))
    if rounded:
        page.get_by_role("checkbox").check()
    ask = f"""rois => {{ {ENTER}
      const panels = [...document.querySelectorAll(".tmr-one")];
      return rois.map((roi) => {{ enter(document.querySelector(".tmr-fields"), roi);
        return panels.map((panel) => {{
          const [crop, notes] = ["button", "dd"].map((what) => [...panel.querySelectorAll(what)]);
          const said = notes.map((d) => [Number(d.dataset.value), d.textContent]);
          return [crop.map((b) => Number(b.dataset.value)), ...said]; }}); }}); }}"""
    found = page.evaluate(ask, rois.tolist())
    whole = np.trunc(rois + np.copysign(0.5, rois))  # halves away from zero
    for j, name in enumerate(OPERATORS):
        asked = whole if name == "RoIWarp" and rounded else rois
        crops = cut(name, MATRIX, asked, bins)
        np.testing.assert_allclose([row[j][0] for row in found], crops.reshape(len(rois), -1), rtol=1e-11, atol=1e-13)
        size = np.maximum(whole[:, 2:] - whole[:, :2] + 1, 1)
        used = np.concatenate([whole[:, :2], whole[:, :2] + size], axis=1) if name == "RoIPool" else asked
        moved = abs(used - rois).max(axis=1) * 8
        np.testing.assert_allclose([row[j][1][0] for row in found], moved, atol=1e-9)
        places = [place[:, 0, 0] for place in place_read(name, asked, bins)]
        wanted = [rois[:, axis] + 0.5 / bins * (rois[:, axis + 2] - rois[:, axis]) for axis in (0, 1)]
        off = 8 * np.hypot(*(place - want for place, want in zip(places, wanted)))
        nowhere = np.array(["nowhere" in row[j][2][1] for row in found])
        np.testing.assert_array_equal(nowhere, np.isnan(off))
        np.testing.assert_allclose(np.array([row[j][2][0] for row in found])[~nowhere], off[~nowhere], atol=1e-8)


def crowd(seed, count=60):
    """Boxes of whole pixels, so that many an IoU is exactly 1/2 or 1/3; many scores are equal, some have no area."""
    rng = np.random.default_rng(seed)
    corner, size = rng.integers(0, 10, (count, 2)), rng.integers(0, 9, (count, 2))
    boxes = np.concatenate([corner, corner + size], axis=1).astype(np.float32)
    boxes[: count // 3] += rng.normal(0, 0.3, (count // 3, 4)).astype(np.float32)
    return boxes, (rng.integers(1, 20, count) / 20).astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_who_is_suppressed_is_whom_the_package_suppresses(opened, seed):
    boxes, scores = crowd(seed)
    order = np.argsort(-scores, kind="stable")
    boxes, scores = boxes[order], scores[order]  # the page numbers them in this order
    page = opened(touch.nms(GREY, boxes, scores))
    ask = """thresholds => { const [limit, chosen] = document.querySelectorAll("input[type=range]");
      const set = (range, value) => { range.value = value; range.dispatchEvent(new Event("input")); };
      const fate = document.querySelector(".tmr-fate");
      return thresholds.map((t) => { set(limit, t); const all = [];
        for (let k = 1; k <= Number(chosen.max); k++) { set(chosen, k);
          all.push([Number(fate.dataset.by), Number(fate.dataset.iou)]); }
        return [Number(document.querySelector(".tmr-count").dataset.value), all]; }); }"""
    thresholds = [0, 0.1, 0.2, 0.25, 0.33, 0.4, 0.5, 0.6, 0.75, 0.99, 1]
    for threshold, (count, fates) in zip(thresholds, page.evaluate(ask, thresholds)):
        keep = nms.nms(boxes, scores, iou_threshold=threshold)
        by, how = (np.array(column) for column in zip(*fates))
        np.testing.assert_array_equal(by < 0, keep)
        assert count == keep.sum()
        iou = iou_matrix(boxes, boxes)
        for k in np.flatnonzero(~keep):  # by the best of the kept boxes that overlap it too much
            assert by[k] == np.flatnonzero(keep & (iou[:, k] > np.float32(threshold)))[0]
            assert how[k] == iou[by[k], k]


# ---------------------------------------------------------------- hands


def fields(page, number=0):
    inputs = page.locator(".tmr-fields").nth(number).locator("input")
    return inputs.evaluate_all("all => all.map(i => i.valueAsNumber)")


def middle_of(locator):
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize("made", [touch.iou, lambda: touch.roi(MATRIX[0])])
def test_mouse_and_keys_move_and_stretch_a_box(opened, made):
    page = opened(made())
    step = 1.0 if made is touch.iou else 0.25
    before = fields(page)
    body = page.locator(".tmr-body").first
    body.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowLeft", "Shift+ArrowUp", "Shift+ArrowUp"):
        page.keyboard.press(key)
    moved = [before[0] + 2 * step, before[1] + step, before[2] + step, before[3] - step]
    np.testing.assert_allclose(fields(page), moved)
    assert page.evaluate("scrollX + scrollY") == 0
    x, y = middle_of(body)
    x -= 0.4 * body.bounding_box()["width"]  # where no other box lies above it
    unit = page.locator(".tmr-stage").first.evaluate("s => s.getScreenCTM().a")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 3.1 * unit * step, y - 1.9 * unit * step, steps=4)
    page.mouse.up()
    np.testing.assert_allclose(fields(page), np.array(moved) + step * np.array([3, -2, 3, -2]))
    page.mouse.move(x + 200, y)  # what was let go stays where it is
    corner = page.locator(".tmr-corner").nth(3)
    page.mouse.move(*middle_of(corner))
    page.mouse.down()
    page.mouse.move(0, 0, steps=5)
    page.mouse.up()
    x1, y1, x2, y2 = fields(page)
    stop = moved[0] + 3 * step, moved[1] - 2 * step  # the opposite corner
    assert (x1, y1) == (x2, y2) == pytest.approx(stop)


def test_a_finger_drags_a_box_and_does_not_scroll_the_page(opened):
    page = opened(touch.iou(), has_touch=True, is_mobile=True)
    page.set_viewport_size({"width": 390, "height": 500})
    before, unit = fields(page, 1), page.locator(".tmr-stage").first.evaluate("s => s.getScreenCTM().a")
    scrolled = page.evaluate("scrollX + scrollY")
    x, y = middle_of(page.locator(".tmr-box.tmr-b .tmr-body"))
    finger = page.context.new_cdp_session(page)
    for kind, points in (
        ("touchStart", [{"x": x + 10, "y": y}]),
        ("touchMove", [{"x": x + 10 - 3 * unit, "y": y}]),
        ("touchMove", [{"x": x + 10 - 6 * unit, "y": y - 5 * unit}]),
        ("touchEnd", []),
    ):
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    np.testing.assert_allclose(fields(page, 1), np.array(before) + [-6, -5, -6, -5])
    assert page.evaluate("scrollX + scrollY") == scrolled


def test_a_detection_that_is_pointed_at_or_focused_lights_up_what_it_was_made_of(opened):
    made = touch.trace(tiny_model(seed=3).eval(), trace())
    page = opened(made)
    buttons = page.locator(".tmr-names button")
    assert buttons.count() == len(made.data["found"]) > 3
    place = "r => ['x', 'y', 'width', 'height'].map(n => Number(r.getAttribute(n)))"
    for k in (2, 0, 3):
        entry = made.data["found"][k]
        buttons.nth(k).focus() if k else buttons.nth(k).hover()
        for look in ("detection", "proposal", "anchor"):
            x, y, width, height = page.locator(f".tmr-stage > .tmr-{look}").first.evaluate(place)
            np.testing.assert_allclose([x, y, x + width, y + height], entry[look], atol=1e-4)
        lit = page.locator(".tmr-lit figcaption").all_inner_texts()
        levels = {entry["level"], entry["anchor_level"]}
        assert [int(text[1]) for text in lit] == sorted(levels)
        assert page.locator(".tmr-stage image").nth(1).get_attribute("href") == entry["reach"]["picture"]
        assert buttons.nth(k).get_attribute("aria-pressed") == "true"


def test_a_box_that_is_pointed_at_says_what_became_of_it(opened):
    boxes = np.array([[2, 2, 14, 14], [3, 2, 15, 14], [20, 4, 30, 20]], np.float32)
    page = opened(touch.nms(GREY, boxes, np.array([0.9, 0.8, 0.7], np.float32)))
    stage = page.locator(".tmr-stage")
    unit, box = stage.evaluate("s => s.getScreenCTM().a"), stage.bounding_box()
    for at, said in (((29.9, 10), "Box 3 (score 0.700) stays. It overlaps no"), ((14.9, 8), "is suppressed by box 1")):
        page.mouse.move(box["x"] + at[0] * unit, box["y"] + at[1] * unit)
        assert said in page.locator(".tmr-fate").inner_text()
    page.get_by_role("slider", name="IoU above").fill("0.9")
    assert page.locator(".tmr-count").inner_text() == "3 of 3 boxes stay."


# ---------------------------------------------------------------- pages


MAKE = {
    "iou": lambda: touch.iou(),
    "roi": lambda: touch.roi(MATRIX[0]),
    "nms": lambda: touch.nms(GREY, *crowd(0)),
    "trace": lambda: touch.trace(tiny_model(seed=3).eval(), trace()),
}


@pytest.mark.in_turn
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", MAKE)
def test_it_can_be_read_on_a_phone_and_a_desk_in_light_and_dark(opened, name, scheme):
    page = opened(MAKE[name](), color_scheme=scheme)
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        for check in ("overflow", "names", "alternatives", "contrast"):
            assert complaints(page, check) == [], f"{name} {scheme} {width}"
    assert page.locator(".tmr-touch").get_attribute("data-scheme") == scheme


def test_without_scripts_the_still_picture_is_shown(opened):
    page = opened(touch.iou(), java_script_enabled=False)
    assert page.locator(".tmr-still").is_visible() and page.locator("button").count() == 0


def test_copies_on_one_page_stay_apart(tmp_path, visit):
    html = touch.iou()._repr_html_()
    (tmp_path / "two.html").write_text(f'<!doctype html><meta charset="utf-8">{html}{html}', "utf-8")
    page = visit(tmp_path.as_uri()).page
    page.goto((tmp_path / "two.html").as_uri())
    before = fields(page, 2)
    page.locator(".tmr-body").first.press("ArrowRight")
    assert fields(page, 0)[0] == before[0] + 1 and fields(page, 2) == before
