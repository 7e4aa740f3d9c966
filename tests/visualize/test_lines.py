"""Curves, bars, histograms: the numbers that were given, told apart without colour, legible on both pages."""

import numpy as np
import pytest
from drawing_checks import assert_legible, words

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.visualize import draw_bars, draw_histogram, draw_lines, mark_x, style

RNG = np.random.default_rng(0)


@pytest.fixture(params=["light", "dark"])
def theme(request):
    style.use_theme(request.param)
    yield request.param
    style.use_theme("light")


def test_curves_are_legible_and_named(theme):
    curves = {"plain": RNG.random(80), "residual": (np.arange(1, 81), RNG.random(80)), "third": RNG.random(80)}
    ax = draw_lines(curves, title="loss", xlabel="step", ylabel="loss", log="xy", markers=True)
    assert_legible(ax.figure)
    assert {"plain", "residual", "third", "step", "loss"} <= set(words(ax.figure))
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_curves_hold_their_numbers():
    x, y = np.array([1.0, 10, 100]), np.array([3.0, 1, 2])
    ax = draw_lines({"a": (x, y), "b": y})
    a, b = ax.lines
    np.testing.assert_array_equal(a.get_xydata(), np.stack([x, y], axis=1))
    np.testing.assert_array_equal(b.get_xdata(), [0, 1, 2])
    assert a.get_color() != b.get_color() and a.get_linestyle() != b.get_linestyle()


def test_smooth_curves_show_the_raw_one_too():
    raw, smooth = draw_lines({"a": RNG.random(30)}, smooth=5).lines
    np.testing.assert_allclose(smooth.get_ydata(), style.running_mean(raw.get_ydata(), 5))
    assert raw.get_linewidth() < smooth.get_linewidth()


def test_looks_can_be_given_by_name():
    a, b = draw_lines({"a": [0, 1], "b": [1, 0]}, colors={"b": "#123456"}, linestyles={"a": ":"}).lines
    assert b.get_color() == "#123456" and a.get_linestyle() == ":"


def test_bars_stand_beside_each_other(theme):
    groups = {"plain": RNG.random(20) + 0.01, "residual": RNG.random(20) + 0.01}
    ax = draw_bars(groups, title="gradient by layer", xlabel="layer", ylabel="norm", log=True)
    assert_legible(ax.figure)
    first, second = ax.containers
    np.testing.assert_allclose([bar.get_height() for bar in second], groups["residual"])
    assert [t.get_text() for t in ax.get_xticklabels()] == [str(k) for k in range(1, 21)]
    for k, (a, b) in enumerate(zip(first, second)):
        assert k - 0.5 < a.get_x() and a.get_x() + a.get_width() <= b.get_x() + 1e-9 < k + 0.5
    assert first[0].get_hatch() != second[0].get_hatch()


def test_the_legend_hides_no_bar():
    ax = draw_bars({"a": np.ones(20), "b": np.ones(20)})
    ax.figure.canvas.draw()
    legend = ax.get_legend().get_window_extent()
    assert all(not legend.overlaps(bar.get_window_extent()) for group in ax.containers for bar in group)


def test_histograms_hold_every_sample(theme):
    samples = {"before": 2 + 2 * RNG.standard_normal((10, 8, 8)), "after": RNG.standard_normal(640)}
    ax = draw_histogram(samples, title="one channel", xlabel="value", limits=(-3, 3))
    assert_legible(ax.figure)
    for patch in ax.patches:
        x, y = patch.get_xy().T
        assert np.isclose(np.sum(np.diff(x) * y[:-1]) / 0.2, 1), "shares add up to 1, what lies outside in the end bins"
    assert all(0 < line.get_linewidth() < patch.get_linewidth() for line, patch in zip(ax.lines, ax.patches))
    means = [line.get_xdata()[0] for line in ax.lines]
    np.testing.assert_allclose(means, [samples["before"].mean(), samples["after"].mean()])


def test_a_histogram_of_one_number():
    assert_legible(draw_histogram({"zeros": np.zeros(5)}).figure)


def test_a_marked_place(theme):
    ax = mark_x(draw_lines({"a": [1, 2, 3]}), 1, "here")
    assert_legible(ax.figure)
    assert ax.lines[-1].get_xdata()[0] == 1 and ax.texts[0].get_text().strip() == "here"


def test_refusals():
    with pytest.raises(ArgumentError, match=r"x and y of 'a' must be of one length; got \(3,\) and \(2,\)"):
        draw_lines({"a": ([1, 2, 3], [1, 2])})
    with pytest.raises(ArgumentError, match="groups and names must have one length"):
        draw_bars({"a": [1, 2], "b": [1]})
    for draw in (draw_lines, draw_bars, draw_histogram):
        with pytest.raises(ArgumentError, match="at least one entry"):
            draw({})


def test_short_logarithmic_axes_name_plain_numbers():
    short, wide = (draw_lines({"a": ([1, 2], y)}, log="y") for y in ([0.3, 8], [1e-8, 1]))
    assert {"0.5", "1", "2", "5"} <= set(words(short.figure))
    assert any("10^{-8}" in text or "10^{-7}" in text for text in words(wide.figure))
    assert_legible(short.figure)
    assert {"0.2", "0.5"} <= set(words(draw_bars({"a": [0.2, 0.9]}, log=True).figure))
