"""IoU to drag: where the boxes start. What the page computes is asked in a browser: docs/test_touch_in_a_browser.py."""

import numpy as np
import pytest

from tinymaskrcnn.errors import ShapeError
from tinymaskrcnn.visualize import touch


def test_both_boxes_and_the_picture_are_within_the_stage():
    data = touch.iou([-5, 3, 10, 90], [40, -7, 60.5, 20]).data
    x1, y1, x2, y2 = data["window"]
    for box in (data["a"], data["b"]):
        assert x1 < box[0] and y1 < box[1] and x2 > box[2] and y2 > box[3]
    assert touch.iou([1, 1, 2, 2], [1, 1, 2, 2], image=np.zeros((30, 20, 1))).data["extent"] == [0, 0, 20, 30]


def test_what_is_no_box_is_named():
    with pytest.raises(ShapeError, match=r"touch.iou: a and b must be \(4,\) .* got shapes \(3,\) and \(4,\)"):
        touch.iou([1, 2, 3], [1, 2, 3, 4])
