"""What would become of a detection is what a network built with the other number finds."""

import re

import numpy as np
import pytest
from explain.explained import detected, network, picture, with_settings

from tinymaskrcnn.explain.after import after_removal, after_settings, best_there
from tinymaskrcnn.explain.detection_steps import detection_steps
from tinymaskrcnn.explain.proposal_steps import proposal_steps
from tinymaskrcnn.explain.trace import trace_detection
from tinymaskrcnn.ops.boxes import iou_matrix
from tinymaskrcnn.structures import Detections


@pytest.mark.parametrize("kind", ["faster", "RoIPool"])
def test_what_is_said_is_what_is_found(kind):
    outcomes = {}
    for seed in range(4):
        model, image = network(kind, seed), picture(seed)
        trace = trace_detection(model, image)
        for row in range(len(trace.detections))[:3]:
            steps = [*proposal_steps(trace, row), *detection_steps(trace, row)]
            for said in (other for step in steps for other in step.counterfactuals):
                if said.then and "." in said.setting:
                    found = detected(with_settings(model, {said.setting: said.other}), image)
                    outcome = check(said.then, trace, row, found)
                    outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert outcomes["gone"] > 2 and outcomes["there"] > 2, outcomes


def check(then, trace, row, found):
    """Hold a sentence to the detections of the other network; which kind of sentence it was."""
    iou = iou_matrix(found.boxes, trace.detections.boxes[row][None])[:, 0]
    same = np.isclose(found.boxes, trace.detections.boxes[row], atol=1e-3).all(axis=1)
    same &= found.labels == trace.detections.labels[row]
    if then.startswith("it stays"):
        assert same.any()
        return "stays"
    assert not same.any()
    if then == "it is gone":
        assert (iou < 0.5).all()
        return "gone"
    name, score, share = re.fullmatch(r"(\w+) ([\d.]+) stands there, IoU ([\d.]+)", then).groups()
    labels = found.labels == trace.config.class_names.index(name)
    there = labels & (abs(found.scores - float(score)) < 0.0051) & (abs(iou - float(share)) < 0.0051)
    assert there.any() and (iou[there] >= 0.5 - 1e-5).all()
    return "there"


def test_nothing_changes_when_nothing_is_changed():
    trace = trace_detection(network("faster", 3), picture(3))
    assert after_settings(trace, 0, {}) == "it stays, the best"
    assert after_settings(trace, 2, {}) == "it stays, number 3"
    assert "stays" not in after_removal(trace, 0, trace.proposals.anchor[trace.origins[0]])


def test_one_of_the_same_class_goes_before_others():
    box = np.array([0, 0, 10, 10], np.float32)
    found = Detections(np.array([box, box + [0, 0, 0, 2]], np.float32), np.array([2, 1]), np.array([0.9, 0.8]))
    assert best_there(found, box, 1) == (1, pytest.approx(1 / 1.2))
    assert best_there(found, box, 2) == (0, 1.0)
    assert best_there(found, box + 40, 1) is None
