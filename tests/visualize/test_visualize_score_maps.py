"""The maps of one detection: every panel shows its own part of the gradient, and the checks what came of them."""

import numpy as np
import pytest
from explain.explained import fast_network, network, picture, some_boxes

from tinymaskrcnn.explain import check_maps, score_maps
from tinymaskrcnn.explain.trace import trace_detection
from tinymaskrcnn.visualize.score_maps import score_maps_figure


@pytest.fixture(scope="module")
def checked():
    maps = score_maps(trace_detection(network("mask", 3), picture(3)), 0)
    return maps, check_maps(maps)


def shown(ax):
    return np.asarray(ax.images[0].get_array())


def test_every_part_of_the_gradient_has_its_panel(checked):
    maps, _ = checked
    figure = score_maps_figure(maps)
    assert [ax.get_title("left") for ax in figure.axes] == [
        *("the picture", "with the box held", "by moving the box", "both: the box is free"),
    ]
    for ax, way in zip(figure.axes[1:], ("held", "moves", "free")):
        np.testing.assert_array_equal(shown(ax), getattr(maps, way).sum(axis=2))
    assert figure.axes[1].images[0].norm.vmax == figure.axes[3].images[0].norm.vmax
    texts = " ".join(text.get_text() for text in figure.texts)
    assert all(f"length {np.linalg.norm(getattr(maps, way)):.2g}" in texts for way in ("held", "moves", "free"))
    assert maps.moves.any()


def test_with_checks_they_stand_below(checked):
    maps, checks = checked
    figure = score_maps_figure(maps, checks)
    assert len(figure.axes) == 8
    np.testing.assert_array_equal(shown(figure.axes[4]), checks.control.held.sum(axis=2))
    assert len(figure.axes[5].patches) >= len(checks.whole.patches) <= len(figure.axes[6].patches)
    assert all(len(line.get_xdata()) == len(checks.whole.patches) for line in figure.axes[7].lines[2:])
    texts = " ".join(text.get_text() for text in figure.texts)
    assert f"correlation {checks.likeness:.2f} with the first map" in texts
    assert f"correlation {checks.whole.correlation():.2f}\ncovered" in texts


def test_a_box_that_was_given_is_moved_by_nothing():
    maps = score_maps(trace_detection(fast_network(1), picture(1), proposals=some_boxes(1)), 0)
    figure = score_maps_figure(maps)
    figure.canvas.draw()
    assert any("nothing moves it\nlength 0" in text.get_text() for text in figure.texts)
    assert "nothing moves it" in str(check_maps(maps))
