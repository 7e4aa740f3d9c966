"""Pictures of what is wrong: the wanted, the given, the difference, where they differ."""

from dataclasses import replace

import numpy as np
import pytest
from drawing_checks import assert_legible, words

from tinymaskrcnn.homework.answer import Answer, local_answer
from tinymaskrcnn.homework.exercises import find_exercise
from tinymaskrcnn.homework.judge import Result, Verdict, Wrong, draw_call, judge
from tinymaskrcnn.homework.picture import MOST, slice_around, wrong_figure
from tinymaskrcnn.visualize import style

EXERCISE = find_exercise("hw01.linear_backward")


def figure_of(change):
    def ask(call):
        return Answer(change(*local_answer(EXERCISE, EXERCISE.blank.reference(), call).output))

    return wrong_figure(judge(EXERCISE, ask))


def test_three_panels_show_where_numbers_differ():
    def change(dx, dw, db):
        dw = dw.copy()
        dw[0, 1] += 3
        return dx, dw, db

    figure = figure_of(change)
    assert_legible(figure)
    assert {"wanted", "yours", "yours - wanted", "3"} <= set(words(figure))
    red = [p for p in figure.axes[1].patches if not p.get_fill()]
    assert [(p.get_x(), p.get_y()) for p in red] == [(1, 0)]


def test_shapes_stand_side_by_side():
    figure = figure_of(lambda dx, dw, db: (dx, dw.T, db))
    assert_legible(figure)
    assert {"wanted: (3, 4)", "yours: (4, 3)"} <= set(words(figure))


def test_right_numbers_of_another_type_have_no_picture():
    assert figure_of(lambda dx, dw, db: (dx.astype(np.float32).round(), dw, db)) is None


@pytest.mark.parametrize("change", [lambda dx, dw, db: None, lambda dx, dw, db: (dx, dw, None)])
def test_without_two_arrays_there_is_no_picture(change):
    assert figure_of(change) is None


def test_right_has_no_picture():
    assert figure_of(lambda *parts: parts) is None


def test_nan_is_drawn_blank():
    assert_legible(figure_of(lambda dx, dw, db: (dx, dw * np.nan, db)))


def test_a_large_array_is_cut_around_the_place():
    array = np.arange(2 * 30 * 40 * 3).reshape(2, 30, 40, 3)
    part, text = slice_around(array, (1, 25, 7, 2))
    assert part.shape == (MOST, MOST) and array[1, 25, 7, 2] in part
    assert text == " [1, :, :, 2] rows 18.., columns 1.."
    assert slice_around(np.arange(3), (2,))[0].tolist() == [[0, 1, 2]]
    assert slice_around(np.float64(4), ())[0].tolist() == [[4]]


@pytest.mark.parametrize("name", ["hw01.linear_backward", "hw01.softmax_cross_entropy_forward"])
def test_a_long_caption_has_its_own_lines_below_the_cells(name):
    long = "dlogits (made of your cache by the package's softmax_cross_entropy_backward)" * 2
    wrong = Wrong(long, np.ones((3, 2)), np.zeros((3, 2)), "")
    figure = wrong_figure(Verdict(find_exercise(name), "wrong", (Result(None, False, wrong=wrong),), 0.0))
    (caption,) = figure.texts
    assert "\n" in caption.get_text() and "outlined in orange" in caption.get_text().replace("\n", " ")
    figure.canvas.draw()
    box = caption.get_window_extent()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1
    assert all(ax.get_window_extent().y0 > box.y1 for ax in figure.axes)
    assert_legible(figure)


def test_a_picture_of_the_exercises_own_comes_first_where_there_is_one():
    asked = []

    def picture(call, want, got):
        asked.append((call, want, got))
        return drawn

    wrong = Wrong("dx", np.ones((3, 2)), np.zeros((3, 2)), "")
    result = Result(None, False, wrong=wrong, call="the call")
    verdict = Verdict(replace(EXERCISE, picture=picture), "wrong", (result,), 0.0)
    drawn = style.new_figure(2, 2)
    assert wrong_figure(verdict) is drawn and asked == [("the call", wrong.want, wrong.got)]
    drawn = None
    general = wrong_figure(Verdict(EXERCISE, "wrong", (result,), 0.0))
    assert words(wrong_figure(verdict)) == words(general)


def test_boxes_are_drawn_for_an_iou_that_is_wrong():
    exercise = find_exercise("hw03.iou_matrix")
    drawn = []
    for case in exercise.cases:
        call = draw_call(exercise, case, seed=0)
        want = exercise.blank.reference()(*call.args)
        if want.size > 40:  # drawn like any other array
            continue
        for got in (want + np.asarray(0.1, want.dtype), want * np.nan, want.T):
            wrong = Wrong("iou", want, got, "")
            figure = wrong_figure(Verdict(exercise, "wrong", (Result(case, False, wrong=wrong, call=call),), 0.0))
            if figure is not None:
                assert_legible(figure)
                drawn += [title for title in words(figure) if title.startswith("IoU of a[")]
    assert "IoU of a[0] and b[0]: wanted 0.1429, yours 0.2429" in drawn


def test_the_title_over_the_boxes_tells_two_ious_apart():
    exercise = find_exercise("hw03.iou_matrix")
    case = next(case for case in exercise.cases if case.name == "tiny boxes")
    call = draw_call(exercise, case, seed=0)
    want = exercise.blank.reference()(*call.args)
    wrong = Wrong("iou", want, want * (1 - 1e-7), "")
    figure = wrong_figure(Verdict(exercise, "wrong", (Result(case, False, wrong=wrong, call=call),), 0.0))
    assert_legible(figure)
    assert "IoU of a[0] and b[0]: wanted 0.142857143, yours 0.142857129" in words(figure)
