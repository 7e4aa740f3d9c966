"""What a detection is worth: hand-made cases of every kind, and drawn ones against plain loops."""

import numpy as np
import pytest
from explain.explained import goes_on, network, picture, with_settings

from tinymaskrcnn.explain.trace import trace_detection
from tinymaskrcnn.explain.verdicts import KINDS, judge_detections, verdict_step
from tinymaskrcnn.ops.boxes import iou_matrix
from tinymaskrcnn.structures import Detections, Target

OBJECT, OTHER = (10, 10, 30, 30), (50, 10, 70, 30)
NEAR, HALF, FAR = (10, 10, 30, 28), (10, 10, 30, 18), (80, 80, 90, 90)  # IoU 0.9, 0.4 and 0


def judged(*found, masks=None, crowd=None):
    """Kinds of detections (box, label), best first, beside an object of class 1 and one of class 2."""
    boxes, labels = np.array([box for box, _ in found], np.float32), np.array([label for _, label in found])
    scores = np.linspace(0.9, 0.5, len(found)).astype(np.float32)
    truths = np.zeros((2, 100, 100), bool)
    truths[0, 10:30, 10:30] = truths[1, 10:30, 50:70] = True
    target = Target(np.array([OBJECT, OTHER], np.float32), np.array([1, 2]), truths, crowd)
    verdicts, met = judge_detections(Detections(boxes, labels, scores, masks), target)
    return verdicts, met.tolist()


@pytest.mark.parametrize(
    ("found", "kinds", "met"),
    [
        ([(NEAR, 1), (OTHER, 2)], ["right", "right"], [True, True]),
        ([(NEAR, 1), (OBJECT, 1)], ["right", "duplicate"], [True, False]),
        ([(NEAR, 2)], ["wrong class"], [False, False]),
        ([(HALF, 1)], ["poor box"], [False, False]),
        ([(HALF, 2)], ["wrong class, poor box"], [False, False]),
        ([(FAR, 1), (OBJECT, 1)], ["background", "right"], [True, False]),
    ],
)
def test_kinds(found, kinds, met):
    verdicts, found_objects = judged(*found)
    assert [verdict.kind for verdict in verdicts] == kinds and found_objects == met
    assert set(kinds) <= set(KINDS)


def test_a_duplicate_knows_its_better_and_every_verdict_its_object():
    verdicts, _ = judged((FAR, 1), (NEAR, 1), (OBJECT, 1), (OTHER, 1))
    assert (verdicts[2].better, verdicts[2].object) == (1, 0)
    assert (verdicts[0].object, verdicts[3].object) == (None, 1)
    assert verdicts[1].iou == pytest.approx(0.9)


def test_a_mask_that_does_not_fit_though_its_box_does():
    masks = np.zeros((1, 100, 100), bool)
    masks[0, 10:18, 10:30] = True
    verdicts, met = judged((OBJECT, 1), masks=masks)
    assert verdicts[0].kind == "poor mask" and verdicts[0].mask_iou == pytest.approx(0.4) and met == [True, False]


def test_what_lies_in_a_crowd_counts_for_nothing():
    verdicts, met = judged((HALF, 1), (HALF, 2), crowd=np.array([True, False]))
    assert [verdict.kind for verdict in verdicts] == ["crowd", "background"] and met == [True, False]


@pytest.mark.parametrize("seed", range(12))
def test_drawn_cases_against_plain_loops(seed):
    rng = np.random.default_rng(seed)
    truths = some(rng, 5)
    found = np.concatenate([truths[rng.integers(0, 5, 8)] + rng.uniform(-9, 9, (8, 4)), some(rng, 3)])
    labels, own = rng.integers(1, 3, 5), rng.integers(1, 3, 11)
    scores = np.sort(rng.random(11))[::-1].astype(np.float32)
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
    target = Target(truths.astype(np.float32), labels)
    verdicts, met = judge_detections(Detections(found.astype(np.float32), own, scores), target)
    iou, free, kinds = iou_matrix(found, truths), set(range(5)), []
    for k in range(11):
        fits = [m for m in free if iou[k, m] >= 0.5 and labels[m] == own[k]]
        if fits:
            free.remove(max(fits, key=lambda m: iou[k, m]))
            kinds.append("right")
            continue
        ours = max((iou[k, m] for m in range(5) if labels[m] == own[k]), default=0)
        others = max((iou[k, m] for m in range(5) if labels[m] != own[k]), default=0)
        rules = ("poor box", 0.1 <= ours < 0.5), ("wrong class", others >= 0.5), ("duplicate", ours >= 0.5)
        rules += ("background", max(ours, others) < 0.1), ("wrong class, poor box", True)
        kinds.append(next(kind for kind, holds in rules if holds))
    assert [verdict.kind for verdict in verdicts] == kinds
    assert [m for m in range(5) if not met[m]] == sorted(free)


def some(rng, count):
    corner = rng.uniform(0, 60, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(10, 30, (count, 2))], axis=1)


MUCH = {"rpn.nms_iou": 0.9, "rpn.post_nms_top_n": 20, "roi.nms_iou": 0.8}  # is found, and the same twice


def test_the_number_of_a_false_detection_decides_on_either_side_as_it_says():
    """Objects lie where the network finds things, so that it makes every kind of mistake."""
    kinds = {}
    for seed in range(8):
        model, image = with_settings(network("faster", seed), MUCH), picture(seed)
        trace = trace_detection(model, image)
        found, rng = trace.detections, np.random.default_rng(seed)
        rows = rng.permutation(len(found))[:2]
        labels = np.where(rng.random(len(rows)) < 0.8, found.labels[rows], 3 - found.labels[rows])
        target = Target(found.boxes[rows], labels)
        for k, verdict in enumerate(judge_detections(found, target)[0]):
            step = verdict_step(trace, k, verdict, target, min_iou=0.5)
            assert step.text.startswith(verdict.kind) and step.numbers["kind"] == verdict.kind
            for said in step.counterfactuals:
                if "." in said.setting and kinds.get((verdict.kind, said.setting), 0) < 4:
                    assert goes_on(model, image, trace, k, said.setting, said.same)
                    assert not goes_on(model, image, trace, k, said.setting, said.other)
                    kinds[verdict.kind, said.setting] = kinds.get((verdict.kind, said.setting), 0) + 1
    assert {"background", "poor box", "wrong class", "duplicate"} <= {kind for kind, _ in kinds}
    assert ("duplicate", "roi.nms_iou") in kinds
