"""The page of an explanation in a real browser: keys alone lead through it, its sliders decide as what_if does."""

import numpy as np
import pytest
from docs.page_checks import complaints
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.explain import check_maps, explain
from tinymaskrcnn.structures import Target
from tinymaskrcnn.visualize.report import explanation_page

CHECKS = ("overflow", "names", "alternatives", "contrast")


@pytest.fixture(scope="module")
def told():
    images, targets = tiny_scene(objects=(2,))
    boxes, labels, masks = (array[0] for array in (targets.boxes, targets.labels, targets.masks))
    return explain(tiny_model(seed=3).eval(), images[0], Target(boxes, labels, masks), min_score=0.2)


@pytest.fixture(scope="module")
def report(told):
    return explanation_page(told, maps={0: check_maps(told.maps(0))})


@pytest.fixture
def opened(report, tmp_path, visit):
    path = report.save(tmp_path / "report.html")
    visitor = visit(path.as_uri())
    visitor.page.goto(path.as_uri())
    yield visitor.page
    assert visitor.outside == [] and visitor.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_reads_on_any_screen(opened, scheme):
    opened.emulate_media(color_scheme=scheme)
    opened.locator("#found button").first.click()
    for width in (390, 1280):
        opened.set_viewport_size({"width": width, "height": 800})
        assert [complaints(opened, check) for check in CHECKS] == [[]] * len(CHECKS), width


def test_keys_alone_lead_through_it(opened, told):
    page = opened
    page.locator("#stages button").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#stages [aria-current=step]").inner_text().startswith("candidates")
    assert page.locator("#drawn rect").count() == min(len(told.trace.candidates.boxes), 400)
    page.locator("#found button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#chain0").is_visible() and page.locator("#why article:visible").count() == 1
    assert told.chain(0).title in page.locator("#chain0").inner_text()
    page.locator("#row").focus()
    page.keyboard.press("ArrowUp")
    assert "row 1, column 0" in page.locator("#caption").inner_text()
    assert page.locator("#anchors li").count() == len(told.trace.config.rpn.anchor_ratios)
    page.locator("#if-shown").focus()
    page.keyboard.press("End")
    assert page.locator("#said").inner_text() == "Nothing is shown."
    page.locator("#reset").press("Enter")
    assert page.locator("#said").inner_text().startswith(f"{len(told)} shown")


def test_as_the_output_of_a_notebook_s_cell_it_is_the_same_page(report, told, tmp_path, visit):
    """Two cells that show it do not disturb each other: each is a page of its own."""
    path = tmp_path / "notebook.html"
    path.write_text(f"<!doctype html><title>cells</title>{report._repr_html_() * 2}", encoding="utf-8")
    visitor = visit(path.as_uri())
    visitor.page.goto(path.as_uri())
    first, second = (visitor.page.frame_locator("iframe").nth(i) for i in range(2))
    first.locator("#found button").first.click()
    first.locator("#chain0").filter(has_text=told.chain(0).title).wait_for()
    assert second.locator("#found button").count() == first.locator("#found button").count()
    assert first.locator("#found [aria-pressed=true]").count() != second.locator("#found [aria-pressed=true]").count()
    assert visitor.outside == [] and visitor.errors == []


def test_a_cell_is_shown_where_one_points(opened):
    opened.locator("#stages button").first.click()
    box = opened.locator("#picture svg").bounding_box()
    opened.mouse.move(box["x"] + box["width"] * 0.51, box["y"] + box["height"] * 0.26)
    assert "P2, row 4, column 8" in opened.locator("#caption").inner_text()
    middle = "(e) => [e.x.baseVal.value + e.width.baseVal.value / 2, e.y.baseVal.value + e.height.baseVal.value / 2]"
    anchors = opened.locator("#drawn rect[stroke-dasharray]").all()
    assert [anchor.evaluate(middle) for anchor in anchors] == [[8 * 4, 4 * 4]] * len(anchors) and anchors


def test_the_sliders_decide_as_the_package_does(opened, told):
    rng = np.random.default_rng(0)
    count = len(told.trace.proposals.boxes)
    for _ in range(20):
        numbers = {
            "proposals": int(rng.integers(0, count + 1)),
            "threshold": float(np.round(rng.uniform(0.02, 0.6), 2)),
            "iou": float(np.round(rng.uniform(0, 1), 2)),
            "most": int(rng.integers(1, 12)),
        }
        settings = {
            "rpn.post_nms_top_n": max(numbers["proposals"], 1),
            "roi.score_threshold": numbers["threshold"],
            "roi.nms_iou": numbers["iou"],
            "roi.detections_per_image": numbers["most"],
        }
        found = opened.evaluate("tmrDecide", numbers | {"shown": 0, "proposals": settings["rpn.post_nms_top_n"]})
        wanted = told.what_if(settings).trace.detections
        assert [d["label"] for d in found] == wanted.labels.tolist(), settings
        np.testing.assert_allclose([d["score"] for d in found], wanted.scores, atol=1e-6)
        np.testing.assert_allclose([d["box"] for d in found], wanted.boxes.reshape(-1, 4).tolist() or [], atol=1e-3)
