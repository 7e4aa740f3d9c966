"""Suggested anchor sizes: they find clusters, are never worse than where they began, and fit as the anchors do."""

import numpy as np
import pytest

from tinymaskrcnn.ops.boxes import iou_matrix
from tinymaskrcnn.train.anchor_sizes import shared_shapes, suggest_sizes


def boxes_of(sides):
    return np.concatenate([np.zeros_like(sides), sides], axis=1)


def test_clusters_are_found():
    rng = np.random.default_rng(0)
    middles = np.array([10.0, 40.0, 160.0])
    sides = middles[rng.integers(0, 3, 300)][:, None] * rng.uniform(0.97, 1.03, (300, 2))
    sizes, iou = suggest_sizes(boxes_of(sides), 3)
    np.testing.assert_allclose(sizes, middles, rtol=0.03)
    assert iou.min() > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_they_fit_at_least_as_well_as_equal_shares(seed):
    rng = np.random.default_rng(seed)
    sides = np.exp(rng.normal(3, 1, (80, 2)))
    sizes, iou = suggest_sizes(boxes_of(sides), 5)
    shares = np.quantile(np.sqrt(sides.prod(axis=1)), [0.1, 0.3, 0.5, 0.7, 0.9])
    assert (np.diff(sizes) >= 0).all() and len(iou) == 80
    assert iou.mean() >= shared_shapes(sides, shares, (0.5, 1, 2)).max(axis=1).mean()
    np.testing.assert_allclose(iou, shared_shapes(sides, sizes, (0.5, 1, 2)).max(axis=1))


def test_the_iou_is_that_of_boxes_around_the_same_centre():
    rng = np.random.default_rng(1)
    sides, sizes, ratios = rng.uniform(5, 60, (20, 2)), (12.0, 30.0), (0.5, 1.0, 3.0)
    shapes = np.array([(size / ratio**0.5, size * ratio**0.5) for size in sizes for ratio in ratios])
    anchors, boxes = (np.concatenate([100 - each / 2, 100 + each / 2], axis=1) for each in (shapes, sides))
    wanted = iou_matrix(boxes, anchors).reshape(20, 2, 3).max(axis=2)
    np.testing.assert_allclose(shared_shapes(sides, sizes, ratios), wanted)


def test_fewer_objects_than_sizes():
    sizes, iou = suggest_sizes(np.array([[0, 0, 20, 20.0]]), 5)
    np.testing.assert_allclose(sizes, 20)
    np.testing.assert_allclose(iou, 1)
