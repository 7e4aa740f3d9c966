"""The matcher against the definition in words, box by box."""

import numpy as np
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.targets.matcher import NEGATIVE, NEUTRAL, POSITIVE, match


def match_by_words(iou, valid, positive, negative, low_quality):
    """Faster R-CNN, section 3.1.2, one anchor and one object at a time."""
    n, k, m = iou.shape
    matched, label = np.zeros((n, k), int), np.zeros((n, k), int)
    for i in range(n):
        objects = [j for j in range(m) if valid[i, j]]
        for a in range(k):
            best = max((iou[i, a, j] for j in objects), default=-1)
            matched[i, a] = next((j for j in objects if iou[i, a, j] == best), 0)
            label[i, a] = POSITIVE if best >= positive else NEGATIVE if best < negative else NEUTRAL
            for j in objects:
                top = max(iou[i, b, j] for b in range(k))
                if low_quality and iou[i, a, j] == top and top > 0:
                    label[i, a] = POSITIVE
    return matched, label


@examples(60)
@given(st.data())
def test_match_equals_the_definition(data):
    n, k, m = (data.draw(st.integers(1, high)) for high in (3, 6, 4))
    levels = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 0.9])  # ties and thresholds are common on purpose
    iou = np.array(data.draw(st.lists(levels, min_size=n * k * m, max_size=n * k * m))).reshape(n, k, m)
    valid = np.array(data.draw(st.lists(st.booleans(), min_size=n * m, max_size=n * m))).reshape(n, m)
    low_quality = data.draw(st.booleans())
    matched, label = match(iou, valid, positive_iou=0.7, negative_iou=0.3, low_quality=low_quality)
    wanted_matched, wanted_label = match_by_words(iou, valid, 0.7, 0.3, low_quality)
    np.testing.assert_array_equal(label, wanted_label)
    np.testing.assert_array_equal(matched[valid.any(axis=1)], wanted_matched[valid.any(axis=1)])


def test_an_image_without_objects_has_only_negatives():
    matched, label = match(np.zeros((1, 5, 1)), np.zeros((1, 1), bool), positive_iou=0.7, negative_iou=0.3)
    assert (label == NEGATIVE).all()


def test_positive_from_0_3_up_leaves_no_neutral_band():
    """The handout's threshold: with 0.3 for both, nothing is neutral; with the papers' 0.7 there is a band."""
    iou = np.linspace(0, 1, 101).reshape(1, 101, 1)
    valid = np.ones((1, 1), bool)
    assert (match(iou, valid, positive_iou=0.3, negative_iou=0.3)[1] == NEUTRAL).sum() == 0
    assert (match(iou, valid, positive_iou=0.7, negative_iou=0.3)[1] == NEUTRAL).sum() == 40


def test_an_object_below_the_threshold_still_gets_its_best_anchors_ties_included():
    iou = np.array([[[0.4], [0.4], [0.35]]])
    label = match(iou, np.ones((1, 1), bool), positive_iou=0.7, negative_iou=0.3, low_quality=True)[1]
    assert label.tolist() == [[POSITIVE, POSITIVE, NEUTRAL]]


def test_what_overlaps_nothing_makes_nothing_positive():
    """A valid object far from every box, and padding, beside one that two boxes share."""
    iou = np.array([[[0.4, 0.0, 0.9], [0.2, 0.0, 0.9], [0.0, 0.0, 0.9]]])
    valid = np.array([[True, True, False]])
    matched, label = match(iou, valid, positive_iou=0.7, negative_iou=0.3, low_quality=True)
    assert label.tolist() == [[POSITIVE, NEGATIVE, NEGATIVE]] and matched[0, :2].tolist() == [0, 0]
    assert match(iou, valid, positive_iou=0.7, negative_iou=0.3)[1].tolist() == [[NEUTRAL, NEGATIVE, NEGATIVE]]


def test_ties_and_thresholds_are_told_apart_to_the_last_digit():
    """In float64 what float32 would round to a tie, and one below a threshold that float32 would round up to it."""
    more = np.nextafter(0.75, 1)
    iou = np.array([[[0.75, more], [more, 0.75], [np.nextafter(0.75, 0), 0.0], [np.nextafter(0.25, 0), 0.0]]])
    settings = dict(positive_iou=0.75, negative_iou=0.25)
    matched, label = match(iou, np.ones((1, 2), bool), **settings)
    assert matched[0].tolist() == [1, 0, 0, 0] and label[0].tolist() == [POSITIVE, POSITIVE, NEUTRAL, NEGATIVE]
    iou = iou[:, :, :1]
    _, label = match(iou * 0.9, np.ones((1, 1), bool), low_quality=True, **settings)
    assert label[0].tolist() == [NEUTRAL, POSITIVE, NEUTRAL, NEGATIVE]  # the best alone, not the one that is next to it
