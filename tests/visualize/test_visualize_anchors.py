"""The anchor report as bars; anchors, their labels and deltas on a picture."""

import numpy as np
import pytest
from drawing_checks import THEMES, assert_legible, words
from matplotlib.colors import to_hex

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.ops.anchors import base_anchors, grid_anchors, pyramid_anchors
from tinymaskrcnn.train.anchor_report import AnchorReport
from tinymaskrcnn.visualize import (
    coverage_figure,
    draw_anchor_grid,
    draw_anchor_labels,
    draw_deltas,
    draw_label_bands,
    style,
)

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


# ---------------------------------------------------------------- anchors on a picture

IMAGE = np.full((64, 64, 1), 0.2, np.float32)
LEVEL = grid_anchors(base_anchors(20, (1.0, 2.0)), grid_size=(8, 8), stride=8)


@pytest.fixture(params=["light", "dark"])
def theme(request):
    style.use_theme(request.param)
    yield request.param
    style.use_theme("light")


def outlines(ax):
    """(x1, y1, x2, y2) of every outlined box, in the order of drawing."""
    return [(*p.get_xy(), p.get_xy()[0] + p.get_width(), p.get_xy()[1] + p.get_height()) for p in ax.patches]


def test_the_anchors_of_one_cell_are_drawn_where_they_stand(theme):
    ax = draw_anchor_grid(IMAGE, LEVEL, 8, cell=(3, 5), title="P3")
    assert outlines(ax) == [tuple(LEVEL[k]) for k in (2 * (3 * 8 + 5), 2 * (3 * 8 + 5) + 1)]
    centres = np.array(outlines(ax)).reshape(2, 2, 2).mean(axis=1)
    np.testing.assert_allclose(centres, [[5 * 8, 3 * 8]] * 2)  # no half cell
    assert {"20 × 20", "14 × 28", "8 × 8 cells"} <= set(words(ax.figure))
    assert_legible(ax.figure)


def test_anchors_of_a_level_that_does_not_divide_are_drawn_where_they_stand():
    """P6 of 96 x 128 pixels: cells of 64 x 64, anchors of the second row at 48, those of the second column at 64."""
    (level,) = pyramid_anchors([(96,)], (1.0,), grid_sizes=[(2, 2)], image_size=(96, 128))
    ax = draw_anchor_grid(np.zeros((96, 128, 1), np.float32), level, 64, cell=(1, 1))
    (x1, y1, x2, y2) = outlines(ax)[0]
    (dots,) = (line.get_xydata() for line in ax.lines if line.get_color() == style.YELLOW)
    (chosen,) = (line.get_xydata() for line in ax.lines if line.get_color() == style.RED)
    assert ((x1 + x2) / 2, (y1 + y2) / 2) == (64, 48) == tuple(chosen[0])
    assert dots.tolist() == [[0, 0], [64, 0], [0, 48], [64, 48]]
    (cross,) = (line.get_xydata() for line in ax.lines if line.get_marker() == "x")
    assert cross.tolist() == [[64, 64]]
    assert {"anchors: 48/64 px", "features: 64 px"} <= set(words(ax.figure))
    assert_legible(ax.figure)


def test_border_crossing_anchors_are_dashed():
    ax = draw_anchor_grid(IMAGE, LEVEL, 8, cell=(0, 0), margin=16)
    assert [p.get_linestyle() != "-" for p in ax.patches] == [True, True]
    assert "20 × 20 crosses" in words(ax.figure)
    assert ax.get_xlim() == (-16, 80)
    inside = draw_anchor_grid(IMAGE, LEVEL, 8, cell=(4, 4))
    assert [p.get_linestyle() for p in inside.patches] == ["-", "-"]


def test_anchor_labels_draw_a_readable_number_and_count_all(theme):
    label = np.full(len(LEVEL), -1)
    label[::2] = 0
    label[[5, 9]] = 1
    ax = draw_anchor_labels(IMAGE, LEVEL, label, objects=LEVEL[5:6], limits={-1: 3})
    assert {"positive: 2", "neutral: 64 (16 drawn)", "negative: 62 (3 drawn)", "object: 1"} <= set(words(ax.figure))
    assert len(ax.patches) == 2 + 16 + 3 + 1
    by_color = {}
    for patch, box in zip(ax.patches, outlines(ax)):
        by_color.setdefault(to_hex(patch.get_edgecolor()).upper(), []).append((box, patch.get_linestyle()))
    assert by_color[style.GREEN] == [(tuple(LEVEL[5]), "-"), (tuple(LEVEL[9]), "-")]
    assert all(tuple(b) in {tuple(r) for r in LEVEL[label == 0]} for b, _ in by_color[style.ORANGE])
    assert len({str(entries[0][1]) for entries in by_color.values() if entries}) == 3  # solid, dashed, dotted
    assert_legible(ax.figure)


def test_labels_without_any_anchor():
    ax = draw_anchor_labels(IMAGE, np.zeros((0, 4), np.float32), np.zeros(0, int), limits={0: 0})
    assert "positive: 0" in words(ax.figure)


def test_deltas_are_those_of_encode(theme):
    anchor, box = np.array([10.0, 10, 34, 34]), np.array([14.0, 6, 46, 54])
    ax = draw_deltas(anchor, box)
    assert ax.get_title() == "deltas +0.33, +0.33, +0.29, +0.69"
    assert "dw = log(32 / 24) = +0.29" in words(ax.figure)
    [arrow] = [t for t in ax.texts if getattr(t, "arrow_patch", None) is not None]
    assert (arrow.xyann, arrow.xy) == ((22, 22), (30, 30))  # from centre to centre
    assert_legible(ax.figure)


@pytest.mark.parametrize("limits", [(0.7, 0.3), (0.3, 0.3), (1.0, 0.0)])
@pytest.mark.parametrize("theme", THEMES, indirect=True)
def test_bands_count_every_anchor_once(limits, theme, rng):
    best = np.concatenate([rng.random(500) ** 4, [0.3, 0.7, 0.71, 1.0]])
    positive, negative = limits
    ax = draw_label_bands(best, positive_iou=positive, negative_iou=negative, title="Bands")
    counts = [(best >= positive).sum(), ((best < positive) & (best >= negative)).sum(), (best < negative).sum()]
    found = [f"positive: {counts[0]}", f"neutral: {counts[1]}", f"negative: {counts[2]}"]
    assert set(found) <= set(words(ax.figure)) and sum(counts) == len(best)
    assert sum(bar.get_height() for bar in ax.patches) == len(best)
    assert_legible(ax.figure)


def test_messages():
    with pytest.raises(ShapeError, match="draw_anchor_grid: anchors must have A rows for each of 16 x 16 cells"):
        draw_anchor_grid(IMAGE, LEVEL[:100], 4)
    with pytest.raises(ArgumentError, match="draw_anchor_grid: cell must lie in the grid of 8 x 8"):
        draw_anchor_grid(IMAGE, LEVEL, 8, cell=(8, 0))
    with pytest.raises(ShapeError, match="draw_anchor_labels: label must be"):
        draw_anchor_labels(IMAGE, LEVEL, np.zeros(3))
    with pytest.raises(ShapeError, match=r"draw_deltas: anchor and box must be \(4,\)"):
        draw_deltas(LEVEL[:1], LEVEL[0])
    with pytest.raises(ArgumentError, match="draw_label_bands: needs 0 <= negative_iou <= positive_iou <= 1"):
        draw_label_bands(np.zeros(3), positive_iou=0.3, negative_iou=0.7)
