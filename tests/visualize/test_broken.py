"""Broken annotations as a picture: what lies outside of it is seen, and words stay short."""

import numpy as np
from visualize.pictures import BROKEN

from tinymaskrcnn import visualize as v


def test_each_case_has_a_panel_and_its_words():
    figure = v.broken_figure(BROKEN, left=3)
    assert len(figure.axes) == 2
    words = [text.get_text() for text in figure.texts]
    assert any("2 of 5" in text for text in words) and any(text.startswith("annotation 3, a.png") for text in words)
    assert all(len(line) <= 34 for text in words[1:] for line in text.splitlines())


def test_what_lies_outside_the_picture_is_inside_the_panel_unless_it_is_far_away():
    low, high = v.broken_figure(BROKEN).axes[0].get_xlim()
    assert low < 0 and high > 90
    far = BROKEN[0] | {"box": (1e6, 0, 1e6 + 5, 9)}
    _, high = v.broken_figure([far]).axes[0].get_xlim()
    assert high < 6 * BROKEN[0]["size"][1]


def test_a_box_without_an_area_has_a_mark():
    panel = v.broken_figure(BROKEN).axes[0]
    marks = [line.get_xydata() for line in panel.lines if line.get_marker() == "+"]
    assert np.array_equal(marks[0], [[20, 20]])


def test_without_a_case_it_says_so():
    assert "nothing is wrong" in v.broken_figure([]).axes[0].texts[0].get_text()
