import numpy as np
import pytest
from drawing_checks import assert_legible, words

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.visualize import bars_figure, use_theme

PARTS = {"backbone": 1.5e6, "rpn": 2e5, "heads": 0.0}


@pytest.fixture(params=["light", "dark"], autouse=True)
def theme(request):
    use_theme(request.param)
    yield
    use_theme("light")


def widths(figure):
    return [[float(bar.get_width()) for bar in container] for container in figure.axes[0].containers]


@pytest.mark.parametrize("log", [False, True])
def test_bars_are_as_long_as_the_numbers_and_the_first_is_on_top(log):
    figure = bars_figure(PARTS, title="kept", label="bytes", fmt="{:,.0f}", log=log)
    assert_legible(figure)
    assert widths(figure) == [list(PARTS.values())]
    shown = {text.strip() for text in words(figure)}
    assert {"1,500,000", "200,000", "0", "backbone", "rpn", "heads", "kept", "bytes"} <= shown
    (ax,) = figure.axes
    assert ax.yaxis.get_inverted() and ax.get_xlim()[1] > 1.5e6
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(PARTS)


@pytest.mark.parametrize("log", [False, True])
def test_series_stand_side_by_side_and_have_a_legend(log):
    series = {"from the RPN": {"P2": 1.0, "P6": 0.003}, "from the heads": {"P2": 30.0, "P6": 0.0}}
    figure = bars_figure(series, title="norms", label="norm", log=log)
    assert_legible(figure)
    assert widths(figure) == [[1.0, 0.003], [30.0, 0.0]]
    rows = [sorted(bar.get_y() + bar.get_height() / 2 for bar in c) for c in figure.axes[0].containers]
    assert rows[0][0] < 0 < rows[1][0] < 0.5 < rows[0][1] < 1 < rows[1][1]
    assert set(series) <= set(words(figure))
    assert len({bar.get_hatch() for container in figure.axes[0].containers for bar in container}) == 2


def test_all_zero_and_bad_numbers():
    assert_legible(bars_figure({"a": 0.0}, title="t", label="l"))
    assert_legible(bars_figure({"a": 0.0}, title="t", label="l", log=True))
    for bad in ({}, {"a": -1.0}, {"a": np.nan}, {"s": {"a": 1.0}, "t": {"b": 1.0}}):
        with pytest.raises(ArgumentError, match="bars_figure: values"):
            bars_figure(bad, title="t", label="l")
