"""Comparing detections: partners, tolerances, and words."""

import sys

import numpy as np
import pytest

from tinymaskrcnn.errors import ArgumentError, ConfigError
from tinymaskrcnn.interop.onnx_check import Differences, compare_detections, open_session, require_equal
from tinymaskrcnn.structures import Detections


def found(order=(0, 1, 2), *, shift=0.0, scores=0.0, labels=(1, 2, 1), keypoints=False):
    """Three detections in some order, and the same as onnxruntime would return them."""
    rows = list(order)
    boxes = np.float32([[0, 0, 10, 10], [0, 0, 10, 10], [20, 20, 30, 40]])[rows] + np.float32(shift)
    masks = np.zeros((3, 50, 50), bool)
    masks[2, 20:40, 20:30] = True
    places = np.tile(boxes[:, None, :3], (1, 5, 1)) if keypoints else None
    values = np.float32([0.9, 0.8, 0.8])[rows] + np.float32(scores)
    return Detections(boxes, np.array(labels)[rows], values, masks[rows], places)


def asked(detections):
    return {name: getattr(detections, name) for name in ("boxes", "labels", "scores", "masks", "keypoints")}


def test_equal_detections_in_another_order():
    differences = compare_detections(found(keypoints=True), asked(found((2, 0, 1), keypoints=True)))
    assert differences == Differences(pictures=1, detections=3, keypoints=15) and not differences
    assert require_equal(differences) is differences


@pytest.mark.parametrize(
    "changed, what",
    [
        (found(shift=0.02), {"boxes": 0.02}),
        (found(scores=-0.01), {"scores": 0.01}),
        (found((0, 1)), {"unpaired": 1}),
        (found(()), {"unpaired": 3}),
        (found(labels=(1, 1, 1)), {"unpaired": 2}),
        (found(shift=2.0), {"unpaired": 6}),
    ],
)
def test_what_differs_is_measured(changed, what):
    for here, there in ((found(), changed), (changed, found())):
        differences = compare_detections(here, asked(there))
        assert differences
        for name, value in what.items():
            assert getattr(differences, name) == pytest.approx(value, rel=1e-4)
        with pytest.raises(ArgumentError, match="the ONNX model and this one disagree: 1 pictures"):
            require_equal(differences)


def test_masks_count_as_share_of_the_picture():
    there = asked(found())
    there["masks"] = there["masks"].copy()
    there["masks"][1, 0, :3] = True
    differences = compare_detections(found(), there)
    assert differences.masks == 3 / 2500 and differences
    there["masks"][1, 0, :1] = False
    assert not compare_detections(found(), there)


def test_one_keypoint_may_jump_and_two_may_not():
    there = asked(found(keypoints=True))
    there["keypoints"] = there["keypoints"].copy()
    there["keypoints"][1, 3, 0] += 1
    assert not compare_detections(found(keypoints=True), there)
    there["keypoints"][0, 0, 1] += 0.02
    differences = compare_detections(found(keypoints=True), there)
    assert differences and "2 of 15 keypoints elsewhere" in str(differences)


def test_pictures_add_up():
    a = Differences(pictures=1, detections=2, boxes=0.5, scores=0.1)
    total = a.join(Differences(pictures=3, detections=4, unpaired=1, boxes=0.2, masks=0.3))
    assert total == Differences(pictures=4, detections=6, unpaired=1, boxes=0.5, scores=0.1, masks=0.3)


def test_without_onnxruntime_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"pip install 'tinymaskrcnn\[onnx\]'"):
        open_session(b"")


@pytest.mark.parametrize(
    "name, allowed, above",
    [("boxes", 1e-2, 1.01e-2), ("scores", 1e-4, 1.01e-4), ("masks", 1e-3, 1.01e-3), ("unpaired", 0, 1)],
)
def test_a_tolerance_is_allowed_and_no_more(name, allowed, above):
    assert not Differences(**{name: allowed}) and Differences(**{name: above})
    assert not Differences(pictures=9, detections=9, keypoints=9)


@pytest.mark.parametrize("keypoints, moved", [(0, 1), (15, 1), (100, 1), (200, 2), (300, 3)])
def test_one_keypoint_in_a_hundred_may_jump_and_always_one(keypoints, moved):
    assert not Differences(keypoints=keypoints, moved=moved) and Differences(keypoints=keypoints, moved=moved + 1)


def test_every_count_is_added_and_every_difference_kept():
    one = Differences(1, 2, 3, 4, 5, 0.5, 0.1, 0.2)
    other = Differences(10, 20, 30, 40, 50, 0.2, 0.4, 0.1)
    assert one.join(other) == other.join(one) == Differences(11, 22, 33, 44, 55, 0.5, 0.4, 0.2)
    assert one.join(Differences()) == one


def test_what_differs_is_said():
    text = str(Differences(pictures=2, detections=7, unpaired=1, boxes=0.5, scores=0.02, masks=0.003))
    assert text == (
        "2 pictures, 7 detections, 1 without a partner; largest differences: boxes 5.0e-01 px (allowed 1e-02), "
        "scores 2.0e-02 (1e-04), masks 3.0e-03 of the pixels (1e-03)"
    )
    assert str(Differences(keypoints=9, moved=2)).endswith("; 2 of 9 keypoints elsewhere")


def test_partners_have_one_label_are_near_and_free():
    """At most a pixel away in each coordinate, the nearest first, each only once."""
    here = found()
    for side in range(4):
        for shift, unpaired in ((1.0, 0), (-1.0, 0), (1.01, 2), (-1.01, 2)):
            there = asked(found())
            there["boxes"] = there["boxes"].copy()
            there["boxes"][2, side] += np.float32(shift)
            differences = compare_detections(here, there)
            assert differences.unpaired == unpaired
            assert differences.boxes == (pytest.approx(1.0) if unpaired == 0 else 0)
    double = found((0, 0, 2), labels=(1, 1, 1))
    assert compare_detections(double, asked(found((0, 2), labels=(1, 1, 1)))).unpaired == 1
    near = asked(found((0, 0), labels=(1, 1, 1)))
    near["boxes"] = near["boxes"] + np.float32([[0.5], [0.001]])
    assert compare_detections(found((0,)), near).boxes == pytest.approx(0.001, rel=1e-3)


def test_types_of_what_is_measured():
    differences = compare_detections(found(keypoints=True), asked(found(keypoints=True)))
    for field in vars(differences):
        assert type(getattr(differences, field)) in (int, float), field
    nothing = compare_detections(found((), keypoints=True), asked(found((), keypoints=True)))
    assert nothing == Differences(pictures=1)
    boxes_only = found()
    bare = Detections(boxes_only.boxes, boxes_only.labels, boxes_only.scores)
    assert compare_detections(bare, asked(bare)) == Differences(pictures=1, detections=3)


def test_each_keypoint_is_measured_in_both_directions_and_not_by_its_score():
    for place, moved in ((0, 1), (1, 1), (2, 0)):
        there = asked(found(keypoints=True))
        there["keypoints"] = there["keypoints"].copy()
        there["keypoints"][2, 4, place] -= 0.02
        assert compare_detections(found(keypoints=True), there).moved == moved
