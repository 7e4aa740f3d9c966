"""The strip of pictures of one detection: what is drawn is what the chain says."""

import numpy as np
import pytest
from explain.explained import KINDS, fast_network, network, picture, some_boxes, with_settings

from tinymaskrcnn import visualize as v
from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.explain.explanation import explain
from tinymaskrcnn.explain.fate import why_missed
from tinymaskrcnn.structures import Target
from tinymaskrcnn.visualize.chain import chain_figure
from tinymaskrcnn.visualize.style import THEMES, use_theme


@pytest.fixture(scope="module")
def told():
    model = network("mask", 3)
    found = explain(model, picture(3)).trace.detections
    return explain(model, picture(3), Target(found.boxes[:2] + np.float32(0.25), found.labels[:2]))


def titles(figure):
    return [ax.get_title("left").split("  ")[-1] for ax in figure.axes if ax.get_title("left")]


def test_every_step_has_its_panel(told):
    figure = chain_figure(told, 0)
    assert [title.split(" ")[0] for title in titles(figure)] == [
        *("the", "anchor", "RPN", "RoIAlign", "class", "box", "NMS", "mask"),
    ]
    assert told.chain(0).title in [text.get_text() for text in figure.texts]
    assert told.chain(0)["verdict"].text in [text.get_text() for text in figure.texts]


def test_the_boxes_are_those_of_the_chain(told):
    chain, axes = told.chain(1), chain_figure(told, 1).axes
    sizes = [(*patch.get_xy(), patch.get_width(), patch.get_height()) for patch in axes[1].patches]
    drawn = [(x, y, x + width, y + height) for x, y, width, height in sizes]
    deltas = chain["deltas"].numbers
    np.testing.assert_allclose(drawn[1:], [deltas["before"], deltas["after"]], atol=1e-4)
    place = chain["anchor"].numbers
    np.testing.assert_allclose(drawn[0][:2], 2 ** place["level"] * np.array([place["column"], place["row"]]))
    assert len(axes[2].patches) == chain["RPN NMS"].numbers["suppressed"] + 1
    assert len(axes[6].patches) == chain["final NMS"].numbers["suppressed"] + 1
    assert len(axes[3].lines[-1].get_xdata()) == chain["grid"].numbers["points"]


def test_a_line_for_every_setting_with_its_limit_and_what_it_is_now(told):
    chain = told.chain(0)
    settings = {said.setting for said in chain.counterfactuals if "." in said.setting} - {"roi.canonical_size"}
    texts = [text.get_text() for text in chain_figure(told, 0).axes[-1].texts]
    assert set(texts[::2]) == settings
    for setting, words in zip(texts[::2], texts[1::2]):
        limits = [said for said in chain.counterfactuals if said.setting == setting]
        assert words.endswith(f"now {limits[0].now:g}")
        assert all(f"{said.same:.3g}" in words for said in limits) or len(limits) > 2


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind in ("faster", "keypoint", "RoIPool", "C4")])
def test_other_kinds_are_drawn_too(kind):
    model = next(net for seed in range(3, 20) if len(explain(net := network(kind, seed), picture(3))) > 1)
    figure = chain_figure(explain(model, picture(3)), 1)
    figure.canvas.draw()
    assert titles(figure)[-1] == ("detection" if kind == "faster" else "mask")


def test_proposals_from_outside_take_the_place_of_anchors():
    figure = chain_figure(explain(fast_network(1), picture(1), proposals=some_boxes(1)))
    assert titles(figure)[:2] == ["the picture", "proposal"] and titles(figure)[2].startswith("RoIPool reads P")


def test_nothing_found_is_said(told):
    none = explain(with_settings(network("mask", 3), {"roi.score_threshold": 1.0}), picture(3))
    assert "nothing is found" in chain_figure(none).axes[0].texts[0].get_text()
    with pytest.raises(ArgumentError, match="there is no detection 99"):
        chain_figure(told, 99)


def test_it_is_drawn_on_a_dark_page(told):
    use_theme("dark")
    try:
        figure = chain_figure(told, 0)
        assert figure.get_facecolor() != (1, 1, 1, 1)
        assert {text.get_color() for text in figure.axes[4].texts} == {THEMES["dark"]["ink"]}
    finally:
        use_theme("light")


def test_what_needs_anchors_says_that_there_are_none():
    told = explain(fast_network(1), picture(1), proposals=some_boxes(1))
    for draw in (v.objectness_figure, v.proposals_figure, lambda trace: v.draw_objectness(trace, 2)):
        with pytest.raises(ArgumentError, match="there are no anchors to draw, the proposals came with the picture"):
            draw(told.trace)
    with pytest.raises(ArgumentError, match="touch.trace: there are no anchors to draw"):
        v.touch.trace(None, told.trace)


def test_the_fate_of_an_object_begins_with_the_proposals_that_were_given():
    trace, box = explain(fast_network(1), picture(1), proposals=some_boxes(1)).trace, np.array([1.0, 1, 4, 4])
    fates = [why_missed(trace, box), why_missed(trace, trace.detections.boxes[0])]
    assert [fate.stage for fate in fates] == ["proposals", "found"] and list(fates[0].counts)[0] == "proposals"
    names = [label.get_text() for label in v.fate_figure(fates, ["lost", "found"]).axes[0].get_yticklabels()]
    assert names == list(fates[0].counts)
    assert len(v.fate_steps(trace, fates[0], box)) == 1 and len(v.fate_steps(trace, fates[1], box)) == len(names)
