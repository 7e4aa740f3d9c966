"""Recall and mean average best overlap, by hand and in plain loops."""

import numpy as np
import pytest

from tinymaskrcnn.data.proposals.recall import recall_report
from tinymaskrcnn.structures import Target


def target(*rows, labels=None, crowd=None):
    boxes = np.array(rows, np.float32).reshape(-1, 4)
    return Target(boxes, np.array(labels or [1] * len(boxes), np.int64), crowd=crowd)


def test_by_hand():
    """Two classes: one object of class 1, two of class 2, of which the second is found by the third box only."""
    first, second = target([0, 0, 10, 10], labels=[1]), target([0, 0, 10, 10], [20, 20, 30, 30], labels=[2, 2])
    boxes = [np.array([[0, 0, 10, 6], [50, 50, 60, 60], [0, 0, 10, 8]], np.float32)]
    boxes += [np.array([[0, 0, 10, 5], [0, 0, 10, 10], [20, 20, 30, 30]], np.float32)]
    report = recall_report([first, second], boxes, counts=(1, 2, 3, 4, 5))
    assert report.counts == (1, 2, 3) and report.pictures == 2 and report.boxes == 3
    np.testing.assert_allclose(report.best, [[0.6, 0.5, 0], [0.6, 1, 0], [0.8, 1, 1]], rtol=1e-6)
    np.testing.assert_allclose(report.mabo(), [(0.6 + 0.25) / 2, (0.6 + 0.5) / 2, 0.9], rtol=1e-6)
    np.testing.assert_allclose(report.recall(0.5), [2 / 3, 2 / 3, 1])
    np.testing.assert_allclose(report.recall(0.7), [0, 1 / 3, 1])
    assert "3 proposals in each of 2 pictures, 3 objects" in report.table()
    assert report.table().splitlines()[-1].split() == ["3", "0.900", "100.0%", "100.0%"]


def test_the_numbers_of_boxes_that_are_looked_at():
    box = np.tile(np.array([[0, 0, 4, 4]]), (1500, 1)).astype(np.float64)
    report = recall_report([target([0, 0, 4, 4]), target()], [box, box[:101]])
    assert report.counts == (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
    assert report.boxes == 1601 / 2 and report.best.dtype == np.float32 and report.pictures == 2
    exactly = recall_report([target([0, 0, 4, 4])], [box[:10]])
    assert exactly.counts == (1, 2, 5, 10)


def test_no_pictures_at_all():
    report = recall_report([], [])
    assert report.counts == (1,) and report.best.shape == (1, 0) and report.boxes == 0 and report.pictures == 0
    assert np.isnan(report.recall(0.5)).all() and report.recall(0.5).shape == report.mabo().shape == (1,)


@pytest.mark.parametrize("seed", range(4))
def test_more_boxes_never_cover_less(seed):
    rng = np.random.default_rng(seed)

    def drawn(count):
        corner = rng.random((count, 2)) * 40
        return np.concatenate([corner, corner + 5 + rng.random((count, 2)) * 30], axis=1).astype(np.float32)

    targets = [target(*drawn(int(rng.integers(0, 4)))) for _ in range(6)]
    boxes = [drawn(int(rng.integers(0, 60))) for _ in range(6)]
    report = recall_report(targets, boxes)
    assert (np.diff(report.best, axis=0) >= 0).all()
    assert report.counts[-1] >= max(map(len, boxes))  # the last line has all of them
    assert report.best.shape == (len(report.counts), sum(map(len, targets)))


def test_few_proposals_and_many_are_counted():
    """Four pictures with 0, 1, 3 and 9 proposals and two objects each, of which a step takes 4 RoIs and at most 8."""
    boxes = [np.ones((n, 4), np.float32) for n in (0, 1, 3, 9)]
    report = recall_report([target([0, 0, 4, 4], [5, 5, 9, 9])] * 4, boxes)
    few, many = report.warnings(samples=4, most=8)
    assert "of 4 pictures 1 have none, 2 have fewer than objects, 3 have fewer than the 4 of roi.samples_per_im" in few
    assert "of 4 pictures 1 have more than 8 proposals, of which the first 8 are used (proposals.most)" in many
    assert len(few) < 500
    assert recall_report([target()] * 2, boxes[2:]).warnings(samples=3, most=9) == []


def test_nothing_is_ordinary_and_crowds_do_not_count():
    nothing = np.zeros((0, 4), np.float32)
    report = recall_report([target([0, 0, 4, 4])], [nothing])
    assert report.counts == (1,) and report.best.tolist() == [[0]] and report.recall(0.5).tolist() == [0]
    bare = recall_report([target()], [np.ones((3, 4), np.float32)])
    assert np.isnan(bare.mabo()).all() and "0 objects" in bare.table()
    crowd = target([0, 0, 4, 4], [0, 0, 8, 8], labels=[3, 5], crowd=np.array([True, False]))
    found = recall_report([crowd], [np.array([[0, 0, 4, 4]], np.float32)])
    assert found.best.tolist() == [[0.25]] and found.labels.tolist() == [5]
    assert recall_report([crowd], [nothing]).best.shape == (1, 1)
    with pytest.raises(ValueError):
        recall_report([target()], [])
