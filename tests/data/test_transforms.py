import numpy as np
import pytest
from data.people import ORDER, person
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st

from tinymaskrcnn.data import transforms
from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.structures import Target

sides = st.integers(1, 24)


@st.composite
def samples(draw):
    """An image, and objects whose boxes enclose their masks; sometimes none, sometimes crowds."""
    height, width, channels = draw(sides), draw(sides), draw(st.sampled_from([1, 3]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(0, 3))
    masks = np.zeros((count, height, width), bool)
    boxes = np.zeros((count, 4), np.float32)
    for k in range(count):
        y, x = rng.integers(height), rng.integers(width)
        h, w = rng.integers(1, height - y + 1), rng.integers(1, width - x + 1)
        masks[k, y : y + h, x : x + w] = True
        boxes[k] = x, y, x + w, y + h
    crowd = rng.random(count) < 0.5 if draw(st.booleans()) else None
    labels = rng.integers(1, 11, count)
    return rng.random((height, width, channels), dtype=np.float32), Target(boxes, labels, masks, crowd)


def boxes_of(masks):
    boxes = np.zeros((len(masks), 4), np.float32)
    for k, mask in enumerate(masks):
        ys, xs = np.nonzero(mask)
        boxes[k] = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    return boxes


def sound(image, target, original):
    height, width = image.shape[:2]
    target.validate(height=height, width=width)
    assert image.dtype == np.float32 and target.boxes.dtype == np.float32 and target.masks.dtype == bool
    np.testing.assert_array_equal(target.labels, original.labels)
    if original.crowd is not None:
        np.testing.assert_array_equal(target.crowd, original.crowd)


def locked(image, target):
    for array in (image, target.boxes, target.masks, target.labels):
        array.setflags(write=False)
    return image, target


@examples(40)
@given(samples())
def test_a_flip_moves_pixels_boxes_and_masks_alike_and_undoes_itself(sample):
    image, target = locked(*sample)
    flipped, turned = transforms.flip_horizontal(image, target)
    sound(flipped, turned, target)
    np.testing.assert_array_equal(flipped[:, 0], image[:, -1])
    np.testing.assert_array_equal(turned.boxes, boxes_of(turned.masks))
    again, back = transforms.flip_horizontal(flipped, turned)
    np.testing.assert_array_equal(again, image)
    np.testing.assert_array_equal(back.boxes, target.boxes)
    np.testing.assert_array_equal(back.masks, target.masks)


@examples(60)
@given(samples(), sides, sides)
def test_scaling_moves_boxes_with_masks(sample, height, width):
    image, target = locked(*sample)
    scaled, moved = transforms.scale(image, target, size=(height, width))
    assert scaled.shape == (height, width, image.shape[2])
    sound(scaled, moved, target)
    seen = moved.masks.any(axis=(1, 2))
    np.testing.assert_allclose(moved.boxes[seen], boxes_of(moved.masks[seen]), atol=0.5 + 1e-4)  # half a pixel
    assert scaled.min() >= image.min() - 1e-6 and scaled.max() <= image.max() + 1e-6


@given(samples())
@examples(20)
def test_scaling_to_the_same_size_changes_nothing(sample):
    image, target = sample
    scaled, moved = transforms.scale(image, target, size=image.shape[:2])
    np.testing.assert_allclose(scaled, image, atol=1e-6)
    np.testing.assert_array_equal(moved.masks, target.masks)
    np.testing.assert_allclose(moved.boxes, target.boxes)


def test_doubling_repeats_every_pixel_of_a_mask():
    mask = np.array([[[1, 0], [0, 1]]], bool)
    target = Target(np.array([[0, 0, 2, 2]], np.float32), np.array([1]), mask)
    _, doubled = transforms.scale(np.ones((2, 2, 1), np.float32), target, size=(4, 6))
    np.testing.assert_array_equal(doubled.masks[0], np.kron(mask[0], np.ones((2, 3))))
    assert doubled.boxes.tolist() == [[0, 0, 6, 4]]


@examples(40)
@given(samples(), sides, sides)
def test_padding_adds_black_below_and_right(sample, below, right):
    image, target = locked(*sample)
    size = (image.shape[0] + below, image.shape[1] + right)
    padded, moved = transforms.pad(image, target, size=size)
    assert padded.shape[:2] == size
    sound(padded, moved, target)
    np.testing.assert_array_equal(padded[: image.shape[0], : image.shape[1]], image)
    np.testing.assert_array_equal(moved.boxes, boxes_of(moved.masks))
    assert not padded[image.shape[0] :].any() and not padded[:, image.shape[1] :].any()


def empty(height, width):
    none = Target(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros((0, height, width), bool))
    return np.zeros((height, width, 1), np.float32), none


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(60, 80, (30, 40)), (80, 60, (40, 30)), (20, 100, (10, 50)), (1, 1000, (1, 50))]
)
def test_scale_to_keeps_the_aspect_ratio(height, width, expected):
    image, _ = transforms.scale_to(*empty(height, width), shorter=30, longer=50)
    assert image.shape[:2] == expected


def test_compose_applies_from_first_to_last():
    def shrink(image, target):
        return transforms.scale(image, target, size=(2, 4))

    def grow(image, target):
        return transforms.pad(image, target, size=(9, 9))

    image, target = transforms.compose(shrink, grow)(*empty(8, 16))
    assert image.shape == (9, 9, 1) and target.masks.shape == (0, 9, 9)


