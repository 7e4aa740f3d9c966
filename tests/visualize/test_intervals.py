"""Values of seeds and intervals of differences, as marks on axes."""

import math

from tinymaskrcnn.visualize.intervals import draw_differences, draw_values, intervals_figure


def test_a_point_a_seed_and_a_line_for_each_seed():
    ax = draw_values({"a": {0: 1.0, 1: 2.0}, "b": {1: 3.0}})
    lines = [line for line in ax.lines if line.get_marker() != "o"]
    assert [
        line.get_xdata().tolist() if hasattr(line.get_xdata(), "tolist") else list(line.get_xdata()) for line in lines
    ] == [
        [1.0],
        [2.0, 3.0],
    ]
    points = [(list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines if line.get_marker() == "o"]
    assert points == [([1.0, 2.0], [0, 0]), ([3.0], [1])]


def test_intervals_that_leave_zero_out_have_another_colour():
    ax = draw_differences(
        {"none": None, "clear": (0.3, 0.1, 0.5), "wide": (0.1, -0.2, 0.4), "one": (0.2, -math.inf, math.inf)}
    )
    bars = {
        tuple(line.get_ydata()): line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linewidth() > 2
    }
    assert list(bars[1, 1].get_xdata()) == [0.1, 0.5] and (3, 3) not in bars
    assert bars[1, 1].get_color() != bars[2, 2].get_color()
    low, high = ax.get_xlim()
    assert low == -high and high >= 0.5


def test_a_figure_without_values_says_so():
    assert "nothing is measured" in " ".join(
        t.get_text() for t in intervals_figure({"a": {}}, {}, title="", label="").axes[0].texts
    )
    figure = intervals_figure({"a": {0: 1.0}}, {"a": None}, title="Is it?", label="AP", effect=0.1)
    assert figure.axes[0].get_title(loc="left") == "Is it?"
