"""What is kept of a scene comes back as it was, but rounded."""

import json

import numpy as np

from tinymaskrcnn.data import rle
from tinymaskrcnn.structures import Detections
from tinymaskrcnn.studies.sketch import MOST, drawn_from, sketched


def found(count, rng):
    masks = rng.random((count, 12, 10)) > 0.5
    scores = np.sort(rng.uniform(0.2, 1, count)).astype(np.float32)[::-1]
    boxes = np.sort(rng.uniform(0, 10, (count, 2, 2)), axis=1).reshape(count, 4)
    return Detections(boxes, rng.integers(1, 11, count), scores, masks=rle.encode_many(masks)), masks


def test_a_sketch_holds_the_best_and_comes_back():
    rng = np.random.default_rng(0)
    for count in (0, 1, 5, 20):
        detections, masks = found(count, rng)
        back = drawn_from(json.loads(json.dumps(sketched(detections))), size=(12, 10))
        kept = min(MOST, int((detections.scores >= 0.3).sum()))
        assert len(back) == kept
        np.testing.assert_allclose(back.boxes, detections.boxes[:kept], atol=0.051)
        np.testing.assert_allclose(back.scores, detections.scores[:kept], atol=0.0051)
        np.testing.assert_array_equal(back.labels, detections.labels[:kept])
        np.testing.assert_array_equal(rle.decode_many(back.masks, size=(12, 10)), masks[:kept])


def test_a_detector_of_boxes_has_no_masks():
    detections = Detections(np.ones((1, 4)), np.array([1]), np.array([0.9], np.float32))
    assert drawn_from(sketched(detections), size=(4, 4)).masks is None
