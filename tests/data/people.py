"""An image with a person, for tests that flip, cut and resize."""

import numpy as np

from tinymaskrcnn.data import transforms
from tinymaskrcnn.structures import Target

ORDER = transforms.mirrored_order(["left_eye", "right_eye", "nose"])


def person(*, masks=True):
    """An image of 20 x 30 whose object has a keypoint on its left, one on its right, and one that is absent."""
    image = np.random.default_rng(0).random((20, 30, 3), dtype=np.float32)
    mask = np.zeros((1, 20, 30), bool)
    mask[0, 4:14, 6:16] = True
    points = np.array([[[8, 5, 2], [14, 5, 1], [0, 0, 0]]], np.float32)
    box, label, area = np.array([[6, 4, 16, 14]], np.float32), np.array([3]), np.array([100.0])
    return image, Target(box, label, mask if masks else None, np.array([False]), points, area)
