import numpy as np
import pytest
from drawing_checks import assert_legible, words
from tiny_model import tiny_model

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.explain.trace import trace_detection
from tinymaskrcnn.visualize import (
    class_scores_figure,
    draw_level_boxes,
    draw_objectness,
    masks_figure,
    objectness_figure,
    proposals_figure,
    roi_grids_figure,
    style,
)

FIGURES = (objectness_figure, proposals_figure, roi_grids_figure, class_scores_figure, masks_figure)


@pytest.fixture(scope="module")
def trace():
    """Of a model with random weights, which finds something everywhere, and a picture that is wider than high."""
    image = np.random.default_rng(1).random((50, 64, 1)).astype(np.float32)
    return trace_detection(tiny_model(seed=3).eval(), image)


@pytest.fixture(scope="module")
def empty():
    """Of a model that finds nothing."""
    model = tiny_model(seed=3).eval()
    model.roi_heads.heads["box"].predictor.cls_score.bias.value[0] = 100
    return trace_detection(model, np.zeros((32, 32, 1), np.float32))


@pytest.fixture(params=["light", "dark"])
def theme(request):
    style.use_theme(request.param)
    yield
    style.use_theme("light")


@pytest.mark.in_turn
@pytest.mark.parametrize("figure", FIGURES)
def test_every_stage_is_legible(figure, trace, theme):
    drawn = figure(trace)
    assert drawn.get_figwidth() <= 9.5
    assert_legible(drawn)


@pytest.mark.parametrize("figure", FIGURES[2:])
def test_a_picture_of_nothing_says_so(figure, empty):
    assert len(empty.detections) == 0
    assert any("nothing was found" in word for word in words(figure(empty)))


def test_objectness_lies_where_the_anchors_lie(trace):
    for level in range(2, 7):
        image = draw_objectness(trace, level).images[-1]
        rows, columns = image.get_array().shape
        best = int(np.argmax(trace.anchors.objectness * (trace.anchors.level == level)))
        box = trace.anchors.boxes[best]
        x, y = (box[:2] + box[2:]) / 2  # the centre of the surest anchor
        left, right, bottom, top = image.get_extent()
        row, column = int((y - top) / (bottom - top) * rows), int((x - left) / (right - left) * columns)
        assert image.get_array()[row, column] == image.get_array().max() == trace.anchors.objectness[best]
        middle = left + (column + 0.5) * (right - left) / columns, top + (row + 0.5) * (bottom - top) / rows
        assert middle == pytest.approx((x, y))


def test_objectness_keeps_to_the_image(trace):
    ax = draw_objectness(trace, 6)
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 64), (50, 0))


def test_the_boxes_of_a_level_share_a_look_and_the_surest_lies_on_top(trace):
    boxes = np.array([[1, 2, 5, 9], [3, 3, 6, 6], [0, 0, 2, 2]], np.float32)
    ax = draw_level_boxes(trace.image, boxes, [2, 2, 4], scores=[1.0, 0.0, 0.5])
    second, fourth = ax.collections
    corners = [path.get_extents().extents.tolist() for path in second.get_paths()]
    assert corners == [[3, 3, 6, 6], [1, 2, 5, 9]]
    faint, strong = second.get_edgecolor()[:, 3]
    assert faint == pytest.approx(0.12) and strong == 1
    assert tuple(second.get_edgecolor()[0, :3]) != tuple(fourth.get_edgecolor()[0, :3])
    assert second.get_linestyle() != fourth.get_linestyle()


def test_proposals_are_counted_before_and_after_nms(trace):
    titles = [ax.get_title() for ax in proposals_figure(trace).axes]
    kept = int(trace.candidates.kept.sum())
    assert kept < len(trace.candidates.boxes)
    wanted = [f"before NMS: {len(trace.candidates.boxes)} boxes", f"after NMS: {kept} boxes", "the best: 8 proposals"]
    assert titles == wanted


def test_bins_divide_the_roi_and_the_crop_is_what_the_head_reads(trace):
    figure = roi_grids_figure(trace, [2])
    image, features, crop = figure.axes
    columns = np.array([segment[0, 0] for segment in image.collections[0].get_segments()])
    x1, _, x2, _ = trace.proposals.boxes[2]
    np.testing.assert_allclose(columns, np.linspace(x1, x2, 4), rtol=1e-6)
    level = int(trace.proposals.level[2])
    assert f"P{level}" in features.get_title()
    side = 2**level
    rows, wide, _ = trace.pyramid[level - 2].shape
    assert features.images[0].get_extent() == [0, wide * side, rows * side, 0]
    assert crop.get_title() == "crop: 3×3×4"


