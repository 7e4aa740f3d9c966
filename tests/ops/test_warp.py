"""ops/warp.py: the definition, SciPy's interpolation, the context where it is counted, and the picture's border."""

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from tinymaskrcnn.backend import to_host
from tinymaskrcnn.errors import ArgumentError, ShapeError
from tinymaskrcnn.ops import naive_family
from tinymaskrcnn.ops.warp import warp_backward, warp_forward, with_context

HEIGHT, WIDTH = 20, 30
RAMP = np.stack(np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5), axis=-1)[None]  # x, y of every centre


def warp(images, box, **options):
    boxes = np.array([box], images.dtype)
    return warp_forward(images, boxes=boxes, image_index=np.zeros(1, np.int64), **options)[0][0]


def drawn(rng, count, dtype=np.float64):
    corner = rng.uniform(-10, 25, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0.5, 25, (count, 2))], axis=1)
    return boxes.astype(dtype), rng.integers(0, 2, count)


def by_scipy(images, boxes, image_index, size, context):
    crops = []
    for (x1, y1, x2, y2), n in zip(boxes, image_index):
        share = (np.arange(size) + 0.5 - context) / (size - 2 * context)
        y, x = np.meshgrid(y1 + share * (y2 - y1), x1 + share * (x2 - x1), indexing="ij")
        place, channels = [y - 0.5, x - 0.5], images[n].transpose(2, 0, 1)
        channels = [map_coordinates(channel, place, order=1, mode="nearest") for channel in channels]
        inside = (y >= 0) & (y <= images.shape[1]) & (x >= 0) & (x <= images.shape[2])
        crops.append(np.stack(channels, axis=-1) * inside[..., None])
    return np.array(crops)


@examples(30)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 9), context=st.integers(0, 4), count=st.integers(0, 3))
def test_equals_the_definition_and_scipy(seed, size, context, count):
    context = min(context, (size - 1) // 2)
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(2, 12, 17, 2))
    boxes, image_index = drawn(rng, count)
    options = dict(boxes=boxes, image_index=image_index, size=size, context=context)
    crops, _ = warp_forward(images, **options)
    np.testing.assert_allclose(crops, naive_family.warp(images, **options), rtol=1e-10, atol=1e-10)
    if count:
        np.testing.assert_allclose(crops, by_scipy(images, boxes, image_index, size, context), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("box", [(8, 6, 18, 14), (9, 5, 13, 11), (10, 8, 22, 11)])
def test_context_is_counted_in_the_crop(box):
    """Of 12 pixels 2 on each side lie outside the box, whatever its size: not 2 pixels of the picture."""
    x1, y1, x2, y2 = box
    crop = warp(RAMP, box, size=12, context=2)
    step_x, step_y = (x2 - x1) / 8, (y2 - y1) / 8
    np.testing.assert_allclose(crop[0, :, 0], x1 + (np.arange(12) - 2 + 0.5) * step_x)  # the box begins at pixel 2 ...
    np.testing.assert_allclose(crop[:, 0, 1], y1 + (np.arange(12) - 2 + 0.5) * step_y)  # ... each side on its own
    in_the_picture = warp(RAMP, (x1 - 2, y1 - 2, x2 + 2, y2 + 2), size=12)
    assert (in_the_picture != crop).any() or (x2 - x1, y2 - y1) == (8, 8)


def test_the_papers_numbers():
    """227 pixels of which 16 on each side: 1.164 times the box, about its centre."""
    x1, y1, x2, y2 = with_context(np.array([[10.0, 20, 110, 60]]), size=227, context=16)[0]
    assert (x2 - x1) / 100 == pytest.approx(227 / 195) == pytest.approx(1.164, abs=1e-3)
    assert (y2 - y1) / 40 == pytest.approx(227 / 195)
    assert (x1 + x2, y1 + y2) == (120, 80)


@pytest.mark.parametrize("box", [(-4, 5, 8, 13), (24, 5, 36, 13), (5, -3, 13, 9), (5, 14, 13, 26)])
def test_beyond_the_border_is_zero_and_nothing_inside_moves(box):
    """As if the picture had a wide margin of zeros: a box at the border is neither moved nor distorted."""
    crop = warp(RAMP, box, size=10, context=1)
    x1, y1, x2, y2 = box
    x = x1 + (np.arange(10) - 1 + 0.5) * (x2 - x1) / 8
    y = y1 + (np.arange(10) - 1 + 0.5) * (y2 - y1) / 8
    inside = ((y > 0) & (y < HEIGHT))[:, None] & ((x > 0) & (x < WIDTH))
    assert 0 < inside.sum() < 100
    assert (crop[~inside] == 0).all()
    where_x, where_y = np.clip(x, 0.5, WIDTH - 0.5), np.clip(y, 0.5, HEIGHT - 0.5)  # the outermost centres go on
    expected = np.stack(np.meshgrid(where_x, where_y), axis=-1)
    np.testing.assert_allclose(crop[inside], expected[inside])


def test_whole_picture_without_context_is_itself(rng):
    image = rng.normal(size=(1, 7, 7, 3))
    np.testing.assert_allclose(warp(image, (0, 0, 7, 7), size=7), image[0], atol=1e-12)


def test_backward_sends_back_as_much_as_was_read(rng):
    images = rng.normal(size=(2, 9, 11, 2))
    boxes, image_index = drawn(rng, 5)
    crops, cache = warp_forward(images, boxes=boxes, image_index=image_index, size=6, context=1)
    dcrops = rng.normal(size=crops.shape)
    np.testing.assert_allclose((warp_backward(dcrops, cache) * images).sum(), (dcrops * crops).sum())


def test_on_a_device_without_a_look_at_it(rng, device):
    from strict_device import counting

    images = rng.normal(size=(2, 9, 11, 2)).astype(np.float32)
    boxes, image_index = drawn(rng, 5, np.float32)
    crops, _ = warp_forward(images, boxes=boxes, image_index=image_index, size=6, context=1)
    there = [device.asarray(x) for x in (images, boxes, image_index)]
    with counting() as cost:
        copy, cache = warp_forward(there[0], boxes=there[1], image_index=there[2], size=6, context=1)
        warp_backward(copy, cache)
    assert cost.synchronisations == cost.sparse_waits and crops.dtype == np.float32
    np.testing.assert_allclose(to_host(copy), crops, rtol=1e-6)


def test_messages():
    images, boxes, image_index = np.zeros((1, 4, 4, 1)), np.zeros((2, 4)), np.zeros(2, np.int64)
    with pytest.raises(ArgumentError, match="warp: context must leave some of 8 pixels for the box; got 4"):
        warp_forward(images, boxes=boxes, image_index=image_index, size=8, context=4)
    with pytest.raises(ShapeError, match="warp_forward: boxes must be"):
        warp_forward(images, boxes=boxes[:, :3], image_index=image_index, size=8)
