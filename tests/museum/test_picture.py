"""Pictures of exhibits: each kind of view is drawn beside the clean one, NaN is marked, what failed is said."""

import math

import pytest

from tinymaskrcnn.museum.exhibits import EXHIBITS, ROOMS
from tinymaskrcnn.museum.matrix import Matrix, Verdict
from tinymaskrcnn.museum.picture import exhibit_figure, matrix_figure

BUG, HARMLESS = EXHIBITS["plus-one"], EXHIBITS["other-ranks"]
CURVE = {"kind": "curve", "x": [0.0, 1], "values": {"loss": [1.0, 2]}, "says": "A curve", "labels": ["x", "y"]}
BARS = {"kind": "bars", "values": {"a": 1.0, "b": 2.0}, "says": "Bars"}
MATRIX = {"kind": "matrix", "values": [[0.0, 1], [2, 3]], "says": "A map", "numbers": True, "frames": [[0, 0, 1, 1]]}
BOXES = {"kind": "boxes", "values": {"boxes": [[1, 2, 9, 9]], "names": []}, "size": 20, "says": "Boxes", "frames": []}


def texts(figure):
    figure.canvas.draw()
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        legends += [text.get_text() for text in (*axes.texts, axes.title, axes.xaxis.label)]
        legends += [text.get_text() for text in (axes.get_legend().get_texts() if axes.get_legend() else [])]
    return legends


@pytest.mark.parametrize("view", [CURVE, BARS, MATRIX, BOXES])
def test_both_are_drawn_and_named(view):
    for exhibit, other in ((BUG, "with the bug"), (HARMLESS, "with the patch")):
        figure = exhibit_figure(exhibit, view, view)
        said = " ".join(texts(figure))
        assert figure.get_suptitle() == view["says"] and "as it is" in said and other in said


def test_no_number_is_marked():
    assert "NaN instead" in texts(exhibit_figure(BUG, CURVE, CURVE | {"values": {"loss": [1.0, math.nan]}}))
    assert "NaN" in texts(exhibit_figure(BUG, BARS, BARS | {"values": {"a": math.nan, "b": 2.0}}))


def test_what_failed_is_said():
    assert any("ValueError: no" in text for text in texts(exhibit_figure(BUG, MATRIX, {"trouble": "ValueError: no"})))


def test_the_matrix_has_a_mark_for_each_find():
    verdicts = [Verdict("plus-one", False, {"b": "x", "a": "y"}), Verdict("other-ranks", True, {"b": "alarm"})]
    figure = matrix_figure(Matrix({"a": 0.1, "b": 0.2}, {}, verdicts), ROOMS)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["plus-one", "other-ranks (harmless)"]
    assert len(axes.patches) == 3 and len({patch.get_facecolor() for patch in axes.patches}) == 3
