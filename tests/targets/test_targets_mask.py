"""Mask targets lie on the grid of the prediction."""

import numpy as np

from tinymaskrcnn.targets.mask import mask_targets


def test_a_roi_that_fits_the_object_sees_its_mask():
    masks = np.zeros((1, 2, 32, 32), np.uint8)
    masks[0, 1, 8:16, 4:20] = 1
    rois = np.array([[4, 8, 20, 16], [4, 8, 36, 16]], np.float32)
    targets = mask_targets(masks, rois, np.array([1, 1]), size=8, aligned=True)
    assert targets.shape == (2, 8, 8) and targets.dtype == np.float32
    assert targets[0, 1:-1, 1:-1].min() == 1  # inside: all ink
    assert (targets[1, 1:-1, 1:3] == 1).all() and (targets[1, :, 5:] == 0).all()  # half of the wider RoI
    assert mask_targets(masks, rois, np.array([0, 0]), size=8, aligned=True).max() == 0  # the other object


def test_values_are_shares_of_the_bin():
    masks = np.zeros((1, 1, 16, 16), np.uint8)
    masks[0, 0, :, :6] = 1
    target = mask_targets(masks, np.array([[0, 0, 16, 16]], np.float32), np.array([0]), size=4, aligned=True)
    np.testing.assert_allclose(target[0, 1], [1, 0.5, 0, 0], atol=0.13)
