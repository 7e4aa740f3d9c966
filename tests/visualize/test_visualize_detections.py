"""Verdicts on hand-made cases, and a figure that shows and explains every one of them."""

from dataclasses import replace

import numpy as np
import pytest
from drawing_checks import assert_legible, words
from matplotlib.colors import to_hex

from tinymaskrcnn.errors import ShapeError
from tinymaskrcnn.structures import Detections, Target
from tinymaskrcnn.visualize import detections, detections_figure, draw_detections, draw_judged, draw_truth

NAMES = ("background", "zero", "one", "two")
IMAGE = np.full((64, 64, 1), 0.2, np.float32)


def masks_of(boxes):
    y, x = np.mgrid[:64, :64] + 0.5
    x1, y1, x2, y2 = (boxes[:, i, None, None] for i in range(4))
    return (x > x1) & (x < x2) & (y > y1) & (y < y2)


def truth_of(*objects, crowd=None):
    """Objects as (x1, y1, x2, y2, label)."""
    rows = np.array(objects, np.float32).reshape(-1, 5)
    return Target(rows[:, :4], rows[:, 4].astype(int), masks_of(rows), None if crowd is None else np.array(crowd))


def found_of(*objects):
    """Detections as (x1, y1, x2, y2, label, score)."""
    rows = np.array(objects, np.float32).reshape(-1, 6)
    return Detections(rows[:, :4], rows[:, 4].astype(int), rows[:, 5], masks_of(rows))


LEFT, RIGHT, LOW = (4, 6, 20, 30), (34, 6, 52, 30), (10, 40, 30, 60)


def test_every_verdict():
    truth = truth_of((*LEFT, 1), (*RIGHT, 2), (*LOW, 3))
    found = found_of((*LEFT, 1, 0.9), (*RIGHT, 3, 0.8), (40, 40, 60, 60, 1, 0.7), (*LEFT, 1, 0.6))
    verdicts, missed = detections.judge(truth, found)
    assert verdicts == ["right", "wrong class", "false", "false"]  # the last found the first object a second time
    assert missed.tolist() == [False, False, True]


def test_a_right_detection_comes_before_a_better_scored_wrong_one():
    verdicts, missed = detections.judge(truth_of((*LEFT, 1)), found_of((*LEFT, 2, 0.9), (*LEFT, 1, 0.6)))
    assert verdicts == ["false", "right"] and not missed.any()


def test_the_best_score_has_the_first_claim():
    moved = (LEFT[0] + 1, *LEFT[1:])
    verdicts, _ = detections.judge(truth_of((*LEFT, 1)), found_of((*LEFT, 1, 0.3), (*moved, 1, 0.8)))
    assert verdicts == ["false", "right"]


def test_a_box_that_hardly_overlaps_is_false_and_the_object_missed():
    verdicts, missed = detections.judge(truth_of((0, 0, 10, 10, 1)), found_of((5, 0, 15, 10, 1, 0.9)))
    assert verdicts == ["false"] and missed.all()


def test_crowds_are_not_judged():
    truth = truth_of((0, 0, 60, 60, 1), crowd=[True])
    verdicts, missed = detections.judge(truth, found_of((*LEFT, 1, 0.9), (*LOW, 2, 0.9)))
    assert verdicts == ["crowd", "false"] and not missed.any()


def test_nothing_at_all():
    verdicts, missed = detections.judge(truth_of(), found_of())
    assert verdicts == [] and missed.shape == (0,)


def colors_of(ax):
    return [to_hex(patch.get_edgecolor()).upper() for patch in ax.patches]


def test_marks_counts_and_hidden_scores():
    truth = truth_of((*LEFT, 1), (*RIGHT, 2))
    found = found_of((*LEFT, 1, 0.9), (*LOW, 3, 0.8), (*RIGHT, 2, 0.4))
    ax = draw_judged(IMAGE, truth, found, NAMES)
    assert ax.get_title(loc="left") == "1 right, 1 false, 1 missed"
    assert [t.get_text() for t in ax.texts] == ["zero  0.90", "two  0.80", "missed one"]
    assert colors_of(ax) == [detections.VERDICTS[v][0] for v in ("right", "false", "missed")]
    assert len({patch.get_linestyle() for patch in ax.patches}) == 3  # not by colour alone


def test_the_best_mask_lies_on_top():
    ax = draw_judged(IMAGE, truth_of((*LEFT, 1)), found_of((*LEFT, 1, 0.9), (*LEFT, 1, 0.6)), NAMES)
    assert to_hex(ax.images[1].get_array()[10, 10, :3]).upper() == detections.VERDICTS["right"][0]


def test_nothing_found_is_said_on_the_picture():
    texts = [t.get_text() for t in draw_detections(IMAGE, found_of(), NAMES).texts]
    assert texts == ["nothing found"]
    texts = [t.get_text() for t in draw_detections(IMAGE, found_of((*LEFT, 1, 0.31)), NAMES, min_score=0.5).texts]
    assert texts == ["nothing found: the best score, 0.31, is below 0.5"]
    assert [t.get_text() for t in draw_truth(IMAGE, truth_of(), NAMES).texts] == ["no objects in this image"]
    missed = draw_judged(IMAGE, truth_of((*LEFT, 1)), found_of((*LEFT, 1, 0.31)), NAMES)
    assert missed.get_xlabel() == "nothing found: the best score, 0.31, is below 0.5"
    assert [t.get_text() for t in missed.texts] == ["missed zero"]


