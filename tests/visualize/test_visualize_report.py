"""The page of an explanation: it holds every chain and number, asks nobody for anything, and says when all ended."""

import json
import re

import numpy as np
import pytest
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.explain import explain
from tinymaskrcnn.explain.map_checks import check_maps
from tinymaskrcnn.structures import Target
from tinymaskrcnn.visualize.report import LEAST_SCORE, MOST_BOXES, explanation_page


@pytest.fixture(scope="module")
def told():
    images, targets = tiny_scene(objects=(2,))
    model = tiny_model(seed=3).eval()
    boxes, labels, masks = (array[0] for array in (targets.boxes, targets.labels, targets.masks))
    return explain(model, images[0], Target(boxes, labels, masks), min_score=0.2)


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page.html, re.DOTALL)[1])


def test_the_page_holds_the_chains_and_the_stages(told):
    page = explanation_page(told, title="Two & more")
    data = data_of(page)
    assert len(told) and len(data["detections"]) == len(told) and "<title>Two &amp; more</title>" in page.html
    for k in range(len(told)):
        assert f'<article id="chain{k}"' in page.html
        np.testing.assert_allclose(data["detections"][k]["box"], told.trace.detections.boxes[k], atol=0.01)
    counts = {stage["name"]: stage["count"] for stage in data["stages"]}
    assert counts["anchors"] == len(told.trace.anchors.boxes) and counts["detections"] == len(told)
    assert counts["after NMS"] == told.trace.candidates.kept.sum()
    assert all(len(stage["boxes"]) == min(stage["count"], MOST_BOXES) for stage in data["stages"])
    assert len(data["missed"]) == len(told.missed)


def test_every_anchor_is_at_its_cell(told):
    anchors, levels = told.trace.anchors, data_of(explanation_page(told))["levels"]
    assert sum(len(level["sure"]) for level in levels) == len(anchors.boxes)
    level = levels[1]
    assert level["name"] == "P3" and [level["rows"], level["columns"]] == [8, 8]
    row, column = 2, 5  # an anchor's centre is its cell's corner
    at = 4 * ((row * level["columns"] + column) * level["per"])
    x1, y1, x2, y2 = level["boxes"][at : at + 4]
    assert [(x1 + x2) / 2, (y1 + y2) / 2] == [column * 8, row * 8]


def test_what_the_sliders_know_is_exact(told):
    boxes, proposals = data_of(explanation_page(told))["boxes"], told.trace.proposals
    rows, columns = np.array(boxes["proposal"]), np.array(boxes["label"]) - 1
    assert len(rows) == (proposals.probabilities[:, 1:] > LEAST_SCORE).sum()
    again = np.array(boxes["box"]).astype(np.float32).reshape(-1, 4)
    np.testing.assert_array_equal(again, proposals.refined[rows, columns])
    np.testing.assert_array_equal(np.float32(boxes["score"]), proposals.probabilities[rows, columns + 1])


def test_the_page_needs_nothing_and_nobody(told, tmp_path):
    page = explanation_page(told)
    path = page.save(tmp_path / "new" / "a.html")
    text = path.read_text(encoding="utf-8")
    assert text == page.html and len(text) < 5e6
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text) and "http" not in text.replace(
        "http://www.w3.org/2000/svg", ""
    )
    assert page._repr_html_().startswith("<iframe srcdoc=") and "</script>" not in page._repr_html_()


def test_where_nothing_is_found_the_page_says_where_it_ended(told):
    nothing = explain(tiny_model(seed=3).eval(), told.trace.image, min_score=1.5)
    page = explanation_page(nothing)
    assert len(nothing) == 0 and 'role="alert">Nothing is found: the best detection has' in page.html
    assert data_of(page)["stages"][-1]["count"] == 0 and "none</li>" in page.html


def test_a_large_picture_leaves_its_finest_anchors_out(told, monkeypatch):
    monkeypatch.setattr("tinymaskrcnn.visualize.report.MOST_ANCHORS", 150)
    page = explanation_page(told)
    assert [level["name"] for level in data_of(page)["levels"]] == ["P4", "P5", "P6"] or "too many" in page.html
    assert "The anchors of" in page.html


def test_the_maps_of_a_detection_stand_on_it_with_their_checks(told):
    checks = check_maps(told.maps(0))
    page = explanation_page(told, maps={0: checks}).html
    assert "Which pixels does it heed?" in page and page.count('<img class="maps" src="data:image/png') == 1
    assert all(f"<dt>{step.name}</dt><dd>{step.text}</dd>" in page for step in checks.steps())
    assert "Which pixels" not in explanation_page(told).html and len(page) < 5e6
