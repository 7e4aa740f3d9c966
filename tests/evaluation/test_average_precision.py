"""The precision-recall curve on cases worked out by hand, and the means over it."""

from dataclasses import replace

import numpy as np
import pytest

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.evaluation.average_precision import (
    IOU_THRESHOLDS,
    RECALL_THRESHOLDS,
    Evaluation,
    precision_recall,
)


def test_curve_of_three_detections():
    """Hit, miss, hit with two objects: precision 1 up to recall 1/2, then 2/3."""
    hit = np.array([[True], [False], [True]])
    precision, recall, reached = precision_recall(hit, ~hit, 2)
    assert recall.tolist() == [1.0]
    np.testing.assert_allclose(precision[:51, 0], 1)
    np.testing.assert_allclose(precision[51:, 0], 2 / 3)
    assert reached[[0, 50, 51, 100], 0].tolist() == [0, 0, 2, 2]


def test_recall_never_reached_has_precision_zero():
    hit = np.array([[True]])
    precision, recall, reached = precision_recall(hit, ~hit, 4)
    assert recall.tolist() == [0.25]
    assert (precision[RECALL_THRESHOLDS > 0.25] == 0).all() and (reached[RECALL_THRESHOLDS > 0.25] == 1).all()


def test_ignored_detections_change_nothing():
    hit = np.array([[False], [True], [False], [True]])
    miss = np.array([[False], [False], [True], [False]])
    with_ignored = precision_recall(hit, miss, 2)
    without = precision_recall(hit[1:], miss[1:], 2)
    assert (with_ignored[0] == without[0]).all() and (with_ignored[1] == without[1]).all()


def test_no_detection_means_zero():
    precision, recall, reached = precision_recall(np.zeros((0, 3), bool), np.zeros((0, 3), bool), 5)
    assert precision.shape == (101, 3) and not precision.any() and not recall.any() and not reached.any()


def small_evaluation():
    """Two classes, two area ranges, two numbers of detections; class 2 has no small object."""
    precision = np.full((10, 101, 2, 2, 2), 0.5)
    precision[0], precision[5], precision[:, :, 0] = 0.9, 0.7, 0.6
    recall = np.full((10, 2, 2, 2), 0.25)
    recall[..., 1] = 0.75
    precision[:, :, 1, 1], recall[:, 1, 1] = -1, -1
    return Evaluation(
        precision, recall, precision, np.array([[3, 1], [2, 0]]), {"all": (0, 9), "tiny": (0, 1)}, (1, 50), "bbox"
    )


def test_figures_average_what_is_defined():
    evaluation = small_evaluation()
    figures = evaluation.figures()
    assert list(figures) == ["AP", "AP50", "AP75", "APtiny", "AR1", "AR50", "ARtiny"]
    assert all(type(value) is float for value in figures.values())
    assert figures["AP"] == pytest.approx((0.6 + (0.9 + 0.7 + 8 * 0.5) / 10) / 2)
    assert figures["AP50"] == pytest.approx((0.6 + 0.9) / 2) and figures["AP75"] == pytest.approx((0.6 + 0.7) / 2)
    assert figures["APtiny"] == pytest.approx(0.6)
    assert figures["AR1"] == 0.25 and figures["AR50"] == 0.75
    assert evaluation.average_precision(label=2, iou=0.5) == pytest.approx(0.9)
    assert evaluation.average_precision(label=2, area="tiny") == -1
    assert evaluation.average_recall(label=1, iou=0.5, max_detections=1) == 0.25


def test_unknown_names_are_refused():
    evaluation = small_evaluation()
    with pytest.raises(ArgumentError, match="iou must be one of"):
        evaluation.average_precision(iou=0.52)
    with pytest.raises(ArgumentError, match=r"area must be one of \['all', 'tiny'\]; got 'huge'"):
        evaluation.average_precision(area="huge")
    with pytest.raises(ArgumentError, match=r"label must be in 1\.\.2; got 3"):
        evaluation.average_precision(label=3)


def test_classes_from_the_first_to_the_last():
    evaluation = small_evaluation()
    assert evaluation.average_precision(label=1, iou=0.5) == pytest.approx(0.6)
    assert evaluation.average_recall(label=2) == 0.75 and evaluation.average_recall(label=2, area="tiny") == -1
    for label in (0, 3, -1):
        for figure in (evaluation.average_precision, evaluation.average_recall):
            with pytest.raises(ArgumentError, match=rf"label must be in 1\.\.2; got {label}"):
                figure(label=label)


def test_a_recall_of_nothing_counts_and_one_threshold_is_chosen():
    evaluation = small_evaluation()
    evaluation.recall[5], evaluation.recall[:, 0, 0, 0] = 0.5, 0
    assert evaluation.average_recall(iou=0.75, label=2, max_detections=1) == 0.5
    assert evaluation.average_recall(iou=0.75) == 0.5
    assert evaluation.average_recall(max_detections=1, label=1) == 0


def test_figures_of_keypoints():
    evaluation = replace(small_evaluation(), iou_type="keypoints")
    evaluation.recall[0], evaluation.recall[5] = 0.1, 0.2
    figures = evaluation.figures()
    assert list(figures) == ["AP", "AP50", "AP75", "APtiny", "AR", "AR50", "AR75", "ARtiny"]
    assert figures["AR50"] == pytest.approx(0.1) and figures["AR75"] == pytest.approx(0.2)
    assert figures["AR"] == pytest.approx((0.1 + 0.2 + 8 * 0.75) / 10)


def test_the_thresholds_of_an_evaluation_are_its_own():
    first, second = small_evaluation(), small_evaluation()
    for name, constant in (("iou_thresholds", IOU_THRESHOLDS), ("recall_thresholds", RECALL_THRESHOLDS)):
        np.testing.assert_array_equal(getattr(first, name), constant)
        getattr(first, name)[:] = 7
        assert (getattr(second, name) == constant).all() and constant.max() <= 1
    np.testing.assert_allclose(IOU_THRESHOLDS, np.arange(50, 100, 5) / 100)
    np.testing.assert_allclose(RECALL_THRESHOLDS, np.arange(101) / 100)
