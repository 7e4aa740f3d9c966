"""A missed object: the number that would have let a box go on, tried on both sides by networks built with it."""

import itertools

import numpy as np
import pytest
from explain.explained import fast_network, network, picture, some_boxes, with_settings

from tinymaskrcnn.explain.fate import why_missed
from tinymaskrcnn.explain.missed import missed_chain
from tinymaskrcnn.explain.trace import trace_detection, what_if

STRICT = {  # every stage loses much
    "rpn.pre_nms_top_n": 12,
    "rpn.nms_iou": 0.3,
    "rpn.post_nms_top_n": 4,
    "roi.score_threshold": 0.3,
    "roi.nms_iou": 0.2,
    "roi.detections_per_image": 2,
}

CROWDED = {"rpn.nms_iou": 0.9, "rpn.post_nms_top_n": 20, "roi.nms_iou": 0.1}  # so many that one NMS loses most


def objects(trace, rng, count):
    """Boxes that some stage had, and labels."""
    stages = [trace.proposals.refined.reshape(-1, 4), trace.anchors.moved]
    stages += [trace.candidates.boxes, trace.proposals.boxes]
    for _ in range(count):
        boxes = stages[rng.integers(len(stages))]
        box = boxes[rng.integers(len(boxes))].copy()
        if (box[2:] - box[:2] > 3).all():
            yield box + rng.uniform(-0.5, 0.5, 4).astype(np.float32), int(rng.integers(1, 3))


def test_each_number_decides_on_either_side_as_it_says():
    tried = {}
    for kind, seed in itertools.product(("C4", "faster"), range(4)):
        model, image = with_settings(network(kind, seed), STRICT), picture(seed)
        trace = trace_detection(model, image)
        for box, label in objects(trace, np.random.default_rng(seed), 30):
            chain = missed_chain(trace, box, label, min_iou=0.6, min_score=0.35)
            (step,) = chain.steps
            for said in step.counterfactuals:
                if "." not in said.setting or tried.get(said.setting, 0) >= 6:
                    continue
                for value, goes_on in ((said.same, False), (said.other, True)):
                    other = trace_detection(with_settings(model, {said.setting: value}), image)
                    fate = why_missed(other, box, label=label, min_iou=0.6, min_score=0.35)
                    assert (fate.counts[step.name] > 0) == goes_on, said
                assert (fate.stage if fate.stage != "found" else "it is found") in said.then
                tried[said.setting] = tried.get(said.setting, 0) + 1
    assert tried.keys() == STRICT.keys() and sum(tried.values()) >= 20


def test_of_a_crowd_the_nearest_limit_lets_the_object_through_and_not_just_any_box():
    tried = 0
    for seed in range(6):
        model, image = with_settings(network("faster", seed), CROWDED), picture(seed)
        trace = trace_detection(model, image)
        for box, label in objects(trace, np.random.default_rng(seed), 40):
            (step,) = missed_chain(trace, box, label, min_iou=0.6).steps
            for said in step.counterfactuals if step.name == "final NMS" else ():
                counts = [
                    why_missed(what_if(trace, {said.setting: value}), box, label=label, min_iou=0.6).counts
                    for value in (said.same, said.other)
                ]
                assert counts[0]["final NMS"] == 0 < counts[1]["final NMS"]
                tried += 1
    assert tried >= 10


def test_boxes_that_are_too_small_for_an_nms_are_told_so():
    trace = trace_detection(network("faster", 3), picture(3))
    box, label = trace.detections.boxes[0], int(trace.detections.labels[0])
    for part, stage in (("rpn", "RPN NMS"), ("roi", "final NMS")):
        strict = trace_detection(with_settings(network("faster", 3), {f"{part}.min_size": 1e3}), picture(3))
        step = missed_chain(strict, box, label, min_iou=0.9).steps[0]
        if step.name == stage:
            (said,) = step.counterfactuals
            assert f"less than {part}.min_size 1000" in step.text and said.other == pytest.approx(step.numbers["side"])
            loose = with_settings(network("faster", 3), {said.setting: said.other})
            fate = why_missed(trace_detection(loose, picture(3)), box, label=label, min_iou=0.9)
            assert fate.stage != stage and (fate.stage in said.then or "it is found" in said.then)
        else:
            assert step.name in ("deltas", "top-n", "anchors")


def test_numbers_that_are_no_settings():
    trace = trace_detection(network("faster", 1), picture(1))
    lost = missed_chain(trace, np.array([1.0, 1, 4, 4]), 1).steps[0]
    assert lost.name == "anchors" and lost.counterfactuals[0].setting == "IoU"
    assert lost.counterfactuals[0].now == pytest.approx(lost.numbers["best_iou"])
    box, label = trace.detections.boxes[0], int(trace.detections.labels[0])
    shown = missed_chain(trace, box, label, min_score=1.0).steps[0]
    assert shown.name == "shown" and shown.counterfactuals[0].other == 1.0
    assert f"{1 - trace.detections.scores[0]:.2g} higher" in shown.counterfactuals[0].text
    found = missed_chain(trace, box, label).steps[0]
    assert (found.name, found.counterfactuals) == ("found", ()) and "counts for another object" in found.text


def test_an_objectness_that_would_have_been_enough():
    tried = 0
    for seed in range(4):
        model = with_settings(network("C4", seed), STRICT)
        trace = trace_detection(model, picture(seed))
        for box, label in objects(trace, np.random.default_rng(seed), 20):
            for said in missed_chain(trace, box, label).steps[0].counterfactuals:
                if said.setting == "objectness":
                    limits = {np.sort(trace.anchors.objectness)[::-1][11], trace.proposals.scores[-1]}
                    assert np.float32(said.other) in limits and said.other > said.now
                    tried += 1
    assert tried > 5


def test_a_mask_that_would_fit_at_another_threshold():
    model, image = network("mask", 3), picture(3)
    trace = trace_detection(model, image)
    row = int(np.argmax(trace.detections.masks.sum(axis=(1, 2))))
    box, label = trace.detections.boxes[row], int(trace.detections.labels[row])
    truth = trace_detection(with_settings(model, {"roi.mask_threshold": 0.3}), image).detections.masks[row]
    chain = missed_chain(trace, box, label, mask=truth, min_iou=0.97)
    if chain.steps[0].name == "mask":
        said = chain.steps[0].counterfactuals
        assert any(0.2 < other.other < 0.5 for other in said)
    else:
        assert (truth != trace.detections.masks[row]).mean() < 0.03


def test_an_object_that_no_given_proposal_fits():
    trace = trace_detection(fast_network(1), picture(1), proposals=some_boxes(1))
    step = missed_chain(trace, np.array([1.0, 1, 4, 4]), 1).steps[0]
    assert step.name == "proposals" and "no proposal that came with the picture fits it" in step.text
    assert step.counterfactuals[0].setting == "IoU"
