"""The way back to the picture."""

import numpy as np

from tinymaskrcnn.models.transform import resize_boxes, resize_keypoints


def test_boxes_and_keypoints_follow():
    boxes = np.array([[0, 0, 20, 10], [5, 2, 6, 4]], np.float32)
    moved = resize_boxes(boxes, old=(10, 20), new=(30, 80))
    np.testing.assert_allclose(moved, [[0, 0, 80, 30], [20, 6, 24, 12]])
    assert moved.dtype == np.float32 and boxes[0, 2] == 20
    points = np.array([[[20, 10, 0.5]]])
    np.testing.assert_allclose(resize_keypoints(points, old=(10, 20), new=(30, 80)), [[[80, 30, 0.5]]])
    np.testing.assert_array_equal(resize_boxes(boxes, old=(7, 9), new=(7, 9)), boxes)
