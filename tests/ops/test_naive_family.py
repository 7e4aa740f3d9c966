"""ops/naive_family.py: the definitions themselves, on cases that fit on paper."""

import numpy as np

from tinymaskrcnn.ops import naive_family


def test_warp():
    """A picture of 1 2 / 3 4, its box all of it, twice as large with a pixel of context: a ring of nothing."""
    image = np.array([[1.0, 2], [3, 4]]).reshape(1, 2, 2, 1)
    data = dict(boxes=np.array([[0.0, 0, 2, 2]]), image_index=np.array([0]))
    assert naive_family.warp(image, **data, size=2, context=0)[0, ..., 0].tolist() == [[1, 2], [3, 4]]
    ringed = [[0, 0, 0, 0], [0, 1, 2, 0], [0, 3, 4, 0], [0, 0, 0, 0]]
    assert naive_family.warp(image, **data, size=4, context=1)[0, ..., 0].tolist() == ringed
    row = naive_family.warp(image, **data, size=4, context=0)[0, 0, :, 0]
    assert row.tolist() == [1, 1.25, 1.75, 2]


def test_hinge():
    scores, targets = np.array([2.0, 0.25, -3.0]), np.array([1, 1, 1])
    assert naive_family.hinge(scores, targets=targets, weight=np.array([1, 2, 0]), normalizer=3.0) == 2 * 0.75 / 3
    assert naive_family.hinge(scores, targets=-targets, weight=np.ones(3), normalizer=1.0) == 3 + 1.25
