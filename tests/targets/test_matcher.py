"""The matcher against the definition in words, box by box."""

import numpy as np
from hypothesis import given, settings
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


@settings(max_examples=60, deadline=None)
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
