"""NMS under a threshold to move: which boxes it takes. What the page computes is asked in a browser."""

import numpy as np
import pytest
from visualize.pictures import GREY

from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.visualize import touch
from tinymaskrcnn.visualize.touch.suppression import MOST


def test_of_very_many_boxes_it_takes_the_best():
    scores = np.random.default_rng(0).permutation(MOST + 50).astype(np.float32)
    boxes = np.tile(np.array([[0, 0, 4, 4]], np.float32), (MOST + 50, 1))
    data = touch.nms(GREY, boxes, scores).data
    assert data["scores"] == sorted(scores.tolist(), reverse=True)[:MOST] and len(data["boxes"]) == MOST


@pytest.mark.parametrize(
    ("boxes", "scores", "threshold", "error", "message"),
    [
        (np.zeros((0, 4)), np.zeros(0), 0.5, ShapeError, r"at least one; got shapes \(0, 4\) and \(0,\)"),
        (np.zeros((2, 4)), np.zeros(3), 0.5, ShapeError, r"got shapes \(2, 4\) and \(3,\)"),
        (np.zeros((1, 4)), np.zeros(1), 1.5, ArgumentError, "between 0 and 1; got 1.5"),
    ],
)
def test_what_does_not_fit_is_named(boxes, scores, threshold, error, message):
    with pytest.raises(error, match=message):
        touch.nms(GREY, boxes, scores, threshold=threshold)
