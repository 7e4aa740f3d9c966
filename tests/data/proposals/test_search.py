"""Proposals by the method that is named, in the pixels of the picture that was given."""

import numpy as np
import pytest

from tinymaskrcnn import config_rules
from tinymaskrcnn.config import ProposalConfig
from tinymaskrcnn.data.proposals.search import METHODS, find_proposals, scaled
from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.ops.boxes import iou_matrix


def square(side=64):
    """A bright square in the middle of a picture half as high as it is wide."""
    image = np.full((side, 2 * side, 3), 0.2, np.float32)
    image[side // 4 : side // 2, side // 2 : side] = [0.9, 0.4, 0.1]
    return image, np.array([[side // 2, side // 4, side, side // 2]], np.float32)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_by_its_name(method):
    image, truth = square()
    boxes = find_proposals(image, ProposalConfig(method=method))
    np.testing.assert_array_equal(boxes, METHODS[method](image, ProposalConfig(method=method)))
    assert iou_matrix(truth, boxes).max() > 0.6


def test_a_large_picture_is_searched_at_a_smaller_size():
    image, truth = square(200)
    boxes = find_proposals(image, ProposalConfig(longer_side=100))
    assert iou_matrix(truth, boxes).max() > 0.9
    assert np.array_equal(boxes, np.round(boxes / 4) * 4)  # whole pixels there
    whole = find_proposals(image, ProposalConfig(longer_side=400))
    assert not np.array_equal(whole, np.round(whole / 4) * 4)


def test_a_thin_picture_keeps_a_row_when_it_is_searched_at_a_smaller_size():
    for shape in ((2, 400, 3), (400, 2, 1)):
        boxes = find_proposals(np.zeros(shape, np.float32), ProposalConfig(longer_side=40, min_side=0))
        assert boxes.tolist() == [[0, 0, shape[1], shape[0]]]


def test_boxes_at_another_size():
    boxes = np.array([[0, 0, 10, 20], [5, 10, 7, 20]], np.float32)
    moved = scaled(boxes, old=(20, 10), new=(60, 20))
    assert moved.tolist() == [[0, 0, 20, 60], [10, 30, 14, 60]] and moved.dtype == np.float32


def test_settings():
    assert config_rules.RULES["ProposalConfig"]["method"].wanted == "'selective_search' or 'sliding_window'"
    for wrong, said in (
        ({"measures": ("color+color",)}, "each some of color, texture, size, fill, joined by +"),
        ({"measures": ("taste",)}, "got"),
        ({"color_spaces": ("cmyk",)}, "'hsv', 'lab', 'rgi', 'hue' or 'intensity'"),
        ({"scales": (0,)}, "above 0"),
        ({"method": "luck"}, "'selective_search' or 'sliding_window'; got 'luck'"),
    ):
        with pytest.raises(ConfigError, match=said):
            ProposalConfig(**wrong)
