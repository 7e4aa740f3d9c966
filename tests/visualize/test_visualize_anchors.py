"""The anchor report as bars."""

import numpy as np
import pytest
from drawing_checks import assert_legible, words

from tinymaskrcnn.train.anchor_report import AnchorReport
from tinymaskrcnn.visualize import coverage_figure

REPORT = [
    {"size": (8, 12), "objects": 0, "share_50": float("nan"), "share_70": float("nan")},
    {"size": (12, 16), "objects": 40, "share_50": 0.9, "share_70": 0.25},
    {"size": (16, np.inf), "objects": 3, "share_50": 1.0, "share_70": 0.0},
]


def test_bars_show_the_shares():
    figure = coverage_figure(REPORT)
    [ax] = figure.axes
    assert [bar.get_height() for bar in ax.patches] == [0.9, 1.0, 0.25, 0.0]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["12–16\n40 obj.", "16+\n3 obj."]  # empty bins are left out
    assert {"90%", "25%", "a fair anchor: IoU ≥ 0.5", "a good anchor: IoU ≥ 0.7"} <= set(words(figure))
    assert_legible(figure)


@pytest.mark.parametrize("bins", [1, 2, 14])
def test_any_number_of_bins_is_legible(bins):
    rows = [{"size": (8 * i, 8 * i + 8), "objects": 12345, "share_50": 1.0, "share_70": 1.0} for i in range(bins)]
    assert_legible(coverage_figure(rows))


def test_takes_the_report_of_the_training():
    report = AnchorReport(np.array([10.0, 20.0, 20.0, 1000.0]), np.array([0.8, 0.6, 0.75, 0.1]), good=0.7)
    [ax] = coverage_figure(report).axes
    assert [bar.get_height() for bar in ax.patches] == [1, 1, 0, 1, 0.5, 0]
    assert [t.get_text().split("\n")[0] for t in ax.get_xticklabels()] == ["8–12", "16–24", "512+"]


@pytest.mark.parametrize("report", [[], REPORT[:1], AnchorReport(np.zeros(0), np.zeros(0))])
def test_no_objects_are_said(report):
    assert words(coverage_figure(report)) == ["no anchor coverage: the scenes that were looked at hold no objects"]
