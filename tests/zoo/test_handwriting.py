"""The detector of handwriting that the package ships reads photographs."""

import numpy as np
import pytest
from benchmarks import handwriting as pages

from tinymaskrcnn.experiment import open_detector
from tinymaskrcnn.zoo.handwriting import handwriting_preset

PICTURES = 9


@pytest.fixture(scope="module")
def detector():
    return open_detector(None, threads=2)


def test_it_looks_at_the_ink_of_pages_of_all_kinds():
    config = handwriting_preset()
    assert config.model.ink and config.scenes.surface == "any"


def read(detector, *, invert=False):
    """[(boxes, names, what was found)] of pictures that are made without the code that makes training pages, and whose
    digits nobody trained on."""
    images, labels = pages.embedded_digits()
    for number in range(PICTURES):
        pixels, boxes, names, _ = pages.make_picture(number, images, labels, height=300)
        [found] = detector.detect([pages.grey(pixels, invert)], encoded=True)
        yield boxes, names, found.select(found.scores >= 0.5)


@pytest.fixture(scope="module")
def readings(detector):
    return list(read(detector))


def score(readings, *, renamed=lambda labels: labels):
    """F1 over all pictures."""
    each = [pages.counts(boxes, names, found.boxes, renamed(found.labels)) for boxes, names, found in readings]
    return pages.f1(*np.sum(each, axis=0))


def test_it_reads_photographs_of_digits_it_has_not_seen(readings):
    assert score(readings) >= 0.7  # measured: see docs/handwriting.md


def test_a_picture_and_its_negative_are_read_alike(detector):
    assert score(read(detector, invert=True)) >= 0.7


def test_the_measurement_notices_names_that_went_wrong(readings):
    assert score(readings, renamed=lambda labels: labels % 10 + 1) < 0.2


def test_counting_takes_each_object_once_and_best_first():
    boxes = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    names = np.array([1, 2])
    found = np.array([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [50, 50, 60, 60]])
    assert pages.counts(boxes, names, found, [1, 1, 3, 2]) == (1, 3, 1)
    assert pages.counts(boxes, names, found[[0, 2]], [1, 2]) == (2, 0, 0)
    assert pages.counts(boxes, names, np.zeros((0, 4)), []) == (0, 0, 2)
    assert pages.f1(2, 0, 0) == 1 and pages.f1(0, 0, 0) == 0
