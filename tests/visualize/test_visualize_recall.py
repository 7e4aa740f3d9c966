"""Recall against the number of proposals, and the best proposal of each object."""

import numpy as np
from drawing_checks import assert_legible, words
from visualize.test_visualize_detections import IMAGE, truth_of

from tinymaskrcnn.data.proposals.recall import RecallReport, recall_report
from tinymaskrcnn.visualize import draw_best, recall_figure

BEST = np.array([[0.2, 0.1, 0.6], [0.4, 0.55, 0.6], [0.9, 0.8, 0.75]])
RECALL = RecallReport(BEST, np.array([1, 1, 2]), (1, 10, 100), 2, 81.5)


def test_the_curves_are_those_of_the_report():
    figure = recall_figure(RECALL)
    [ax] = figure.axes
    curves = {line.get_label(): line.get_xydata() for line in ax.lines}
    assert set(curves) == {"recall at IoU 0.5", "recall at IoU 0.7", "MABO"}
    for name, values in (("recall at IoU 0.5", RECALL.recall(0.5)), ("MABO", RECALL.mabo())):
        np.testing.assert_allclose(curves[name], np.stack([RECALL.counts, values], axis=1))
    assert "3 objects of 2 pictures" in words(figure) and ax.get_xscale() == "log"
    assert_legible(figure)


def test_each_object_has_its_best_proposal():
    boxes = np.array([[2, 2, 10, 10], [3, 3, 11, 11], [20, 12, 30, 20]], np.float32)
    truth = truth_of((2, 2, 10, 10, 1), (20, 12, 30, 18, 2))
    figure = recall_figure(RECALL, IMAGE, truth, boxes)
    assert len(figure.axes) == 2 and {"1.00", "0.75", "the best of 3 proposals"} <= set(words(figure))
    assert {"object", "best proposal, its IoU"} <= set(words(figure))
    assert_legible(figure)
    rectangles = [patch.get_bbox().extents.tolist() for patch in figure.axes[1].patches]
    assert [2, 2, 10, 10] in rectangles[2:] and [20, 12, 30, 20] in rectangles[2:] and len(rectangles) == 4


def test_nothing_to_cover_and_nothing_proposed():
    assert words(recall_figure(recall_report([], []))) == [
        "no recall: the pictures that were looked at hold no objects"
    ]
    ax = draw_best(IMAGE, truth_of((2, 2, 10, 10, 1)), np.zeros((0, 4)))
    assert len(ax.patches) == 1 and ax.get_title() == "the best of 0 proposals"
