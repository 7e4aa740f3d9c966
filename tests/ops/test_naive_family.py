"""ops/naive_family.py: the definitions themselves, on cases that fit on paper."""

import numpy as np
import pytest

from tinymaskrcnn.ops import naive_family

RAMP = np.arange(1.0, 10).reshape(1, 3, 3, 1)  # 1 2 3 / 4 5 6 / 7 8 9


def test_warp():
    """A picture of 1 2 / 3 4, its box all of it, twice as large with a pixel of context: a ring of nothing."""
    image = np.array([[1.0, 2], [3, 4]]).reshape(1, 2, 2, 1)
    data = dict(boxes=np.array([[0.0, 0, 2, 2]]), image_index=np.array([0]))
    assert naive_family.warp(image, **data, size=2, context=0)[0, ..., 0].tolist() == [[1, 2], [3, 4]]
    ringed = [[0, 0, 0, 0], [0, 1, 2, 0], [0, 3, 4, 0], [0, 0, 0, 0]]
    assert naive_family.warp(image, **data, size=4, context=1)[0, ..., 0].tolist() == ringed
    row = naive_family.warp(image, **data, size=4, context=0)[0, 0, :, 0]
    assert row.tolist() == [1, 1.25, 1.75, 2]


def test_hinge():
    scores, targets = np.array([2.0, 0.25, -3.0]), np.array([1, 1, 1])
    assert naive_family.hinge(scores, targets=targets, weight=np.array([1, 2, 0]), normalizer=3.0) == 2 * 0.75 / 3
    assert naive_family.hinge(scores, targets=-targets, weight=np.ones(3), normalizer=1.0) == 3 + 1.25


def crop(operator, box, output_size=(1, 2), aligned=False):
    data = dict(image_index=np.array([1]), output_size=output_size, scale=0.5, aligned=aligned)
    return operator(np.concatenate([0 * RAMP, RAMP]), np.array([box], float), **data)[0, ..., 0].tolist()


def test_roi_warp_reads_at_the_start_of_each_bin():
    assert crop(naive_family.roi_warp, (0, 2, 2, 4)) == [[4, 4.5]]
    assert crop(naive_family.roi_warp, (0, 2, 2, 4), aligned=True) == [[(1 + 4) / 2 * 0.5, (1 + 4) / 2]]
    assert crop(naive_family.roi_warp, (5, 4, 7, 8)) == [[4.5, 0]]


def test_prroi_pool_is_the_mean_over_each_bin():
    assert crop(naive_family.prroi_pool, (0, 0, 4, 4)) == [[4.5, 5.5]]
    assert crop(naive_family.prroi_pool, (1, 1, 5, 5), aligned=True) == [[4.5, 5.5]]
    assert crop(naive_family.prroi_pool, (4, 0, 8, 4)) == [[3, 0]]  # from 6 in the mean, falling to nothing
    assert crop(naive_family.prroi_pool, (2, 0, 2, 4)) == crop(naive_family.prroi_pool, (2, 3, 4, 1)) == [[0, 0]]


@pytest.mark.parametrize("t, wanted", [(-2, 0), (-1, 0), (-0.5, 0.125), (0, 0.5), (0.5, 0.875), (1, 1), (3, 1)])
def test_tent_integral(t, wanted):
    assert naive_family.tent_integral(t) == wanted


def test_roi_align_edges():
    """On a ramp of slope 1 to the right and 3 down, a point at a share of the way goes that share with each edge."""
    data = dict(image=RAMP[0], output_size=(1, 1), scale=0.5, aligned=False)
    edges = naive_family.roi_align_edges(np.full((1, 1, 1), 8.0), box=[1.0, 1, 3, 3], samples=1, **data)
    assert edges.tolist() == [2, 6, 2, 6]  # 8 * slope * scale, half of it for each edge
    edges = naive_family.roi_align_edges(np.full((1, 1, 1), 8.0), box=[0.0, 1, 1, 3], samples=1, **data)
    assert edges.tolist() == [4, 6, 0, 6]  # held at one pixel: the start alone moves it
    edges = naive_family.roi_align_edges(np.full((1, 1, 1), 8.0), box=[3.0, 1, 6, 3], samples=1, **data)
    assert edges.tolist() == [0, 6, 0, 6]  # beyond the last centre the map is flat
