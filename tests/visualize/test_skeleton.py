"""Limbs are known by the names of their ends; what is hidden has a hole, what is absent is not drawn."""

from dataclasses import replace

import numpy as np

from tinymaskrcnn.data.figures import JOINTS
from tinymaskrcnn.data.scenes import EXTREME_POINTS
from tinymaskrcnn.structures import Detections, Target
from tinymaskrcnn.visualize import detections_figure, draw_detections, draw_judged, draw_truth, style
from tinymaskrcnn.visualize.skeleton import draw_keypoints, limbs

PERSON = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow"),
    *("right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle"),
    "right_ankle",
)
NAMES = ("head", "left_shoulder", "left_elbow", "nose ring")
IMAGE = np.zeros((40, 60, 1), np.float32)


def other_side(name):
    return name.replace("left", "@").replace("right", "left").replace("@", "right")


def named(names):
    return {(names[a], names[b]) for a, b in limbs(names)}


def test_known_limbs():
    figure, person = named(JOINTS), named(PERSON)
    assert len(figure) == 14 and len(person) == 16
    assert ("left_elbow", "left_hand") in figure and ("left_elbow", "left_wrist") in person
    for names, pairs in ((JOINTS, figure), (PERSON, person)):
        assert {name for pair in pairs for name in pair} == set(names)  # nothing hangs in the air
        mirrored = {frozenset(map(other_side, pair)) for pair in pairs}
        assert mirrored == set(map(frozenset, pairs))
    assert limbs(()) == limbs(EXTREME_POINTS) == []
    assert limbs(NAMES) == [(0, 1), (1, 2)]


def parts(ax):
    """The lines between dots, the dots, and the holes in them."""
    lines = {marker: [x.get_xydata().tolist() for x in ax.get_lines() if x.get_marker() == marker] for marker in "o."}
    return [x.get_xydata().tolist() for x in ax.get_lines() if x.get_marker() == "None"], lines["o"], lines["."]


def test_limbs_dots_and_holes():
    points = np.array([[[10, 10, 2], [12, 20, 1], [30, 25, 0], [40, 30, 2]]], np.float32)
    ax = style.new_figure(3, 3).add_subplot()
    draw_keypoints(points, ax=ax, colors=["red"], names=NAMES, labelled=True)
    drawn, dots, holes = parts(ax)
    assert drawn == [[[10, 10], [12, 20]]]  # the elbow is not there
    assert dots == [[[10, 10], [12, 20], [40, 30]]] and holes == [[[12, 20]]]
    ax = style.new_figure(3, 3).add_subplot()
    draw_keypoints(points, ax=ax, colors=["red"], names=NAMES)  # found: the third number is a score
    drawn, dots, holes = parts(ax)
    assert len(drawn) == 2 and len(dots[0]) == 4 and not holes
    ax = style.new_figure(3, 3).add_subplot()
    draw_keypoints(points, ax=ax, colors=["red"], names=NAMES[:3])  # of other keypoints than these
    draw_keypoints(None, ax=ax, colors=[])
    assert not parts(ax)[0]


def test_every_picture_of_objects_draws_them():
    box, label = np.array([[5, 5, 45, 35]], np.float32), np.array([1])
    points = np.array([[[10, 10, 2], [12, 20, 1], [30, 25, 2], [40, 30, 2]]], np.float32)
    truth, found = Target(box, label, keypoints=points), Detections(box, label, np.array([0.9]), None, points)
    names = {"keypoint_names": NAMES}
    assert len(parts(draw_truth(IMAGE, truth, **names))[0]) == 2 and not parts(draw_truth(IMAGE, truth))[0]
    assert len(parts(draw_detections(IMAGE, found, **names))[0]) == 2
    assert len(parts(draw_judged(IMAGE, truth, found, **names))[0]) == 2
    figure = detections_figure([IMAGE], [truth], [found], **names)
    assert [len(parts(ax)[0]) for ax in figure.axes] == [2, 2]
    assert len(parts(detections_figure([IMAGE], None, [found], **names).axes[0])[0]) == 2


def test_a_mask_with_a_score_of_its_own_has_it_in_the_caption():
    found = Detections(np.array([[5, 5, 45, 35]], np.float32), np.array([1]), np.array([0.9]))
    assert [t.get_text() for t in draw_detections(IMAGE, found, ("background", "cat", "dog")).texts] == ["cat  0.90"]
    scored = replace(found, mask_scores=np.array([0.75]))
    [text] = [t.get_text() for t in draw_detections(IMAGE, scored, ("background", "cat", "dog")).texts]
    assert text == "cat  0.90 | 0.75"
