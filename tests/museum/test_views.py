"""Views: each computes numbers that can travel, the same every time, and each is an exhibit's."""

import json

import numpy as np

from tinymaskrcnn.museum import subjects
from tinymaskrcnn.museum.exhibits import EXHIBITS
from tinymaskrcnn.museum.matrix import difference
from tinymaskrcnn.museum.views import VIEWS
from tinymaskrcnn.museum.worker import opened


def test_all_views_travel_and_repeat():
    package = opened()
    for name in {exhibit.view for exhibit in EXHIBITS.values()}:
        once, again = (json.loads(json.dumps(VIEWS[name](package), allow_nan=False)) for _ in range(2))
        assert difference(once, again) == 0 and once["says"], name
        assert once["kind"] in ("matrix", "curve", "bars", "boxes")


def test_every_view_is_some_exhibits():
    assert set(VIEWS) == {exhibit.view for exhibit in EXHIBITS.values()}


def test_a_scene_has_what_its_targets_say():
    images, targets = subjects.scene(opened(), (2, 1))
    assert images.shape == (2, 64, 64, 1) and targets.valid.sum() == 3
    x1, y1, x2, y2 = targets.boxes[0, 0].astype(int)
    rows, columns = np.nonzero(targets.masks[0, 0])
    assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == [x1, y1, x2, y2]
