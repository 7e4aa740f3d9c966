"""What a network says is asked for once, and is what it says to `detect`."""

import numpy as np
import pytest
from explain.explained import KINDS, detected, fast_network, network, picture, some_boxes
from tiny_model import tiny_rcnn

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.explain.trace import trace_detection, what_if

PARTS = ("boxes", "labels", "scores", "masks", "keypoints", "mask_scores")


@pytest.mark.parametrize("kind", KINDS)
def test_a_trace_ends_in_the_bits_of_detect(kind):
    """On pictures of several sizes, by networks of which some find much and some nothing."""
    found_any = 0
    for seed in range(3):
        model, image = network(kind, seed), picture(seed, size=(40 + 9 * seed, 64 + 7 * seed))
        trace, found = trace_detection(model, image), detected(model, image)
        for part in PARTS:
            np.testing.assert_array_equal(getattr(trace.detections, part), getattr(found, part))
        found_any += len(found) > 1
    assert found_any


def test_proposals_from_outside_are_traced_from_there_on():
    for seed in range(4):
        model, image, boxes = fast_network(seed), picture(seed), some_boxes(seed)
        trace, found = trace_detection(model, image, proposals=boxes), detected(model, image, proposals=boxes[None])
        assert trace.anchors is None and trace.candidates is None and len(found) > 1
        for part in PARTS[:3]:
            np.testing.assert_array_equal(getattr(trace.detections, part), getattr(found, part))


def test_backbone_and_rpn_are_asked_once_and_each_box_once(monkeypatch):
    model, image = network("mask", 3), picture(1)
    trace = trace_detection(model, image)
    for part in (model.backbone, model.rpn.head):
        monkeypatch.setattr(part, "forward", None)  # nobody may call it
    more = {"rpn.post_nms_top_n": 20, "rpn.nms_iou": 0.9, "roi.score_threshold": 0.0, "roi.nms_iou": 0.8}
    first = what_if(trace, more)
    assert len(first.proposals.boxes) > len(trace.proposals.boxes) and len(first.detections) > len(trace.detections)
    for head in model.roi_heads.heads.values():
        monkeypatch.setattr(head, "forward", None)
    again = what_if(trace, more)
    for part in PARTS[:4]:
        np.testing.assert_array_equal(getattr(again.detections, part), getattr(first.detections, part))
    assert len(what_if(trace, {"rpn.nms_iou": 0.6}, boxes_only=True).detections)


def test_what_cannot_be_traced_is_said():
    image = picture(0)
    with pytest.raises(ArgumentError, match="this model has an RPN, which makes its proposals: leave proposals= out"):
        trace_detection(network("mask", 0), image, proposals=some_boxes(0))
    for boxes in (np.zeros((0, 4), np.float32), np.zeros(4, np.float32)):
        with pytest.raises(ShapeError, match=r"proposals must be \(P, 4\) with P > 0; got"):
            trace_detection(fast_network(0), image, proposals=boxes)
    with pytest.raises(ArgumentError, match="R-CNN looks at crops one by one"):
        trace_detection(tiny_rcnn().eval(), image, proposals=some_boxes(0))
    with pytest.raises(ArgumentError, match="pixels must lie in 0..1"):
        trace_detection(network("mask", 0), image * 255)
