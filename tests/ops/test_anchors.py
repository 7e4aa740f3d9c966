"""ops/anchors.py: values on paper, the order that an RPN output reshapes to, and bad arguments."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.ops import anchors, boxes, naive


def test_base_anchors_of_the_papers():
    base = anchors.base_anchors([32, 64], [0.5, 1, 2])
    assert base.dtype == np.float32
    wanted = [
        [-23, -11, 23, 11],  # ratio = height / width: 0.5 lies
        [-45, -23, 45, 23],
        [-16, -16, 16, 16],
        [-32, -32, 32, 32],
        [-11, -23, 11, 23],
        [-23, -45, 23, 45],
    ]
    assert base.tolist() == wanted


@examples(50)
@given(
    sizes=st.lists(st.integers(4, 200), min_size=1, max_size=3),
    ratios=st.lists(st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0]), min_size=1, max_size=3),
    grid_size=st.tuples(st.integers(0, 3), st.integers(0, 4)),
    stride=st.integers(1, 32),
)
def test_grid_equals_the_definition(sizes, ratios, grid_size, stride):
    found = anchors.grid_anchors(anchors.base_anchors(sizes, ratios), grid_size=grid_size, stride=stride)
    wanted = naive.anchors(sizes, ratios, grid_size=grid_size, stride=stride).reshape(-1, 4)
    assert found.dtype == np.float32
    assert found.shape == (grid_size[0] * grid_size[1] * len(sizes) * len(ratios), 4)
    assert np.abs(found - wanted).max(initial=0) <= 1  # a half pixel may round either way in float32
    assert (found == wanted).mean() > 0.9 if found.size else True


def test_order_is_that_of_a_reshaped_rpn_output():
    base = anchors.base_anchors([16], [0.5, 1, 2])  # A = 3
    found = anchors.grid_anchors(base, grid_size=(2, 4), stride=(8, 10)).reshape(2, 4, 3, 4)
    np.testing.assert_array_equal(found[1, 3, 2] - base[2], [30, 8, 30, 8])  # x moves by columns, y by rows
    centres = boxes.to_center(found[:, :, 1])[..., :2]
    assert centres[0, 0].tolist() == [0, 0]  # on the corner of the cell, without a half cell


def test_pyramid_takes_its_strides_from_the_sizes():
    levels = anchors.pyramid_anchors([8, (16, 20)], [1.0], grid_sizes=[(8, 12), (4, 6)], image_size=(35, 48))
    assert [len(level) for level in levels] == [8 * 12, 4 * 6 * 2]
    assert (levels[0][1] - levels[0][0]).tolist() == [4, 0, 4, 0]  # 48 // 12
    assert (levels[1][12] - levels[1][0]).tolist() == [0, 8, 0, 8]  # 35 // 4


@pytest.mark.parametrize("on_device", [False, True])
def test_crosses_border(on_device, device):
    put = device.asarray if on_device else np.asarray
    found = put(np.array([[0, 0, 10, 8], [-1, 0, 5, 5], [0, -1, 5, 5], [0, 0, 11, 8], [0, 0, 10, 9]], np.float32))
    crosses = to_host(anchors.crosses_border(found, height=8, width=10))
    assert crosses.dtype == bool
    assert crosses.tolist() == [False, True, True, True, True]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_grid_has_the_type_of_its_base(dtype):
    base = anchors.base_anchors([8, 16], [1.0]).astype(dtype) + dtype(0.3)
    found = anchors.grid_anchors(base, grid_size=(2, 3), stride=(5, 7))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.reshape(2, 3, 2, 4)[1, 2], base + np.array([14, 5, 14, 5], dtype))


@pytest.mark.parametrize("wrong", [[-1], [8, 0], [np.inf], [np.nan], [[8, 16]], []])
def test_sizes_and_ratios_are_positive_numbers(wrong):
    for name, call in (("sizes", (wrong, [1])), ("ratios", ([8], wrong))):
        with pytest.raises(ArgumentError, match=f"base_anchors: {name} must be one or more positive numbers"):
            anchors.base_anchors(*call)


@pytest.mark.parametrize(
    "grid", [dict(grid_size=(-1, 2)), dict(grid_size=(2, -1)), dict(stride=(0, 4)), dict(stride=(4, -1))]
)
def test_a_grid_is_named_by_either_side(grid):
    with pytest.raises(ArgumentError, match="grid_anchors: grid_size must be at least 0 and stride above 0; got"):
        anchors.grid_anchors(anchors.base_anchors(8, 1), **{"grid_size": (2, 2), "stride": 4, **grid})
    assert anchors.grid_anchors(anchors.base_anchors(8, 1), grid_size=(0, 2), stride=(0.5, 1)).shape == (0, 4)


@pytest.mark.parametrize("grid_size", [(0, 2), (2, 0), (9, 2), (2, 13)])
def test_a_level_has_no_more_cells_than_the_picture_has_pixels(grid_size):
    with pytest.raises(ArgumentError, match=r"grid_sizes must lie between 1 and image_size \(8, 12\); got"):
        anchors.pyramid_anchors([8], [1], grid_sizes=[grid_size], image_size=(8, 12))
    (level,) = anchors.pyramid_anchors([8], [1], grid_sizes=[(8, 12)], image_size=(8, 12))
    assert (level[1] - level[0]).tolist() == [1, 0, 1, 0]


def test_messages():
    base = anchors.base_anchors(8, 1)
    with pytest.raises(ArgumentError, match=r"base_anchors: sizes must be one or more positive numbers; got \[0.0\]"):
        anchors.base_anchors([0], [1])
    with pytest.raises(ArgumentError, match="base_anchors: ratios"):
        anchors.base_anchors([8], [])
    with pytest.raises(ArgumentError, match="grid_anchors: .* stride above 0; got"):
        anchors.grid_anchors(base, grid_size=(2, 2), stride=0)
    with pytest.raises(ArgumentError, match="sizes_per_level must have one entry per level, 1; got 2"):
        anchors.pyramid_anchors([8, 16], [1], grid_sizes=[(2, 2)], image_size=(8, 8))
    with pytest.raises(ArgumentError, match="grid_sizes must lie between 1 and image_size"):
        anchors.pyramid_anchors([8], [1], grid_sizes=[(9, 2)], image_size=(8, 8))
