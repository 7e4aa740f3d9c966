"""What the RPN is asked to answer, on scenes small enough to count by hand."""

import dataclasses

import numpy as np

from tinymaskrcnn.config import RPNConfig
from tinymaskrcnn.ops import boxes
from tinymaskrcnn.structures import TargetBatch
from tinymaskrcnn.targets.rpn import assign_anchors, rpn_targets

CONFIG = RPNConfig(samples_per_image=4)
ANCHORS = np.array([[0, 0, 10, 10], [20, 20, 30, 30], [21, 20, 31, 30], [-5, 0, 5, 10], [60, 60, 70, 70]], np.float32)


def objects(*rows):
    """A batch of one image with these boxes (none: an image without objects)."""
    m = max(1, len(rows))
    found = np.zeros((1, m, 4), np.float32)
    found[0, : len(rows)] = np.reshape(rows, (-1, 4)) if rows else np.zeros((0, 4))
    valid = np.arange(m)[None] < len(rows)
    return TargetBatch(found, valid.astype(int), np.zeros((1, m, 80, 80), np.uint8), valid)


def test_deltas_of_positive_anchors_decode_to_their_object():
    targets = objects([20, 20, 30, 30], [1, 1, 11, 10])
    answer = rpn_targets(ANCHORS, targets, CONFIG, rng=np.random.default_rng(0))
    assert answer.positive[0].tolist() == [1, 1, 1, 0, 0]
    decoded = boxes.decode(answer.deltas[0], ANCHORS)
    np.testing.assert_allclose(decoded[1:3], [[20, 20, 30, 30]] * 2, atol=1e-5)
    np.testing.assert_allclose(decoded[0], [1, 1, 11, 10], atol=1e-5)
    assert (answer.deltas[0, 3:] == 0).all()


def test_no_objects_means_negatives_only_and_zero_deltas():
    answer = rpn_targets(ANCHORS, objects(), CONFIG, rng=np.random.default_rng(0))
    assert answer.positive.sum() == 0 and answer.weight.sum() == 4
    assert (answer.deltas == 0).all()


def test_border_crossing_anchors_are_ignored_only_when_asked():
    targets = objects([0, 0, 5, 10])
    _, label = assign_anchors(ANCHORS, targets, CONFIG, image_size=(80, 80))
    assert label[0, 3] == 1 or label[0, 0] == 1
    strict = dataclasses.replace(CONFIG, ignore_border_anchors=True)
    _, label = assign_anchors(ANCHORS, targets, strict, image_size=(80, 80))
    assert label[0, 3] == 0


def test_a_border_is_that_of_its_own_side():
    """In a picture of 20 rows and 80 columns: one anchor below it, one beyond it on the right, two inside."""
    anchors = np.array([[60, 5, 70, 15], [5, 60, 15, 70], [75, 5, 85, 15], [70, 10, 80, 20]], np.float32)
    strict = dataclasses.replace(CONFIG, ignore_border_anchors=True)
    _, label = assign_anchors(anchors, objects([0, 0, 5, 5]), strict, image_size=(20, 80))
    assert label[0].tolist() == [-1, 0, 0, -1]


def test_answers_have_the_type_of_the_anchors():
    for dtype in (np.float32, np.float64):
        targets = dataclasses.replace(found := objects([20, 20, 30, 30]), boxes=found.boxes.astype(dtype))
        answer = rpn_targets(ANCHORS.astype(dtype), targets, CONFIG, rng=np.random.default_rng(0))
        assert {answer.positive.dtype, answer.weight.dtype, answer.deltas.dtype} == {np.dtype(dtype)}


def test_same_generator_same_sample():
    targets = objects([20, 20, 30, 30])
    first = rpn_targets(ANCHORS, targets, CONFIG, rng=np.random.default_rng(5))
    second = rpn_targets(ANCHORS, targets, CONFIG, rng=np.random.default_rng(5))
    np.testing.assert_array_equal(first.weight, second.weight)
