"""Transforms where each rule ends: types, both sides, Spans beside pixels, the last pixel that counts."""

import dataclasses

import numpy as np
import pytest
from data.people import ORDER, person

from tinymaskrcnn.data import rle, transforms
from tinymaskrcnn.data.spans import Spans
from tinymaskrcnn.errors import ArgumentError


def as_spans(target):
    codes = rle.encode_many(target.masks)
    return dataclasses.replace(target, masks=Spans.from_rles(codes, size=target.masks.shape[1:]))


@pytest.mark.parametrize(
    "transform",
    [
        lambda image, target: transforms.flip_horizontal(image, target, keypoint_order=ORDER),
        lambda image, target: transforms.scale(image, target, size=(11, 40)),
        lambda image, target: transforms.scale(image, target, size=(40, 11)),
        lambda image, target: transforms.pad(image, target, size=(25, 33)),
        lambda image, target: transforms.crop(image, target, top=5, left=7, height=6, width=4),
        lambda image, target: transforms.crop(image, target, top=0, left=0, height=3, width=3),
    ],
)
def test_spans_go_the_way_of_the_pixels(transform):
    image, target = person()
    target.masks[0, 4:9, 6:13] = False  # its box is larger than what is left of it
    target.masks[0, 13, 6] = True
    moved, plain = transform(image, target)
    again, packed = transform(image, as_spans(target))
    assert isinstance(packed.masks, Spans)
    np.testing.assert_array_equal(moved, again)
    np.testing.assert_array_equal(packed.masks.decode(), plain.masks)
    for name in ("boxes", "labels", "crowd", "keypoints", "areas"):
        ours, theirs = getattr(packed, name), getattr(plain, name)
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype == getattr(target, name).dtype, name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_areas_keep_their_type(dtype):
    image, target = person()
    target = dataclasses.replace(target, areas=target.areas.astype(dtype))
    for moved in (
        transforms.scale(image, target, size=(7, 9))[1],
        transforms.crop(image, target, top=5, left=7, height=6, width=4)[1],
    ):
        assert moved.areas.dtype == dtype and moved.boxes.dtype == np.float32 and moved.keypoints.dtype == np.float32


def test_an_object_stays_as_long_as_a_tenth_of_it_is_seen():
    """Of 100 pixels: 10 are enough, 9 are not, and a mask decides where there is one."""
    image, target = person()
    for masks in (True, False):
        image, target = person(masks=masks)
        for height, count in ((5, 1), (4, 0)):
            _, cut = transforms.crop(image, target, top=0, left=0, height=height, width=30)
            assert len(cut) == count  # row 4 is the first of ten
    image, target = person()
    target.masks[0, 4] = False
    target.masks[0, 4, 6:15] = True  # 9 of 99
    assert len(transforms.crop(image, target, top=0, left=0, height=5, width=30)[1]) == 0
    assert len(transforms.crop(image, target, top=0, left=0, height=5, width=30, min_visible=1 / 11)[1]) == 1
    assert len(transforms.crop(image, target, top=0, left=0, height=4, width=30, min_visible=0)[1]) == 0


@pytest.mark.parametrize("place, stays", [((10, 5), True), ((9.9, 5), False), ((20, 5), True), ((20.1, 5), False)])
def test_a_keypoint_on_the_border_of_a_window_stays(place, stays):
    image, target = person()
    for turned in (False, True):
        x, y = place if not turned else (12, place[0] - 5)
        points = np.array([[[x, y, 1], [0, 0, 0], [0, 0, 0]]], np.float32)
        window = {"top": 5, "left": 10, "height": 10, "width": 10} if turned else {
            "top": 0, "left": 10, "height": 20, "width": 10}  # fmt: skip
        _, cut = transforms.crop(image, dataclasses.replace(target, keypoints=points), **window)
        expected = [x - window["left"], y - window["top"], 1] if stays else [0, 0, 0]
        np.testing.assert_allclose(cut.keypoints[0, 0], expected, atol=1e-5)


@pytest.mark.parametrize("where", [{"top": 1}, {"left": 21}, {"top": -1}, {"left": -1}, {"height": 0}, {"width": 0}])
def test_a_window_lies_in_its_picture_on_every_side(where):
    image, target = person()
    transforms.crop(image, target, top=0, left=20, height=20, width=10)
    with pytest.raises(ArgumentError, match="crop: the window must lie in the image of 30x20 pixels; got x"):
        transforms.crop(image, target, **({"top": 0, "left": 20, "height": 20, "width": 10} | where))


@pytest.mark.parametrize("size", [(0, 4), (4, 0), (-1, 4)])
def test_both_sides_are_at_least_a_pixel(size):
    with pytest.raises(ArgumentError, match="scale: size must be at least 1x1; got"):
        transforms.scale(*person(), size=size)
    with pytest.raises(ArgumentError, match="pad: size must be at least the image's"):
        transforms.pad(*person(), size=(20 + size[0], 30 - 1) if size[0] else (19, 30))


def test_windows_of_chance_reach_every_place():
    image, target = person()
    image = np.arange(20 * 30, dtype=np.float32).reshape(20, 30, 1)
    rng = np.random.default_rng(0)
    first = {
        tuple(np.divmod(int(transforms.random_crop(image, target, size=(18, 28), rng=rng)[0][0, 0, 0]), 30))
        for _ in range(200)
    }
    assert first == {(y, x) for y in range(3) for x in range(3)}
    cut, _ = transforms.random_crop(image, target, size=(99, 99), rng=rng)
    np.testing.assert_array_equal(cut, image)
    kept = [len(transforms.random_crop(image, target, size=(20, 5), rng=rng, min_visible=m)[1]) for m in (0.6,) * 30]
    assert sum(kept) == 0  # half of it at most


@pytest.mark.parametrize("outputs, inputs", [(1, 5), (2, 5), (5, 2), (7, 7), (3, 8), (9, 4)])
def test_nearest_pixels_hold_the_middle(outputs, inputs):
    expected = [int(np.floor((k + 0.5) * inputs / outputs)) for k in range(outputs)]
    assert transforms.nearest_pixels(outputs, inputs).tolist() == expected
