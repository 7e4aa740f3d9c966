"""One object for a whole picture: every detection, every miss, and where everything ended."""

import hypothesis
import numpy as np
import pytest
from drawn_examples import examples
from explain.explained import KINDS, detected, fast_network, goes_on, network, picture, some_boxes, with_settings
from hypothesis import strategies as st

from tinymaskrcnn.config import SceneConfig
from tinymaskrcnn.data import SceneStream
from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.explain.explanation import explain
from tinymaskrcnn.structures import Target
from tinymaskrcnn.zoo import load_tour_detector

DECIDED = ("rpn.pre_nms_top_n", "rpn.min_size", "rpn.nms_iou", "rpn.post_nms_top_n")
DECIDED += ("roi.score_threshold", "roi.min_size", "roi.nms_iou", "roi.detections_per_image")


def two_boxes():
    return Target(some_boxes(1, 2, size=(22, 22)), np.array([1, 2]))


def some_truth(found, seed=0):
    """Objects where something was found and where nothing was."""
    rows = np.random.default_rng(seed).permutation(len(found))[:2]
    boxes = np.concatenate([found.boxes[rows], np.array([[1, 1, 4, 4]], np.float32)])
    masks = None if found.masks is None else np.zeros((3, 50, 64), bool)
    if masks is not None:
        masks[:2], masks[2, 1:4, 1:4] = found.masks[rows], True
    return Target(boxes, np.append(found.labels[rows], 1), masks)


@pytest.mark.in_turn
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_tells_every_stage(kind):
    model = next(net for seed in range(3, 20) if len(explain(net := network(kind, seed), picture(3))) > 2)
    image = picture(3)
    found = explain(model, image).trace.detections
    told = explain(model, image, some_truth(found), min_score=float(found.scores[min(4, len(found) - 1)]))
    chain = told.chain(0)
    names = ["verdict", "anchor", "objectness", "deltas", "RPN NMS", "proposals", "level", "grid", "class"]
    names += ["box deltas", "final NMS", "detections"]
    names += [{"mask": "mask", "keypoint": "keypoints"}[head] for head in model.config.heads[1:]]
    assert [step.name for step in chain.steps] == names
    assert len(told) == (found.scores >= told.min_score).sum() == len(told.verdicts)
    assert 2 in told.missed and str(told).count("\n") >= len(told)
    assert all(step.text and "\n" not in step.text for step in chain.steps)
    assert len(told.chains()) == len(told) + len(told.missed)
    assert told.chain(0) is chain


def test_without_truth_nothing_is_judged():
    told = explain(network("mask", 3), picture(3))
    assert told.verdicts is None and told.missed is None
    assert [step.name for step in told.chain(0).steps][0] == "anchor"


def test_fast_rcnn_begins_with_what_it_was_given():
    told = explain(fast_network(1), picture(1), proposals=some_boxes(1))
    names = [step.name for step in told.chain(0).steps]
    assert names[:3] == ["proposal", "level", "grid"] and str(told).startswith("12 proposals -> ")


def test_other_settings_from_the_same_look():
    model, image = network("mask", 3), picture(3)
    told = explain(model, image).what_if({"roi.nms_iou": 0.2})
    wanted = explain(with_settings(model, {"roi.nms_iou": 0.2}), image)
    assert [str(chain) for chain in told.chains()] == [str(chain) for chain in wanted.chains()]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"roi.score_threshold": 1.0}, "no class of any proposal gets more than roi.score_threshold 1; the best is"),
        ({"roi.min_size": 1e4}, "every box whose class is likely is smaller than roi.min_size"),
        ({"rpn.min_size": 1e4}, "no candidate survived the RPN's NMS: all boxes were smaller than rpn.min_size"),
    ],
)
def test_without_a_detection_it_says_at_which_stage_all_ended(settings, said):
    told = explain(with_settings(network("mask", 3), settings), picture(3), two_boxes())
    assert len(told) == 0 and f"nothing is found: {said}" in str(told) and told.missed == [0, 1]
    assert str(told).count("missed: ") == 2


def test_detections_that_are_not_sure_enough():
    told = explain(network("mask", 3), picture(3), min_score=1.0)
    best = told.trace.detections.scores[0]
    assert f"nothing is found: the best detection has {best:.3g}, below 1; it is {1 - best:.2g} short" in str(told)


def test_the_stages_end_with_as_many_as_are_told():
    model, image = network("mask", 3), picture(3)
    scores = explain(model, image).trace.detections.scores
    assert len(scores) > 2 and scores[1] > scores[2]
    told = explain(model, image, min_score=float(scores[1]))
    ends = f"{len(scores)} detections, 2 of them from a score of {scores[1]:g} on"
    assert " ".join(told.stages().split()).endswith(ends)
    assert explain(model, image).stages().endswith(f"{len(scores)} detections")


def test_what_cannot_be_explained_is_said():
    model, image = network("mask", 3), picture(3)
    told = explain(model, image, two_boxes())
    for k in (-1, len(told)):
        with pytest.raises(ArgumentError, match=f"chain: there is no detection {k}; {len(told)} detections"):
            told.chain(k)
    with pytest.raises(ArgumentError, match="object 7 is not one that was missed"):
        told.missed_chain(7)
    with pytest.raises(ArgumentError, match=r"model\.eval\(\)"):
        explain(network("mask", 3).train(), image)
    with pytest.raises(ArgumentError, match="lies outside the image"):
        explain(model, image, Target(some_boxes(1, 2) + 60, np.array([1, 2])))
    with pytest.raises(ShapeError):
        explain(model, image[:, :, 0])


@pytest.mark.long
@hypothesis.given(kind=st.sampled_from(list(KINDS)), seed=st.integers(0, 10**6), row=st.integers(0, 19))
@examples(40)
def test_the_numbers_of_every_kind_decide_on_either_side_as_they_say(kind, seed, row):
    """Each number of a drawn detection's chain is given to the network, and so is the next one."""
    model, image = network(kind, seed), picture(seed)
    told = explain(model, image)
    hypothesis.assume(len(told))
    tried = [said for said in told.chain(row % len(told)).counterfactuals if said.setting in DECIDED]
    for said in tried:
        row_of = (model, image, told.trace, row % len(told), said.setting)
        assert goes_on(*row_of, said.same) and not goes_on(*row_of, said.other), said
        hypothesis.event(said.setting)
    assert tried


@pytest.mark.long
def test_a_trained_detector_is_explained_on_two_hundred_scenes():
    """Every trace ends in the bits of detect, and the first number of each NMS is tried on both sides."""
    model, tried = load_tour_detector(), 0
    stream = SceneStream(SceneConfig(), split="test", seed=0, batch_size=8)
    for i in range(200):
        image, truth = stream.scene(i)
        told, found = explain(model, image, truth), detected(model, image)
        for part in ("boxes", "labels", "scores", "masks"):
            np.testing.assert_array_equal(getattr(told.trace.detections, part), getattr(found, part))
        if len(told) and tried < 100:
            row = i % len(told)
            for said in told.chain(row).counterfactuals:
                if said.setting in ("rpn.nms_iou", "roi.nms_iou", "rpn.post_nms_top_n", "roi.score_threshold"):
                    assert goes_on(model, image, told.trace, row, said.setting, said.same)
                    assert not goes_on(model, image, told.trace, row, said.setting, said.other)
                    tried += 1
    assert tried >= 100
