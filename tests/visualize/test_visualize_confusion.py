import numpy as np
import pytest
from drawing_checks import assert_legible, words

from tinymaskrcnn.errors import ShapeError
from tinymaskrcnn.structures import Detections, Target
from tinymaskrcnn.visualize import confusion_figure, confusion_matrix, draw_confusion, style

BOXES = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], np.float32)
ELSEWHERE = np.array([[0, 30, 10, 40]], np.float32)


def found(boxes, labels, scores=None):
    scores = np.linspace(0.9, 0.6, len(labels)) if scores is None else np.array(scores)
    return Detections(np.asarray(boxes, np.float32), np.array(labels, int), scores.astype(np.float32))


def count(truth, detections, **options):
    return confusion_matrix([truth], [detections], num_classes=4, **options)


def table(**entries):
    """table(_11=1): counts with 1 in row 1, column 1."""
    counts = np.zeros((4, 4), int)
    for place, value in entries.items():
        counts[int(place[1]), int(place[2])] = value
    return counts


THREE = Target(BOXES, np.array([1, 2, 3]))


def test_right_wrong_missed_and_invented():
    detections = found([BOXES[0], BOXES[1], ELSEWHERE[0]], [1, 3, 2])
    np.testing.assert_array_equal(count(THREE, detections), table(_11=1, _23=1, _30=1, _02=1))


def test_an_object_found_twice_counts_once_as_right_and_once_as_invented():
    np.testing.assert_array_equal(count(THREE, found([BOXES[0], BOXES[0]], [1, 1])), table(_11=1, _01=1, _20=1, _30=1))


def test_a_low_score_is_a_miss():
    detections = found(BOXES, [1, 2, 3], scores=[0.9, 0.4, 0.5])
    np.testing.assert_array_equal(count(THREE, detections), table(_11=1, _20=1, _33=1))
    np.testing.assert_array_equal(count(THREE, detections, min_score=0.3), table(_11=1, _22=1, _33=1))


def test_a_crowd_is_not_counted():
    crowd = Target(BOXES[:1], np.array([1]), crowd=np.array([True]))
    np.testing.assert_array_equal(count(crowd, found(BOXES[:1], [1])), table())
    np.testing.assert_array_equal(count(crowd, found(BOXES[:0], [])), table())


def test_the_counts_of_several_images_add_up():
    counts = confusion_matrix([THREE, THREE], [found(BOXES, [1, 2, 3]), found(BOXES[:0], [])], num_classes=4)
    np.testing.assert_array_equal(counts, table(_11=1, _22=1, _33=1, _10=1, _20=1, _30=1))
    assert counts[1:].sum() == 6  # every object is in one cell
    with pytest.raises(ShapeError, match="2 truths came with 1 detections"):
        confusion_matrix([THREE, THREE], [found(BOXES, [1, 2, 3])], num_classes=4)


@pytest.mark.parametrize("names", [None, ("background", *"0123456789"), ("background", "a long-haired cat", "dog")])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_count_is_written_in_its_cell(names, theme, rng):
    style.use_theme(theme)
    counts = rng.integers(0, 3, (len(names or range(4)),) * 2) * 7
    counts[0, 0] = 0
    figure = confusion_figure(counts, names)
    style.use_theme("light")
    assert_legible(figure)
    ax = figure.axes[0]
    written = {(int(t.get_position()[1]), int(t.get_position()[0])): int(t.get_text()) for t in ax.texts}
    assert written == {tuple(place): counts[tuple(place)] for place in np.argwhere(counts).tolist()}
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # row 0 on top
    assert [label.get_text() for label in ax.get_xticklabels()][0] == "missed"
    assert f"{np.trace(counts)} of {counts[1:].sum()} objects right" in words(figure)


def test_the_title_and_the_matrix_keep_to_the_edges_of_the_page():
    figure = confusion_figure(table(_11=5, _12=1, _20=2), ("background", "a", "b", "c"))
    figure.canvas.draw()
    (title,) = figure.texts
    said, matrix = (part.get_window_extent() for part in (title, figure.axes[0]))
    inches = np.array(figure.bbox.max) / figure.dpi
    assert 0.05 < inches[1] - said.y1 / figure.dpi < 0.15
    assert 0.06 < matrix.y0 / figure.dpi < 0.15 and 0.1 < inches[0] - matrix.x1 / figure.dpi < 0.2
    assert (said.x0 + said.x1) / 2 == pytest.approx((matrix.x0 + matrix.x1) / 2, abs=2)


def test_what_is_no_matrix_is_refused():
    with pytest.raises(ShapeError, match=r"counts must be \(K, K\)"):
        confusion_figure(np.zeros((2, 3)))


def test_the_matrix_alone_goes_on_axes_of_ones_own():
    counts = table(_11=5, _12=1, _20=2, _33=4, _03=1)
    own = style.new_figure(4, 4).add_axes((0.2, 0.05, 0.75, 0.75))
    assert draw_confusion(counts, ("background", "a", "b", "c"), ax=own) is own
    assert sorted(t.get_text() for t in own.texts) == ["1", "1", "2", "4", "5"]
    assert [t.get_text() for t in own.get_yticklabels()] == ["nothing", "a", "b", "c"]
    assert_legible(own.figure)
    assert words(draw_confusion(counts).figure) == words(confusion_figure(counts))
    with pytest.raises(ShapeError, match="draw_confusion: counts must be"):
        draw_confusion(np.zeros((2, 3)))