def test_figure_explains_its_marks():
    truths = [truth_of((*LEFT, 1), (*RIGHT, 2)), truth_of(), truth_of((*LEFT, 1))]
    found = [found_of((*LEFT, 1, 0.9), (*RIGHT, 3, 0.8), (*LOW, 1, 0.7)), found_of(), found_of((*LEFT, 1, 0.2))]
    figure = detections_figure([IMAGE] * 3, truths, found, NAMES)
    assert_legible(figure)
    said = words(figure)
    for text in ("truth", "prediction, score ≥ 0.5", "1 right, 1 wrong class, 1 false", "1 missed", "2 objects"):
        assert text in said, text
    for start in ("truth:", "right:", "missed:", "wrong class:", "false:"):
        assert any(text.startswith(start) for text in said), start
    assert not any(text.startswith("in a crowd") for text in said)
    assert len(figure.axes) == 6
    legend = figure.legends[0].get_window_extent()
    assert not any(ax.get_tightbbox().overlaps(legend) for ax in figure.axes)


@pytest.mark.parametrize("shape", [(20, 150, 1), (150, 40, 3), (1, 1, 1)])
def test_odd_pictures_are_legible(shape):
    H, W = shape[:2]
    truth = Target(np.array([[0, 0, W, H]], np.float32), np.array([2]), np.ones((1, H, W), bool), np.array([True]))
    found = Detections(truth.boxes, truth.labels, np.array([0.7], np.float32), truth.masks)
    figure = detections_figure([np.ones(shape, np.float32)], [truth], [found], NAMES)
    assert_legible(figure)
    assert "in a crowd region: not judged" in words(figure)


def test_rows_are_limited():
    pairs = [truth_of((*LEFT, 1))] * 5, [found_of((*LEFT, 1, 0.9))] * 5
    assert len(detections_figure([IMAGE] * 5, *pairs, NAMES, max_rows=2).axes) == 4
    figure = detections_figure([IMAGE] * 5, None, pairs[1], NAMES, max_rows=2)
    assert len(figure.axes) == 4 and words(figure).count("1 object found") == 4


def test_predictions_alone_show_what_the_caller_chose():
    figure = detections_figure([IMAGE], None, [found_of((*LEFT, 1, 0.2))], NAMES)
    assert "zero  0.20" in words(figure)
    assert_legible(figure)


def test_detections_without_masks_and_without_names():
    found = replace(found_of((*LEFT, 1, 0.9)), masks=None)
    ax = draw_detections(IMAGE, found)
    assert len(ax.images) == 1 and [t.get_text() for t in ax.texts] == ["1  0.90"]
    assert draw_judged(IMAGE, truth_of((*LEFT, 1)), found).get_title(loc="left") == "1 right"


def test_inputs_are_left_alone():
    truth, found = truth_of((*LEFT, 1)), found_of((*LEFT, 1, 0.2), (*RIGHT, 2, 0.9))
    for array in (IMAGE, truth.boxes, truth.labels, truth.masks, found.boxes, found.labels, found.scores, found.masks):
        array.setflags(write=False)
    detections_figure([IMAGE], [truth], [found], NAMES)


def test_no_images_and_wrong_counts():
    assert words(detections_figure([], [], [])) == ["there are no images to show"]
    with pytest.raises(ShapeError, match="2 images came with 1 truths"):
        detections_figure([IMAGE] * 2, [truth_of()], [found_of()] * 2)
    with pytest.raises(ShapeError, match="1 images came with 0 detections"):
        detections_figure([IMAGE], None, [])


def test_keypoints_are_marked_where_they_are():
    image = np.zeros((40, 60, 3), np.float32)
    points = np.array([[[10, 12, 3.0], [20, 22, 1.0]]], np.float32)
    found = Detections(np.array([[5, 5, 30, 30]], np.float32), np.array([1]), np.array([0.9]), None, points)
    ax = draw_detections(image, found)
    [marks] = [line for line in ax.get_lines() if line.get_marker() == "o"]
    np.testing.assert_array_equal(marks.get_xydata(), points[0, :, :2])


def test_keypoints_beside_the_truth():
    """What is annotated as there, and all that was predicted; the same for objects without masks."""
    points = np.array([[[10, 12, 2], [16, 18, 1], [0, 0, 0]]], np.float32)
    truth = replace(truth_of((*LEFT, 1)), masks=None, keypoints=points)
    found = replace(found_of((*LEFT, 1, 0.9)), masks=None, keypoints=points + 1)
    figure = detections_figure([IMAGE], [truth], [found], NAMES)
    marks = [[line.get_xydata() for line in ax.get_lines() if line.get_marker() == "o"] for ax in figure.axes]
    np.testing.assert_array_equal(marks[0], [points[0, :2, :2]])
    np.testing.assert_array_equal(marks[1], [points[0, :, :2] + 1])
    assert_legible(figure)


def test_truth_without_masks():
    ax = draw_truth(IMAGE, replace(truth_of((*LEFT, 1), (*RIGHT, 2)), masks=None), NAMES)
    assert len(ax.images) == 1 and [t.get_text() for t in ax.texts] == ["zero", "one"]
    assert len(draw_truth(IMAGE, replace(truth_of(), masks=None)).images) == 1


def test_the_name_of_the_only_class_is_not_written_on_every_object():
    truth, found = truth_of((*LEFT, 1), (*RIGHT, 1)), found_of((*LEFT, 1, 0.9))
    only = ("background", "nucleus")
    assert [t.get_text() for t in draw_judged(IMAGE, truth, found, only).texts] == ["0.90", "missed"]
    assert len(draw_truth(IMAGE, truth, only).texts) == 0
