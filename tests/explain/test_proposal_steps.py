"""Anchor, objectness, NMS of the RPN: what a chain says of them, and its numbers tried on both sides."""

import numpy as np
import pytest
from explain.explained import fast_network, goes_on, network, picture, some_boxes

from tinymaskrcnn.explain.proposal_steps import anchor_place, proposal_steps
from tinymaskrcnn.explain.trace import trace_detection
from tinymaskrcnn.ops.anchors import base_anchors
from tinymaskrcnn.ops.boxes import iou_matrix

KINDS = ("mask", "C4", "finest map", "RoIPool")


@pytest.mark.parametrize("kind", KINDS)
def test_each_number_decides_on_either_side_as_it_says(kind):
    """A network that is built with the number, and one with the next: the step goes on in one, and not in the other."""
    tried = {}
    for seed in range(4):
        model, image = network(kind, seed), picture(seed)
        trace = trace_detection(model, image)
        for row in range(0, len(trace.detections), 3)[:3]:
            for said in (other for step in proposal_steps(trace, row) for other in step.counterfactuals):
                if said.setting.startswith("rpn."):
                    assert goes_on(model, image, trace, row, said.setting, said.same), said
                    assert not goes_on(model, image, trace, row, said.setting, said.other), said
                    tried[said.setting] = tried.get(said.setting, 0) + 1
    assert tried.keys() >= {"rpn.pre_nms_top_n", "rpn.min_size", "rpn.post_nms_top_n"} and sum(tried.values()) >= 10


def test_an_nms_number_is_among_them():
    found = 0
    for seed in range(12):
        model, image = network("finest map", seed), picture(seed)
        trace = trace_detection(model, image)
        for row in range(len(trace.detections))[:6]:
            for said in proposal_steps(trace, row)[3].counterfactuals:
                assert said.setting == "rpn.nms_iou" and said.other < said.same <= said.now
                assert goes_on(model, image, trace, row, said.setting, said.same)
                assert not goes_on(model, image, trace, row, said.setting, said.other)
                found += 1
    assert found >= 3


@pytest.mark.parametrize("kind", ["mask", "C4"])
def test_an_anchor_stands_where_it_says(kind):
    model = network(kind, 1)
    trace = trace_detection(model, picture(1))
    anchors, config = trace.anchors, model.config
    for row in np.random.default_rng(0).integers(0, len(anchors.boxes), 60):
        place = anchor_place(trace, row)
        base = base_anchors(place["size"], [place["ratio"]])[0]
        height, width = place["cells"]
        stride = np.array([64 / width, 64 / height] * 2)
        middle = stride * ([place["column"], place["row"]] * 2)
        np.testing.assert_array_equal(anchors.boxes[row], base + middle)
        assert place["size"] in config.rpn.anchor_sizes[place["level"] - config.backbone.levels[0]]
        assert place["of"] == (anchors.level == place["level"]).sum() and place["level"] == anchors.level[row]


def test_an_objectness_is_compared_with_that_of_the_first_that_does_not_go_on():
    trace = trace_detection(network("C4", 2), picture(2))
    for row in range(len(trace.detections)):
        anchor = trace.proposals.anchor[trace.origins[row]]
        step = proposal_steps(trace, row)[1]
        assert step.numbers["objectness"] == trace.anchors.objectness[anchor]
        assert step.numbers["rank"] == 1 + (trace.anchors.objectness > trace.anchors.objectness[anchor]).sum()
        next_one = [said.other for said in step.counterfactuals if said.setting == "objectness"]
        assert next_one == [np.sort(trace.anchors.objectness)[::-1][20]]


def test_whom_it_suppressed():
    counted = 0
    for seed in range(8):
        trace = trace_detection(network("finest map", seed), picture(seed))
        candidates = trace.candidates
        for row in range(len(trace.detections)):
            numbers = proposal_steps(trace, row)[3].numbers
            me = np.flatnonzero(candidates.anchor == trace.proposals.anchor[trace.origins[row]])[0]
            assert numbers["suppressed"] == len(numbers["scores"]) == len(numbers["ious"])
            for score, iou, box in zip(numbers["scores"], numbers["ious"], numbers["boxes"]):
                assert score <= candidates.scores[me] and iou > trace.config.rpn.nms_iou
                box = np.array([box], np.float32)
                assert iou == iou_matrix(candidates.boxes[me][None], box)[0, 0]
                at = (candidates.boxes == box).all(axis=1)
                assert at.any() and not candidates.kept[at].all()
                counted += 1
    assert counted


def test_proposals_from_outside_have_a_number_and_no_more():
    trace = trace_detection(fast_network(1), picture(1), proposals=some_boxes(1))
    (step,) = proposal_steps(trace, 0)
    assert step.numbers == {"number": trace.origins[0] + 1, "of": 12} and step.counterfactuals == ()
