"""A computation as a graph: each value and gradient at its node, arrows the right way round, nothing overlapping."""

import numpy as np
import pytest
from drawing_checks import assert_legible, words
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.visualize import Steps, draw_graph, graph_steps, style
from tinymaskrcnn.visualize.graph import HIGH, WIDE

PLACES = {"x": (0, 0), "w": (0, 1), "p": (1, 1), "s": (2, 0), "L": (3, 0)}
EDGES = [("w", "p"), ("x", "p"), ("p", "s"), ("x", "s"), ("s", "L")]
FULL = {
    "labels": {"p": "p = w · x", "s": "s = p + x", "L": "L = s²"},
    "values": {"x": 3, "w": -2, "p": -6, "s": -3, "L": "nine"},
    "gradients": {"L": 1, "s": -6, "p": -6, "w": -18, "x": 6.0},
    "notes": {("s", "L"): "· 2s = -6", ("x", "p"): "· w", ("w", "p"): "· x", ("p", "s"): "· 1"},
    "backward": EDGES,
    "active": ["p"],
    "title": "all at once",
}

ORDERS = {"values": "xwpsL", "gradients": "Lspwx"}


@pytest.fixture(params=["light", "dark"])
def theme(request):
    style.use_theme(request.param)
    yield request.param
    style.use_theme("light")


def arrows(ax):
    return [p for p in ax.patches if isinstance(p, FancyArrowPatch)]


def test_everything_at_once_is_legible(theme):
    assert_legible(draw_graph(PLACES, EDGES, **FULL).figure)


def test_a_node_shows_its_label_value_and_gradient():
    ax = draw_graph(PLACES, EDGES, **FULL)
    assert {"x", "w", "p = w · x", "−3", "nine", "dw = −18", "dx = 6", "· w", "all at once"} <= set(words(ax.figure))
    value, gradient = (next(t for t in ax.texts if t.get_text() == text) for text in ("−3", "dw = −18"))
    assert value.get_position()[0] == 2 and -0.5 < value.get_position()[1] < 0, "above the node: y grows downwards"
    assert gradient.get_position()[0] == 0 and 1 < gradient.get_position()[1] < 1.5


def test_only_what_was_given_is_written():
    assert sorted(words(draw_graph(PLACES, EDGES, values={"x": 0.12345}).figure)) == sorted([*PLACES, "0.123"])


def test_gradients_flow_against_the_arrows():
    ahead = arrows(draw_graph(PLACES, [("s", "L")]))[0]
    back = arrows(draw_graph(PLACES, [("s", "L")], backward=[("s", "L")]))[0]
    starts = [arrow.get_path().vertices[0, 0] for arrow in (ahead, back)]
    assert 2.2 < starts[0] < 2.4 and 2.6 < starts[1] < 2.8, "s stands at 2, L at 3"
    assert back.get_linestyle() != "-", "not told by the colour alone"


def test_a_node_is_a_box_around_its_place_that_its_arrows_reach():
    ax = draw_graph(PLACES, EDGES)
    boxes = [p.get_path().get_extents() for p in ax.patches if isinstance(p, FancyBboxPatch)]
    for box, (column, row) in zip(boxes, PLACES.values(), strict=True):
        sides = [column - box.x0, box.x1 - column, row - box.y0, box.y1 - row]
        np.testing.assert_allclose(sides, [WIDE / 2, WIDE / 2, HIGH / 2, HIGH / 2])
    for arrow, edge in zip(arrows(ax), EDGES, strict=True):
        start, end = (boxes[[*PLACES].index(node)] for node in edge)
        seen = arrow.get_path().vertices[:, 0]
        assert 0 < seen[0] - start.x1 < 0.05 and 0 < end.x0 - seen.max() < 0.05


def test_two_arrows_at_a_node_end_apart():
    paths = [arrow.get_path().vertices for arrow in arrows(draw_graph(PLACES, [("p", "s"), ("x", "s")]))]
    from_p, from_x = (path[np.argmax(path[:, 0]), 1] for path in paths)
    assert 0.05 < from_p < 0.15 and abs(from_x) < 0.01, "p stands below x, so its arrow arrives from below"


def test_active_nodes_are_filled(theme):
    boxes = [p for p in draw_graph(PLACES, EDGES, active=["w", "L"]).patches if isinstance(p, FancyBboxPatch)]
    plain = [
        np.allclose(b.get_facecolor()[:3], [int(style.paper()[k : k + 2], 16) / 255 for k in (1, 3, 5)]) for b in boxes
    ]
    assert plain == [True, False, True, True, False]


@pytest.fixture
def drawn(monkeypatch):
    """graph_steps with what each of its pictures shows, [options of draw_graph]."""
    shown = []

    def spy(*args, **options):
        shown.append(options)
        return draw_graph(*args, **options)

    monkeypatch.setattr("tinymaskrcnn.visualize.graph.draw_graph", spy)
    values, gradients = ({node: FULL[name][node] for node in order} for name, order in ORDERS.items())
    steps = graph_steps(
        PLACES, EDGES, values=values, gradients=gradients, notes=FULL["notes"], captions=[str(k) for k in range(9)]
    )
    assert isinstance(steps, Steps)
    return shown


def test_forward_shows_one_value_more_in_each_picture(drawn):
    assert [list(options["values"]) for options in drawn[:4]] == [list("xw"), list("xwp"), list("xwps"), list("xwpsL")]
    assert [options["active"] for options in drawn[:4]] == [["x", "w"], ["p"], ["s"], ["L"]]
    assert all("gradients" not in options for options in drawn[:4])


def test_backward_shows_the_arrows_that_bring_each_gradient(drawn):
    assert [options["active"] for options in drawn[4:]] == [["L"], ["s"], ["p"], ["w"], ["x"]]
    ways = [[], [("s", "L")], [("p", "s")], [("w", "p")], [("x", "p"), ("x", "s")]]
    assert [options["backward"] for options in drawn[4:]] == ways
    assert [len(options["gradients"]) for options in drawn[4:]] == [1, 2, 3, 4, 5]
    assert drawn[8]["notes"] == {("x", "p"): "· w"}, "only of the arrows in use"


def test_given_axes_are_used():
    ax = style.new_axes(width=7, height=3)
    assert draw_graph(PLACES, EDGES, ax=ax) is ax


def test_refusals():
    with pytest.raises(ArgumentError, match=r"places must hold every node; \['q'\] are missing"):
        draw_graph(PLACES, [("x", "q")])
    with pytest.raises(ArgumentError, match="missing"):
        draw_graph(PLACES, EDGES, gradients={"y": 1})
    with pytest.raises(ArgumentError, match="among the edges"):
        draw_graph(PLACES, EDGES, backward=[("L", "s")])
