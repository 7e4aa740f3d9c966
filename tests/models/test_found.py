"""What was found keeps its rows together: per image, on the host and among padding."""

import numpy as np
import strict_device

from tinymaskrcnn.models.found import Found, rows_in_use


def found(xp=np):
    boxes = xp.asarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    labels, scores = xp.asarray(np.array([[1, 2, 3], [4, 5, 6]])), xp.asarray(np.linspace(1, 0, 6).reshape(2, 3))
    return Found(boxes, labels, scores, xp.asarray(np.array([[True, False, True], [False, True, False]])))


def test_rows_in_use():
    assert rows_in_use(np.array([False, True, True])).tolist() == [1, 2]
    on_device = rows_in_use(strict_device.xp.asarray(np.array([False, True, True])))
    assert on_device.get().tolist() == [0, 1, 2]  # fixed shapes, and no waiting


def test_what_a_head_says_about_some_rows_stands_beside_their_boxes():
    first = found()
    rows = first.rows_in_use()
    assert rows.tolist() == [0, 2, 4] and first.image_index()[rows].tolist() == [0, 0, 1]
    both = first.and_said("mask", np.array([[7.0], [8.0], [9.0]]), rows).and_said("keypoint", np.ones((3, 1)), rows)
    assert first.said == {} and both.said["mask"][..., 0].tolist() == [[7, 0, 8], [0, 9, 0]]
    image = both.of_image(0)
    assert image.labels.tolist() == [1, 3] and image.said["mask"].tolist() == [[7], [8]]
    assert len(image.boxes) == len(image.scores) == len(image.said["keypoint"]) == 2 and image.valid.all()


def test_from_a_device_comes_what_was_there():
    there = found(strict_device.xp)
    there = there.and_said("mask", strict_device.xp.asarray(np.ones((6, 2, 2), np.float32)), there.rows_in_use())
    here, wanted = there.to_host(), found()
    assert wanted.to_host() is wanted
    for name in ("boxes", "labels", "scores", "valid"):
        np.testing.assert_allclose(getattr(here, name), getattr(wanted, name), rtol=1e-6)
        assert getattr(here, name).dtype == getattr(wanted, name).dtype
    assert here.said["mask"].shape == (2, 3, 2, 2) and here.said["mask"].all()
