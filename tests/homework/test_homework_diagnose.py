"""Mistakes by name."""

import dataclasses

import numpy as np
import pytest

from tinymaskrcnn.homework.answer import Answer, local_answer
from tinymaskrcnn.homework.diagnose import diagnosed, imitation
from tinymaskrcnn.homework.exercise import Mistake
from tinymaskrcnn.homework.exercises import find_exercise
from tinymaskrcnn.homework.judge import judge

EXERCISE = find_exercise("hw01.linear_backward")
PLAIN = dataclasses.replace(EXERCISE, mistakes=())


def verdict_of(change, exercise=PLAIN):
    """The diagnosis of the right answer after a change."""

    def ask(call):
        return Answer(change(*local_answer(EXERCISE, EXERCISE.blank.reference(), call).output))

    return diagnosed(judge(exercise, ask))


def test_a_count_of_results_is_told():
    verdict = verdict_of(lambda dx, dw, db: (dx, dw))
    assert "returns 2 things; wanted 3: dx, dweight, dbias" in verdict.diagnosis


def test_a_known_mistake_goes_before_a_description():
    verdict = verdict_of(lambda dx, dw, db: (dx, dw, db), EXERCISE)
    assert verdict.word == "right" and verdict.diagnosis == ""
    mistake = EXERCISE.mistakes[0]
    function = imitation(EXERCISE, mistake)
    verdict = diagnosed(judge(EXERCISE, lambda call: local_answer(EXERCISE, function, call)))
    assert verdict.diagnosis == mistake.says


def test_a_mistake_is_named_only_when_it_explains_the_answer():
    verdict = verdict_of(lambda dx, dw, db: (dx, dw, db * 0.37), EXERCISE)
    assert verdict.diagnosis not in [m.says for m in EXERCISE.mistakes]


def test_an_edit_that_does_not_fit_is_an_error():
    with pytest.raises(ValueError, match="must stand in the solution once; it does 0 times"):
        imitation(EXERCISE, Mistake("no such line", (("never written", ""),)))


def test_writing_into_an_argument_is_not_taken_for_a_mistake_that_leaves_it_alone():
    exercise = find_exercise("hw01.sum_grads")
    function = imitation(exercise, exercise.mistakes[0])  # adds into the first term
    others = dataclasses.replace(exercise, mistakes=exercise.mistakes[1:])
    verdict = diagnosed(judge(others, lambda call: local_answer(others, function, call)))
    assert verdict.diagnosis.startswith("you write into gradients[0]: what you were given is read-only")
    assert verdict.diagnosis not in [m.says for m in exercise.mistakes]


def test_writing_into_an_argument_is_said_before_what_follows_from_it(tmp_path):
    from homework.bodies import fill

    from tinymaskrcnn.homework.check import check_file

    body = """
    x, weight = cache
    dbias = dy[0]
    for row in dy[1:]:
        dbias += row
    return dy @ weight.T, x.T @ dy, dbias
    """
    path = tmp_path / "hw01.py"
    path.write_text(fill("hw01", {EXERCISE.id: body}))
    (verdict,) = check_file(path, only=[EXERCISE.id])
    line = 1 + path.read_text().splitlines().index("        dbias += row")
    assert verdict.first.wrong.name == "dx"  # which is not to blame
    assert verdict.diagnosis.startswith(f"you write into dy (line {line}): dbias is no array of its own, but a view")


def test_nan_alone_gives_no_mistake_its_name():
    exercise = find_exercise("hw01.softmax_cross_entropy_forward")
    alike = [m for m in exercise.mistakes if m.says.startswith("exp is missing")]
    few = dataclasses.replace(exercise, mistakes=tuple(alike))

    def ask(call):
        loss, cache = local_answer(exercise, exercise.blank.reference(), call).output
        return Answer((loss * np.nan if abs(loss) > 100 else loss, cache))

    assert diagnosed(judge(few, ask)).diagnosis.startswith("loss holds NaN")


def test_failing_where_a_mistake_fails_is_not_enough_to_be_named():
    exercise = find_exercise("hw02.image_to_columns")
    right = exercise.blank.reference()

    def fails_with_wide_borders(x, kernel, stride, padding, dilation, windows):
        if padding[1] > 1:
            raise ValueError("something else")
        return right(x, kernel, stride, padding, dilation, windows)

    verdict = diagnosed(judge(exercise, lambda call: local_answer(exercise, fails_with_wide_borders, call)))
    assert verdict.first.case.name == "a border" and not verdict.known


def test_an_exception_is_put_into_words():
    def product(dy, cache):
        return cache[0] @ dy

    verdict = diagnosed(judge(EXERCISE, lambda call: local_answer(EXERCISE, product, call)))
    assert verdict.known and "the inner sides of a matrix product must agree" in verdict.diagnosis


def test_values_of_a_layer_are_said_to_change_only_when_they_do():
    exercise = find_exercise("hw01.linear_layer_backward")

    def lost(self, dy, cache):
        return dy @ cache[1].T

    def moved(self, dy, cache):
        self.bias.value = self.bias.value - 0.5
        return dy @ cache[1].T

    said = [
        diagnosed(judge(exercise, lambda call, f=f: local_answer(exercise, f, call))).diagnosis for f in (lost, moved)
    ]
    assert said[0].startswith("nothing arrived in weight.grad and bias.grad")
    assert said[1].startswith("you change the values of the parameters: a backward adds into grad")
