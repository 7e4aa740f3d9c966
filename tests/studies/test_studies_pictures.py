"""Pictures of answers: what was measured can be read off them."""

import numpy as np
import pytest
from studies.small_question import ARMS, SMALL, Told, question

from tinymaskrcnn.structures import Target
from tinymaskrcnn.studies import history, pictures
from tinymaskrcnn.studies.answer import answered
from tinymaskrcnn.studies.question import Arm
from tinymaskrcnn.studies.rows import Row


def test_an_answer_is_drawn():
    asked = question()
    table = {"first": {0: 0.5, 1: 0.52}, "second": {0: 0.2, 1: 0.25}}
    left, right = pictures.answer_figure(answered(asked, Told(asked, table))).axes
    points = [line.get_xdata().tolist() for line in left.lines if line.get_marker() == "o"]
    assert points == [[0.5, 0.52], [0.2, 0.25], []]
    [mean] = [line.get_xdata()[0] for line in right.lines if line.get_marker() == "D"]
    assert mean == pytest.approx(-0.285) and "box AP" in left.get_xlabel()


def test_arms_of_several_lengths_are_curves():
    arms = tuple(
        Arm(f"{name}, {n} steps", {"train.steps": n, "train.momentum": m})
        for name, m in (("a", 0.9), ("b", 0.8))
        for n in (4, 2)
    )
    asked = question(arms)
    rows = Told(asked, {arm.name: {0: i / 10, 1: i / 10 + 0.1} for i, arm in enumerate(arms)})
    [ax] = pictures.curves_figure(answered(asked, rows)).axes
    curves = [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in ax.lines]
    assert [x for x, _ in curves] == [[2, 4], [2, 4]] and curves[0][1] == pytest.approx([0.15, 0.05])
    assert pictures.curves_figure(answered(question(), Told(question(), {}))) is None


class Found:
    def __init__(self, scores):
        self.scores = scores

    def get(self, plan):
        score = self.scores.get(plan.digest)
        if score is None:
            return None
        scene = {"boxes": [[10, 10, 30, 40]], "labels": [3], "scores": [score]}
        return Row.of(plan, found=[{"boxes": [], "labels": [], "scores": []}, scene, scene | {"scores": [0.5]}])


def test_the_scene_is_the_one_that_tells_the_arms_apart():
    asked = question(settings=SMALL)
    digests = [asked.plan(arm, 0).digest for arm in ARMS]
    figure = pictures.scene_figure(asked, Found(dict(zip(digests, (0.95, 0.6, 0.7)))))
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["truth", "first", "second", "third"]
    assert any("0.95" in text.get_text() for text in figure.axes[1].texts)
    assert pictures.scene_figure(asked, Found({digests[0]: 0.9})) is None


def test_of_scenes_the_boxes_decide_before_the_scores():
    truth = Target(np.array([[0, 0, 10, 10], [20, 0, 30, 10]], np.float32), np.array([1, 2]), None)
    table = {"boxes": [[0, 0, 10, 10], [20, 0, 30, 5]], "labels": [1, 2], "scores": [0.5, 0.5]}
    assert pictures._covered(truth, table) == pytest.approx(1.5)
    assert pictures._covered(truth, table | {"labels": [2, 2]}) == pytest.approx(0.5)
    nothing = {"boxes": [], "labels": [], "scores": []}
    assert pictures._difference(truth, [table, nothing]) == pytest.approx((1.5, 1.0))


def test_the_history_is_a_point_for_each_system():
    cell = {"mean": 10, "spread": None}
    known = {"box AP": {"mean": 0.5, "spread": 0.1}, "test, ms": cell, "search, ms": cell}
    systems = [{"system": name} | known for name in "ab"]
    systems.append({"system": "c", "box AP": {"mean": None, "spread": None}})
    [ax] = pictures.history_figure(systems).axes
    assert [text.get_text() for text in ax.texts] == ["a", "b"] and ax.get_xscale() == "log"
    assert [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"] == pytest.approx([20, 20])
    assert history.YEARS.keys() == {arm.name for arm in history.HISTORY.arms}