def test_impossible_sizes_are_refused():
    with pytest.raises(ArgumentError, match=r"scale: size must be at least 1x1; got \(0, 4\)"):
        transforms.scale(*empty(4, 4), size=(0, 4))
    with pytest.raises(ArgumentError, match=r"pad: size must be at least the image's \(4, 4\); got \(5, 3\)"):
        transforms.pad(*empty(4, 4), size=(5, 3))


# ---------------------------------------------------------------- keypoints, areas, crops


def test_mirrored_order():
    assert ORDER == [1, 0, 2]
    assert transforms.mirrored_order(["left_ear", "tail"]) == [0, 1]  # no right ear to change places with


def test_a_flip_makes_left_points_right_ones_and_undoes_itself():
    image, target = person()
    flipped, turned = transforms.flip_horizontal(image, target, keypoint_order=ORDER)
    np.testing.assert_array_equal(turned.keypoints, [[[16, 5, 1], [22, 5, 2], [0, 0, 0]]])
    assert turned.areas.tolist() == [100]
    _, back = transforms.flip_horizontal(flipped, turned, keypoint_order=ORDER)
    np.testing.assert_array_equal(back.keypoints, target.keypoints)


def test_a_flip_needs_to_know_the_partners():
    for order in (None, [1, 0]):
        with pytest.raises(ArgumentError, match="keypoint_order must name a partner for each of 3 keypoints"):
            transforms.flip_horizontal(*person(), keypoint_order=order)


def test_scaling_moves_points_and_areas():
    _, target = transforms.scale(*person(), size=(40, 15))
    np.testing.assert_array_equal(target.keypoints, [[[4, 10, 2], [7, 10, 1], [0, 0, 0]]])
    np.testing.assert_array_equal(target.boxes, [[3, 8, 8, 28]])
    assert target.areas.tolist() == [100] and target.keypoints.dtype == np.float32


@pytest.mark.parametrize(
    "transform",
    [
        lambda image, target: transforms.flip_horizontal(image, target, keypoint_order=ORDER),
        lambda image, target: transforms.scale(image, target, size=(11, 40)),
        lambda image, target: transforms.pad(image, target, size=(25, 30)),
        lambda image, target: transforms.crop(image, target, top=5, left=2, height=10, width=12),
    ],
)
def test_targets_without_masks_go_the_same_way(transform):
    moved, with_masks = transform(*person())
    _, without = transform(*person(masks=False))
    assert without.masks is None and with_masks.masks.shape[1:] == moved.shape[:2]
    np.testing.assert_array_equal(without.boxes, with_masks.boxes)
    np.testing.assert_array_equal(without.keypoints, with_masks.keypoints)


def test_a_crop_cuts_boxes_masks_points_and_areas():
    image, target = locked(*person())
    cut, rest = transforms.crop(image, target, top=5, left=10, height=9, width=20)
    np.testing.assert_array_equal(cut, image[5:14, 10:30])
    np.testing.assert_array_equal(rest.masks, target.masks[:, 5:14, 10:30])
    np.testing.assert_array_equal(rest.boxes, [[0, 0, 6, 9]])
    np.testing.assert_array_equal(rest.keypoints, [[[0, 0, 0], [4, 0, 1], [0, 0, 0]]])  # the left eye is cut off
    np.testing.assert_allclose(rest.areas, [54])


def test_a_crop_leaves_out_what_is_hardly_there():
    image, target = person()
    for left, count in ((14, 1), (15, 1), (16, 0)):
        cut, rest = transforms.crop(image, target, top=0, left=left, height=20, width=10)
        assert len(rest) == count
        rest.validate(height=20, width=10)
    assert len(transforms.crop(image, target, top=0, left=15, height=20, width=10, min_visible=0.2)[1]) == 0


def test_a_cut_object_keeps_the_box_of_its_mask():
    image, target = person()
    target.masks[0, 4:14, 6:13] = False  # only the right three columns are left of it, with the old box
    target.masks[0, 4, 6] = True
    _, rest = transforms.crop(image, target, top=5, left=0, height=15, width=30)
    np.testing.assert_array_equal(rest.boxes, [[13, 0, 16, 9]])


@examples(40)
@given(samples(), st.integers(1, 24), st.integers(1, 24), st.integers(0, 2**32 - 1))
def test_random_crops_are_sound_and_repeatable(sample, height, width, seed):
    image, target = locked(*sample)
    cut, rest = transforms.random_crop(image, target, size=(height, width), rng=np.random.default_rng(seed))
    assert cut.shape[:2] == (min(height, image.shape[0]), min(width, image.shape[1]))
    rest.validate(height=cut.shape[0], width=cut.shape[1])
    np.testing.assert_array_equal(boxes_of(rest.masks), rest.boxes)
    again, _ = transforms.random_crop(image, target, size=(height, width), rng=np.random.default_rng(seed))
    np.testing.assert_array_equal(cut, again)


def test_a_crop_must_lie_in_the_image():
    for where in ({"top": -1}, {"left": 25}, {"height": 0}, {"width": 31}):
        window = {"top": 0, "left": 0, "height": 20, "width": 10} | where
        with pytest.raises(ArgumentError, match="crop: the window must lie in the image of 30x20 pixels"):
            transforms.crop(*person(), **window)


def test_a_random_flip_happens_as_often_as_asked():
    image, target = person()
    rng = np.random.default_rng(0)
    flips = [transforms.random_flip(image, target, rng=rng, keypoint_order=ORDER)[0] is not image for _ in range(400)]
    assert 160 < sum(flips) < 240
    assert transforms.random_flip(image, target, rng=rng, probability=0)[0] is image
