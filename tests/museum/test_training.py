"""A short training with and without a bug: the same without it, other numbers with one, and no line of others."""

import functools

import pytest

from tinymaskrcnn.museum.exhibits import EXHIBITS
from tinymaskrcnn.museum.training import Course
from tinymaskrcnn.museum.visit import visit

SHORT = {"seed": 0, "steps": 12, "pictures": 6}


@functools.cache
def told(name=""):
    return visit(EXHIBITS.get(name), training=SHORT)["training"]


def test_a_detector_is_trained_and_judged():
    assert set(told()) == {"bbox", "segm"} and all(0 <= value <= 1 for value in told().values())


@pytest.mark.parametrize("name", ["colours-to-255", "rounded-forward-smooth-backward"])
def test_what_no_training_comes_by_is_not_trained(name):
    assert told(name) == {"met": False}


def test_a_training_that_stops_says_why():
    assert told("labels-from-zero")["stopped"].startswith("ArgumentError: image")


@pytest.mark.long
def test_a_bug_on_its_way_changes_what_it_comes_to():
    assert visit(EXHIBITS["relu-on-deltas"], training=SHORT | {"steps": 60})["training"] != visit(
        training=SHORT | {"steps": 60}
    )["training"]


def test_the_rate_warms_up_and_falls_at_the_end():
    course = Course(steps=100, learning_rate=0.1)
    rates = [course.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.005) and max(rates) == rates[19] == 0.1
    assert rates[79] == 0.1 and rates[80:] == pytest.approx([0.01] * 20)