def test_a_crop_is_cut_as_the_model_cuts_it():
    """Of RoIPool every value of a crop is one of the map, or 0 beyond it; of RoIAlign it is a mixture."""
    image, shown = np.random.default_rng(1).random((64, 64, 1)).astype(np.float32), []
    for pooling in ("pool", "align"):
        trace = trace_detection(tiny_model(seed=3, pooling=pooling).eval(), image)
        _, features, crop = (ax.images[0].get_array() for ax in roi_grids_figure(trace, [2]).axes)
        shown.append(np.isin(crop, np.append(features, 0)).all())
    assert shown == [True, False]


def test_the_image_and_the_map_show_the_same_square_around_the_roi(trace):
    figure = roi_grids_figure(trace, [2, 5])
    for column, row in enumerate((2, 5)):
        x1, y1, x2, y2 = (float(v) for v in trace.proposals.boxes[row])
        half = 1.4 * max(x2 - x1, y2 - y1) / 2
        for ax in (figure.axes[column], figure.axes[2 + column]):
            assert ax.get_xlim() == pytest.approx(((x1 + x2) / 2 - half, (x1 + x2) / 2 + half), rel=1e-5)
            assert ax.get_ylim() == pytest.approx(((y1 + y2) / 2 + half, (y1 + y2) / 2 - half), rel=1e-5)


def test_a_crop_has_the_colours_of_the_cells_it_was_cut_from(trace):
    _, features, crop = (ax.images[0] for ax in roi_grids_figure(trace, [2]).axes)
    assert features.get_clim() == crop.get_clim() and features.get_cmap() == crop.get_cmap()
    low, high = features.get_clim()
    assert low == -high and high == pytest.approx(np.abs(features.get_array()).max())
    inside = crop.get_array()  # RoIAlign is linear: it stays between the least and the most of the cells
    assert features.get_array().min() <= inside.min() and inside.max() <= features.get_array().max()


def test_scores_are_drawn_as_bars_and_the_best_is_marked(trace):
    figure = class_scores_figure(trace, [1])
    bars = figure.axes[1].patches
    scores = trace.proposals.probabilities[1]
    np.testing.assert_allclose([bar.get_width() for bar in bars], scores, rtol=1e-6)
    assert [bool(bar.get_hatch()) for bar in bars] == [k == np.argmax(scores) for k in range(3)]
    assert {"none", "flat", "tall", f"{scores.max():.2f}"} <= set(words(figure))


@pytest.mark.parametrize(("figure", "name"), [(class_scores_figure, "proposals"), (masks_figure, "detections")])
def test_a_piece_is_what_the_box_cuts_out(trace, figure, name):
    ax = figure(trace, [1]).axes[0]
    x1, y1, x2, y2 = (float(v) for v in getattr(trace, name).boxes[1])
    assert ax.get_xlim() == pytest.approx((x1, x2)) and ax.get_ylim() == pytest.approx((y2, y1))


def test_classes_are_named_once_at_the_left(trace):
    axes = class_scores_figure(trace, [1, 0]).axes[1::2]
    assert [[t.get_text() for t in ax.get_yticklabels()] for ax in axes] == [["none", "flat", "tall"], [""] * 3]


def test_mask_probabilities_lie_in_their_box(trace):
    figure = masks_figure(trace, [1, 0])
    middle = figure.axes[2]
    x1, y1, x2, y2 = trace.detections.boxes[1]
    assert middle.images[0].get_extent() == pytest.approx((x1, x2, y2, y1))
    np.testing.assert_array_equal(middle.images[0].get_array(), trace.mask_probabilities[1])
    assert figure.axes[4].get_title() == f"{trace.detections.masks[1].sum()} pixels"


def test_what_is_not_there_is_refused(trace):
    with pytest.raises(ArgumentError, match="level must be 2 to 6; got 7"):
        draw_objectness(trace, 7)
    with pytest.raises(ArgumentError, match=r"proposals must be row numbers below 8; got \[8\]"):
        roi_grids_figure(trace, [8])
    boxes_only = trace_detection(tiny_model(heads=("box",)).eval(), np.zeros((32, 32, 1), np.float32))
    with pytest.raises(ArgumentError, match="no mask head"):
        masks_figure(boxes_only)
