"""Every recorded number gets its panel; curves show what was evaluated."""

import numpy as np
import pytest
from drawing_checks import assert_legible, words

from tinymaskrcnn.evaluation.average_precision import Evaluation
from tinymaskrcnn.visualize import curves, curves_figure, draw_precision_recall, precision_recall_figure, style

LOSSES = ("rpn_objectness", "rpn_box", "box_class", "box_delta", "mask")


def rows_of(count):
    rng = np.random.default_rng(0)
    rows = []
    for step in range(1, count + 1):
        losses = {name: float(np.exp(-step / 50) * rng.lognormal(0, 0.3)) for name in LOSSES}
        rest = {"gradient_norm": 1.0, "learning_rate": 0.02 * min(1, step / 20), "seconds": 0.4, "memory_mb": 400.5}
        rows.append({"step": step, "loss": sum(losses.values())} | losses | rest)
    return rows


def panel(figure, title):
    return next(ax for ax in figure.axes if ax.get_title() == title)


@pytest.mark.parametrize("count", [1, 2, 300])
def test_every_entry_has_a_panel(count):
    figure = curves_figure(rows_of(count))
    assert [ax.get_title() for ax in figure.axes] == [
        "loss (sum of all)",
        "rpn objectness",
        "rpn box",
        "box class",
        "box delta",
        "mask",
        "gradient norm",
        "learning rate",
        "seconds per step",
        "memory (MB)",
    ]
    assert_legible(figure)


def test_points_are_raw_and_the_line_is_their_mean():
    rows = rows_of(300)
    points, line = panel(curves_figure(rows), "mask").lines
    values = np.array([row["mask"] for row in rows])
    assert (points.get_ydata() == values).all() and (points.get_xdata() == np.arange(1, 301)).all()
    np.testing.assert_allclose(line.get_ydata(), style.running_mean(values, 300 // 25))
    [rate] = panel(curves_figure(rows), "learning rate").lines  # not smoothed
    assert (rate.get_ydata() == [row["learning_rate"] for row in rows]).all()


@pytest.mark.parametrize("count", [1, 2, 300])
def test_losses_are_blue_and_the_rest_is_grey(count):
    for ax in curves_figure(rows_of(count)).axes:
        is_loss = ax.get_title() not in [curves.TITLES[name] for name in curves.LAST]
        assert {line.get_color() for line in ax.lines} == {style.DARK_BLUE if is_loss else style.GREY}


def test_points_above_the_frame_are_counted():
    rows = rows_of(300)
    rows[7]["mask"] = 50.0
    figure = curves_figure(rows)
    assert panel(figure, "mask").get_ylim()[1] < 10
    assert any("up to 50" in text for text in words(figure))
    assert_legible(figure)


def test_prefixed_losses_gaps_and_other_entries():
    rows = [
        {"step": 1, "loss_mask": 2.0, "note": "x", "seconds": None},
        {"step": 2, "loss_mask": float("nan")},
        {"step": 3},
    ]
    figure = curves_figure([*rows, {"step": 4, "loss_mask": 1.0}])
    assert [ax.get_title() for ax in figure.axes] == ["mask"]
    [line] = figure.axes[0].lines
    assert line.get_xdata().tolist() == [1, 4] and line.get_ydata().tolist() == [2, 1]


@pytest.mark.parametrize("rows", [[], [{"step": 1}], [{"step": 1, "loss": float("nan")}]])
def test_no_steps_are_said(rows):
    assert words(curves_figure(rows)) == ["no training steps have been recorded yet"]


def test_many_points_are_thinned():
    rows = [{"step": i, "loss": float(i % 7)} for i in range(10 * curves._POINTS)]
    points, line = curves_figure(rows).axes[0].lines
    assert len(points.get_xdata()) == curves._POINTS and len(line.get_xdata()) == len(rows)


def evaluation_of(num_truths):
    rng = np.random.default_rng(0)
    K = len(num_truths)
    precision = np.sort(rng.random((10, 101, K, 1, 1)), axis=1)[:, ::-1].copy()
    precision[:, :, np.array(num_truths) == 0] = -1
    counts = np.array(num_truths)[:, None]
    return Evaluation(precision, precision[:, 0], precision, counts, {"all": (0, 1e9)}, (100,), "segm")


def test_precision_recall_is_the_mean_of_the_classes_that_have_objects():
    evaluation = evaluation_of([3, 0, 5])
    figure = precision_recall_figure(evaluation, ("background", "0", "1", "2"))
    left, right = figure.axes
    assert len(left.lines) == 10
    np.testing.assert_allclose(left.lines[5].get_ydata(), evaluation.precision[5, :, [0, 2], 0, 0].mean(axis=0))
    assert [t.get_text() for t in right.get_yticklabels()] == ["0  (3)", "2  (5)"]
    for line, (name, iou) in zip(right.lines, {"AP50": 0.5, "AP75": 0.75, "AP": None}.items(), strict=True):
        expected = [evaluation.average_precision(iou=iou, label=label) for label in (1, 3)]
        assert line.get_label() == name and line.get_xdata() == pytest.approx(expected)
    sizes = [line.get_markersize() for line in right.lines]
    assert sizes == sorted(sizes, reverse=True)  # the smaller lies on the larger
    assert "average precision of masks by class" in words(figure)
    assert_legible(figure)


def test_legends_stand_at_the_upper_right_outside_of_the_curves():
    for ax in precision_recall_figure(evaluation_of([3, 0, 5])).axes:
        ax.figure.canvas.draw()
        legend, place = ax.get_legend().get_window_extent(), ax.get_window_extent()
        assert legend.x0 >= place.x1 - 1 and abs(legend.y1 - place.y1) < 8


def test_many_classes_are_legible():
    assert_legible(precision_recall_figure(evaluation_of([1] * 80), [f"a thing number {i}" for i in range(81)]))


def test_no_objects_are_said():
    assert words(precision_recall_figure(evaluation_of([0, 0]))) == [
        "no precision-recall curve: the evaluated images hold no objects"
    ]


def test_the_curves_alone_go_on_axes_of_ones_own():
    evaluation = evaluation_of([3, 0, 5])
    own = style.new_figure(6, 4).add_axes((0.1, 0.15, 0.7, 0.8))
    assert draw_precision_recall(evaluation, ax=own) is own
    whole = precision_recall_figure(evaluation).axes[0]
    for a, b in zip(own.lines, whole.lines, strict=True):
        np.testing.assert_array_equal(a.get_ydata(), b.get_ydata())
    assert_legible(draw_precision_recall(evaluation).figure)
    assert words(draw_precision_recall(evaluation_of([0])).figure)[-1].startswith("no curve")
