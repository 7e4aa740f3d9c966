"""The theme: figures that were there before it are legible on a dark page too, and a light page is as it was."""

import matplotlib
import numpy as np
import pytest
from drawing_checks import assert_legible, placed_texts
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from visualize.test_visualize_anchors import REPORT
from visualize.test_visualize_curves import rows_of
from visualize.test_visualize_detections import IMAGE, LEFT, LOW, NAMES, RIGHT, found_of, truth_of
from visualize.test_visualize_profile import training

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.evaluation import Evaluator
from tinymaskrcnn.visualize import (
    coverage_figure,
    curves_figure,
    detections_figure,
    precision_recall_figure,
    profile_figure,
    style,
    use_theme,
)

TRUTH = truth_of((*LEFT, 1), (*RIGHT, 2), (*LOW, 3))
FOUND = found_of((*LEFT, 1, 0.9), (*RIGHT, 3, 0.8), (40, 40, 60, 60, 1, 0.7))


@pytest.fixture(params=["light", "dark"])
def theme(request):
    with matplotlib.rc_context():  # gives every setting back, whatever a test does
        use_theme(request.param)
        yield request.param


def evaluation():
    evaluator = Evaluator(iou_type="bbox", num_classes=4)
    evaluator.add(TRUTH, FOUND)
    return evaluator.accumulate()


FIGURES = {
    "coverage": lambda: coverage_figure(REPORT),
    "curves": lambda: curves_figure(rows_of(60)),
    "detections": lambda: detections_figure([IMAGE], [TRUTH], [FOUND], NAMES),
    "message": lambda: style.message_figure("nothing to see"),
    "precision and recall": lambda: precision_recall_figure(evaluation(), NAMES),
    "predictions": lambda: detections_figure([IMAGE], None, [FOUND], NAMES),
    "profile": lambda: profile_figure(training()),
}


def luminance(color):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(a, b):
    """WCAG's contrast ratio, 1 to 21."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def look(name, theme):
    """Where the texts of a figure stand, in a theme in which all of them can be read."""
    figure = FIGURES[name]()
    assert_legible(figure)
    assert to_rgb(figure.get_facecolor()) == to_rgb(style.THEMES[theme]["paper"])
    for text in figure.findobj(Text):
        box = text.get_bbox_patch()
        page = style.paper() if box is None else box.get_facecolor()
        if text.get_text().strip() and text.get_visible():
            ratio = contrast(text.get_color(), page)
            assert ratio >= 3, f"{name}: {text.get_text()!r} has a contrast of {ratio:.1f}"
    return [(text, box.extents.tolist()) for text, box in placed_texts(figure)]


@pytest.mark.in_turn
@pytest.mark.parametrize("name", FIGURES)
def test_older_figures_are_legible_on_both_pages_and_nothing_moves(name):
    seen = []
    for theme in style.THEMES:
        with matplotlib.rc_context():
            use_theme(theme)
            seen.append(look(name, theme))
    assert seen[0] == seen[1] and seen[0]


def test_a_theme_sets_colours_alone():
    with matplotlib.rc_context():
        use_theme("light")
        light = dict(matplotlib.rcParams)
        use_theme("dark")
        changed = {key for key, value in matplotlib.rcParams.items() if value != light[key]}
    assert changed and all(key.endswith("color") for key in changed), changed


def test_every_line_of_the_curves_stands_out(theme):
    for line in precision_recall_figure(evaluation(), NAMES).axes[0].lines:
        assert contrast(line.get_color(), style.paper()) > 1.5


@pytest.mark.parametrize("part", ["ink", "muted"])
def test_words_can_be_read(theme, part):
    assert contrast(getattr(style, part)(), style.paper()) >= 7
    assert contrast(style.faint(), style.paper()) < 2  # a hint, no more


def test_colours_stand_out_from_both_pages(theme):
    for name in ("BLUE", "GREEN", "PURPLE", "DARK_BLUE", "RED", "ORANGE", "GREY"):
        assert contrast(getattr(style, name), style.paper()) > 2, name


def test_a_theme_can_be_taken_back():
    with matplotlib.rc_context():
        use_theme("light")
        before = FIGURES["coverage"]()._repr_png_()
        use_theme("dark")
        assert FIGURES["coverage"]()._repr_png_() != before
        use_theme("light")
        assert FIGURES["coverage"]()._repr_png_() == before


def test_an_unknown_theme_is_named():
    with pytest.raises(ArgumentError, match=r"name must be one of \('light', 'dark'\); got 'solarized'"):
        use_theme("solarized")
