"""What enters is examined at the door, image by image and box by box; what passes is padded to one batch."""

import dataclasses
import re
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn.errors import ArgumentError, DtypeError, ShapeError
from tinymaskrcnn.structures import Detections, Target, check_image, check_pictures, collate, lacks

H, W = 6, 8
BOXES = np.array([[1, 1, 4, 5], [0, 0, W, H]], np.float32)
TARGET = Target(BOXES, np.array([1, 2]), np.ones((2, H, W), bool), np.array([False, True]))
EMPTY = Target(np.zeros((0, 4), np.float32), np.zeros(0, int), np.zeros((0, H, W), np.uint8))


def boxes(*first):
    return {"boxes": np.array([first, BOXES[1]], np.float32)}


def points(x, y, visibility):
    keypoints = np.ones((2, 4, 3), np.float32)
    keypoints[1, 2] = x, y, visibility
    return {"keypoints": keypoints}


# ---------------------------------------------------------------- targets


def test_sound_targets_pass():
    assert TARGET.validate(height=H, width=W, num_classes=3) is TARGET and len(TARGET) == 2
    assert EMPTY.validate(height=H, width=W, num_classes=3) is EMPTY and len(EMPTY) == 0
    dataclasses.replace(TARGET, crowd=None, masks=np.ones((2, H, W), np.uint8)).validate(height=H, width=W)
    dataclasses.replace(TARGET, masks=None).validate(height=H, width=W)
    extras = {"keypoints": np.zeros((2, 5, 3), np.float32), "areas": np.array([3.0, 0.0])}
    dataclasses.replace(TARGET, **extras).validate(height=H, width=W)


@pytest.mark.parametrize(
    ("error", "message", "changed"),
    [
        (ShapeError, "count the same objects; got .*'labels': 1", {"labels": np.array([1])}),
        (ShapeError, "count the same objects; got .*'masks': 3", {"masks": np.ones((3, H, W), bool)}),
        (ShapeError, "count the same objects; got .*'crowd': 1", {"crowd": np.array([True])}),
        (ShapeError, r"boxes must be \(M, 4\); got \(2, 5\)", {"boxes": np.ones((2, 5), np.float32)}),
        (ShapeError, r"boxes must have 2 axes, objects first; got shape \(4,\)", {"boxes": BOXES[0]}),
        (ShapeError, r"labels must have 1 axes, objects first; got shape \(2, 1\)", {"labels": np.ones((2, 1), int)}),
        (ShapeError, r"masks must have 3 axes, objects first; got shape \(6, 8\)", {"masks": np.ones((H, W), bool)}),
        (
            ShapeError,
            r"masks must be \(M, H, W\) = \(M, 6, 8\) like the image; got \(2, 8, 6\)",
            {"masks": np.ones((2, W, H), bool)},
        ),
        (DtypeError, "boxes must be a NumPy array; got list", {"boxes": BOXES.tolist()}),
        (DtypeError, "boxes must hold floats; got int64", {"boxes": BOXES.astype(np.int64)}),
        (DtypeError, "labels must hold integers; got float64", {"labels": np.array([1.0, 2.0])}),
        (DtypeError, "masks must hold booleans or uint8; got float64", {"masks": np.ones((2, H, W))}),
        (DtypeError, "crowd must hold booleans; got int64", {"crowd": np.array([0, 1])}),
        (DtypeError, "keypoints must hold floats; got int64", {"keypoints": np.ones((2, 3, 3), int)}),
        (ShapeError, r"keypoints must be \(M, J, 3\) .*got \(2, 3, 2\)", {"keypoints": np.ones((2, 3, 2))}),
        (ShapeError, r"keypoints must have 3 axes", {"keypoints": np.ones((2, 3))}),
        (ShapeError, "count the same objects; got .*'keypoints': 1", {"keypoints": np.ones((1, 3, 3))}),
        (ArgumentError, r"box 1, keypoint 2: must be finite; got \[1.0, nan, 2.0\]", points(1, np.nan, 2)),
        (ArgumentError, r"box 1, keypoint 2: visibility must be 0 .*got 3.0", points(1, 1, 3)),
        (ArgumentError, r"box 1, keypoint 2: visibility must be 0 .*got 0.5", points(1, 1, 0.5)),
        (ShapeError, "count the same objects; got .*'areas': 1", {"areas": np.ones(1)}),
        (DtypeError, "areas must hold floats; got int64", {"areas": np.array([3, 4])}),
        (ArgumentError, r"areas must be finite and at least 0; got \[3.0, -1.0\]", {"areas": np.array([3.0, -1])}),
        (ArgumentError, r"areas must be finite", {"areas": np.array([np.inf, 1])}),
        (
            ArgumentError,
            "masks must be 0 outside and 1 inside; got values up to 255",
            {"masks": np.full((2, H, W), 255, np.uint8)},
        ),
        (ArgumentError, r"box 0: coordinates must be finite; got \[nan, 1.0, 4.0, 5.0\]", boxes(np.nan, 1, 4, 5)),
        (ArgumentError, r"box 0: coordinates must be finite", boxes(1, 1, np.inf, 5)),
        (
            ArgumentError,
            r"box 0: needs x2 > x1 and y2 > y1; got x1, y1, x2, y2 = \[4.0, 1.0, 4.0, 5.0\]",
            boxes(4, 1, 4, 5),
        ),
        (ArgumentError, r"box 0: needs x2 > x1 and y2 > y1", boxes(1, 5, 4, 1)),
        (
            ArgumentError,
            r"box 0: lies outside the image of 8x6 pixels; got \[-1.0, 1.0, 4.0, 5.0\]",
            boxes(-1, 1, 4, 5),
        ),
        (ArgumentError, "box 0: lies outside the image", boxes(1, 1, W + 0.5, 5)),
        (ArgumentError, "box 0: lies outside the image", boxes(1, 1, 4, H + 0.5)),
        (ArgumentError, r"labels start at 1 \(0 is background\); got 0", {"labels": np.array([0, 1])}),
        (
            ArgumentError,
            r"labels must be below num_classes = 3 \(which counts background\); got 3",
            {"labels": np.array([1, 3])},
        ),
    ],
)
def test_unsound_targets_are_named(error, message, changed):
    target = dataclasses.replace(TARGET, **changed)
    with pytest.raises(error, match=f"^street 7.*{message}"):
        target.validate(height=H, width=W, num_classes=3, image="street 7")


# ---------------------------------------------------------------- images


def test_a_sound_image_comes_back_as_float32():
    image = np.ones((H, W, 1), np.float32)
    assert check_image(image) is image
    assert check_image(np.ones((1, 1, 3))).dtype == np.float32


@pytest.mark.parametrize(
    ("error", "message", "image"),
    [
        (DtypeError, r"must be an array \(H, W, C\); got list", [[1.0]]),
        (
            DtypeError,
            "pixels must be floats in 0..1; got uint8. Divide uint8 pixels by 255.",
            np.ones((2, 2, 1), np.uint8),
        ),
        (ShapeError, r"must be \(H, W, C\) with at least one pixel; got shape \(2, 2\)", np.ones((2, 2))),
        (ShapeError, r"with at least one pixel; got shape \(0, 2, 1\)", np.ones((0, 2, 1))),
        (ShapeError, r"must have 1 channel\(s\); got 3", np.ones((2, 2, 3))),
        (
            ArgumentError,
            r"2 pixel value\(s\) are NaN or infinite, first at \(y, x, c\) = \(0, 1, 0\)",
            np.array([[0, np.nan], [np.inf, 1]])[..., None],
        ),
    ],
)
def test_unsound_images_are_named(error, message, image):
    with pytest.raises(error, match=f"^photo.png: .*{message}"):
        check_image(image, name="photo.png", channels=1)


RGB, GREY = np.full((4, 6, 3), 0.5), np.full((4, 6, 1), 0.5)
WRONG_PICTURES = [  # what people hand to a grey model, with the class of the error and what it must say
    ([RGB], ShapeError, "must have 1 channel(s); got 3. A colour picture becomes grey with image.mean"),
    ([GREY.transpose(2, 0, 1)], ShapeError, "got 6, in shape (1, 4, 6). Channels stand last: image.transpose(1, 2, 0)"),
    ([GREY[:, :, 0]], ShapeError, "A grey picture needs an axis: image[:, :, None]"),
    ([255 * GREY], ArgumentError, "pixels must lie in 0..1; got 127.5 to 127.5. Divide by 255"),
    ([65535 * GREY], ArgumentError, "pixels must lie in 0..1; got 32767.5 to 32767.5"),
    ([GREY, (GREY - 0.9) / 0.1], ArgumentError, "image 1: pixels must lie in 0..1; got -4 to -4. The model normalises"),
    ([np.uint8(255 * GREY)], DtypeError, "got uint8. Divide uint8 pixels by 255."),
    ([GREY.astype(int)], DtypeError, "pixels must be floats in 0..1; got int64"),
    ([GREY * np.nan], ArgumentError, "24 pixel value(s) are NaN or infinite"),
    ([Image.new("L", (4, 6))], DtypeError, "got Image. np.asarray(picture) / 255 is an array; read_image"),
    (Image.new("L", (4, 6)), ShapeError, "must be a list of pictures (H, W, C); got Image. One picture: [image]"),
    (GREY, ShapeError, "must be a list of pictures (H, W, C); got an array of shape (4, 6, 1). One picture: [image]"),
    (["photo.png"], DtypeError, "got str. Read a file with tinymaskrcnn.read_image(path, channels)"),
    ("photo.png", ShapeError, "must be a list of pictures (H, W, C); got str"),
    (None, ShapeError, "must be a list of pictures (H, W, C); got NoneType"),
    ([None], DtypeError, "must be an array (H, W, C); got NoneType"),
    ([types.SimpleNamespace(dtype="torch.float32", numpy=None)], DtypeError, "tensor.numpy() is an array"),
]


@pytest.mark.parametrize(("given", "error", "message"), WRONG_PICTURES)
def test_what_is_no_picture_to_look_at_is_said_with_what_to_do(given, error, message):
    with pytest.raises(error) as caught:
        check_pictures(given, channels=1)
    assert message in str(caught.value) and len(str(caught.value)) < 300


def test_a_colour_model_says_it_too_and_right_pictures_pass():
    for given, message in ((GREY, "A grey picture gets three"), (RGB.transpose(2, 0, 1), "Channels stand last")):
        with pytest.raises(ShapeError, match=message):
            check_pictures([given], channels=3)
    overshot = [RGB.astype(np.float32), RGB * 2 - 0.05, np.float16(RGB)]
    found = check_pictures(overshot, channels=3)
    assert [image.dtype for image in found] == [np.float32] * 3 and found[0] is overshot[0]
    assert check_pictures(iter([]), channels=1) == [] and len(check_pictures(np.zeros((2, 4, 6, 1)), channels=1)) == 2


# ---------------------------------------------------------------- batches


def images(*shapes):
    rng = np.random.default_rng(0)
    return [rng.random(shape) for shape in shapes]


def test_images_are_padded_with_zeros_to_a_multiple():
    first, second = images((6, 8, 1), (33, 5, 1))
    batch = collate([first, second])
    assert batch.images.shape == (2, 64, 32, 1) and batch.images.dtype == np.float32 and len(batch) == 2
    assert batch.sizes.tolist() == [[6, 8], [33, 5]] and batch.targets is None
    assert batch.names == ("image 0", "image 1")
    np.testing.assert_array_equal(batch.images[0, :6, :8], first.astype(np.float32))
    assert np.count_nonzero(batch.images[0]) == 6 * 8 and not batch.images[1, 33:].any()
    assert collate([first], divisor=1).images.shape == (1, 6, 8, 1)
    assert collate([first] * 5).names == tuple(f"image {i}" for i in range(5))


def test_targets_are_padded_to_the_same_number_of_objects_without_crowds():
    batch = collate(images((H, W, 1), (H, W, 1)), [TARGET, EMPTY], num_classes=3).targets
    assert batch.boxes.shape == (2, 1, 4) and batch.masks.shape == (2, 1, 32, 32)
    assert batch.valid.tolist() == [[True], [False]]
    assert batch.boxes[0, 0].tolist() == BOXES[0].tolist() and not batch.boxes[1].any()
    assert batch.labels.tolist() == [[1], [0]]
    assert batch.masks[0, 0].sum() == H * W and batch.masks.dtype == np.uint8


def test_masks_and_keypoints_are_in_a_batch_when_its_images_have_them():
    keypoints = np.arange(2 * 3 * 3).reshape(2, 3, 3).astype(np.float32)
    keypoints[..., 2] %= 3
    pair = images((H, W, 1), (H, W, 1))
    people = Target(BOXES, TARGET.labels, None, TARGET.crowd, keypoints)
    batch = collate(pair, [people, EMPTY]).targets  # an image without objects agrees with all
    assert batch.masks is None and batch.keypoints.shape == (2, 1, 3, 3) and batch.keypoints.dtype == np.float32
    np.testing.assert_array_equal(batch.keypoints[0, 0], keypoints[0])  # the crowd was left out
    second = collate(pair, [dataclasses.replace(people, crowd=~TARGET.crowd), EMPTY]).targets
    np.testing.assert_array_equal(second.keypoints[0, 0], keypoints[1])
    assert not batch.keypoints[1].any() and batch.to_device("cpu").keypoints is batch.keypoints
    assert collate(pair, [TARGET, TARGET]).targets.keypoints is None
    with pytest.raises(ArgumentError, match="image 1 has no masks, other images of the batch do"):
        collate(pair, [TARGET, dataclasses.replace(TARGET, masks=None)])
    with pytest.raises(ArgumentError, match="image 0 has no keypoints"):
        collate(pair, [dataclasses.replace(people, keypoints=None), people])
    with pytest.raises(ShapeError, match="the same J in all images; got {'image 0': 3, 'image 1': 2}"):
        collate(pair, [people, dataclasses.replace(people, keypoints=keypoints[:, :2])])


def test_a_batch_without_any_object_has_one_row_of_padding():
    batch = collate(images((H, W, 1)), [EMPTY]).targets
    assert batch.valid.tolist() == [[False]] and batch.boxes.shape == (1, 1, 4)


def test_a_batch_stays_where_it_is_on_the_cpu():
    batch = collate(images((H, W, 1)), [TARGET], names=["a"])
    again = batch.to_device("cpu")
    assert again.images is batch.images and again.targets.boxes is batch.targets.boxes and again.names == ("a",)
    assert collate(images((H, W, 1))).to_device("cpu").targets is None


@pytest.mark.parametrize(
    ("error", "message", "arguments", "options"),
    [
        (ArgumentError, "a batch needs at least one image; got an empty list", [[]], {}),
        (ShapeError, "collate: 1 images came with 2 targets", [images((H, W, 1)), [TARGET, TARGET]], {}),
        (ShapeError, "collate: 2 images came with 1 names", [images((H, W, 1), (H, W, 1))], {"names": ["a"]}),
        (ShapeError, r"^b: must have 1 channel\(s\); got 3", [images((H, W, 1), (H, W, 3))], {"names": ["a", "b"]}),
        (ShapeError, "^image 0: must be .H, W, C.", [images((H, W))], {}),
        (ShapeError, "^image 1: masks must be", [images((H, W, 1), (W, H, 1)), [TARGET, TARGET]], {}),
        (ArgumentError, "^image 0: labels must be below", [images((H, W, 1)), [TARGET]], {"num_classes": 2}),
    ],
)
def test_a_bad_batch_is_named(error, message, arguments, options):
    with pytest.raises(error, match=message):
        collate(*arguments, **options)


def test_detections_count_their_boxes():
    found = Detections(BOXES, np.array([1, 2]), np.array([0.9, 0.8]))
    assert len(found) == 2 and found.masks is None and found.keypoints is None


def test_none_and_an_empty_array_differ_only_where_there_is_an_object():
    empty, masks = np.zeros((0, 4), np.float32), np.zeros((2, H, W), bool)
    labels = np.array([1, 2])
    for given, missing in ((None, True), (masks, False), ([object()] * 2, False)):
        assert lacks(Target(BOXES, labels, given), "masks") is missing
        assert lacks(Detections(BOXES, labels, np.ones(2), given), "masks") is missing
    for given in (None, masks[:0], []):
        assert not lacks(Target(empty, labels[:0], given), "masks")
    assert lacks(Target(BOXES, labels, masks), "keypoints")


def test_some_of_the_detections():
    masks, points = np.arange(2 * H * W).reshape(2, H, W) > 9, np.ones((2, 3, 3))
    found = Detections(BOXES, np.array([1, 2]), np.array([0.9, 0.8]), masks, points)
    for rows, numbers in ((np.array([False, True]), [1]), (np.array([1, 0]), [1, 0]), (np.zeros(2, bool), [])):
        chosen = found.select(rows)
        np.testing.assert_array_equal(chosen.masks, masks[numbers])
        assert len(chosen) == len(chosen.keypoints) == len(numbers)
        assert chosen.labels.tolist() == [[1, 2][k] for k in numbers]
        packed = Detections(BOXES, found.labels, found.scores, ["a", "b"]).select(rows)
        assert packed.masks == ["ab"[k] for k in numbers] and packed.keypoints is None


# ---------------------------------------------------------------- where each rule ends


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.0999, 1.0999, None),
        (0.0, 1.0, None),
        (-0.11, 0.5, "got -0.11 to 0.5. The model normalises by itself"),
        (0.0, 1.11, "got 0 to 1.11. Divide by 255"),
        (0.5, 255.0, "got 0.5 to 255. Divide by 255"),
        (-1.0, 255.0, "got -1 to 255. The model normalises by itself"),
        (-0.01, 2.0, "got -0.01 to 2. The model normalises by itself"),
        (0.0, 256.0, "got 0 to 256"),
    ],
)
def test_pixels_may_overshoot_by_a_tenth(low, high, said):
    picture = np.full((4, 6, 1), low, np.float64)
    picture[3, 5] = high
    if said is None:
        [found] = check_pictures([picture], channels=1)
        np.testing.assert_array_equal(found, picture.astype(np.float32))
    else:
        with pytest.raises(ArgumentError, match=rf"^image 0: pixels must lie in 0\.\.1; {said}$"):
            check_pictures([picture], channels=1)


@pytest.mark.parametrize(
    ("shape", "channels", "said"),
    [
        ((4, 6, 3), 1, "got 3. A colour picture becomes grey"),
        ((4, 6, 1), 3, "got 1. A grey picture gets three"),
        ((3, 4, 6), 3, r"got 6, in shape \(3, 4, 6\). Channels stand last: image.transpose"),
        ((4, 6, 4), 3, r"got 4, in shape \(4, 6, 4\)$"),
        ((4, 6, 3), 2, r"got 3, in shape \(4, 6, 3\)$"),
        ((4, 6, 1), 4, r"got 1, in shape \(4, 6, 1\). Channels stand last"),
    ],
)
def test_what_another_number_of_channels_seems_to_be(shape, channels, said):
    with pytest.raises(ShapeError, match=rf"^image: must have {channels} channel\(s\); {said}"):
        check_image(np.ones(shape, np.float32), channels=channels)


@pytest.mark.parametrize("given", [b"a.png", "a.png", Path("a.png")])
def test_names_of_files_are_no_pictures(given):
    with pytest.raises(DtypeError, match=r"Read a file with tinymaskrcnn.read_image\(path, channels\)$"):
        check_image(given)


def test_a_number_or_nothing_needs_no_advice():
    for given, name in ((3, "int"), (None, "NoneType"), ({}, "dict")):
        with pytest.raises(DtypeError, match=rf"^image: must be an array \(H, W, C\); got {name}$"):
            check_image(given)
    for shape in ((2, 2), (0, 2), (2,), (1, 2, 2, 1), (2, 0, 1), (2, 2, 0)):
        more = r"\. A grey picture needs an axis: image\[:, :, None\]" if shape == (2, 2) else ""
        with pytest.raises(ShapeError, match=rf"got shape {re.escape(str(shape))}{more}$"):
            check_image(np.zeros(shape))


def test_each_side_is_padded_on_its_own():
    for height, width, padded in ((1, 1, (32, 32)), (32, 33, (32, 64)), (65, 32, (96, 32)), (64, 96, (64, 96))):
        assert collate([np.ones((height, width, 3))]).images.shape == (1, *padded, 3)
    batch = collate([np.ones((5, 40, 1)), np.ones((40, 5, 1))], divisor=8)
    assert batch.images.shape == (2, 40, 40, 1) and batch.sizes.dtype == np.int64
    assert [np.argwhere(image).max(axis=0).tolist() for image in batch.images] == [[4, 39, 0], [39, 4, 0]]


def some_objects(rng, count, height, width, crowd):
    """A sound Target whose objects all differ."""
    corner = rng.uniform(0, 0.5, (count, 2)) * (width, height)
    size = rng.uniform(0.1, 0.5, (count, 2)) * (width, height)
    keypoints = np.concatenate([rng.uniform(0, 9, (count, 3, 2)), rng.integers(0, 3, (count, 3, 1))], axis=2)
    return Target(
        np.concatenate([corner, corner + size], axis=1).astype(np.float32),
        rng.integers(1, 9, count),
        rng.random((count, height, width)) < 0.5,
        np.array(crowd),
        keypoints.astype(np.float32),
    )


def test_every_object_keeps_its_own_box_label_mask_and_keypoints():
    rng = np.random.default_rng(3)
    first = some_objects(rng, 4, 10, 7, [False, True, False, False])
    second = some_objects(rng, 2, 6, 12, [True, False])
    batch = collate([np.ones((10, 7, 1)), np.ones((6, 12, 1))], [first, second], divisor=4).targets
    assert batch.valid.tolist() == [[True] * 3, [True, False, False]] and batch.masks.shape == (2, 3, 12, 12)
    for n, (target, rows) in enumerate(((first, [0, 2, 3]), (second, [1]))):
        height, width = target.masks.shape[1:]
        for place, row in enumerate(rows):
            np.testing.assert_array_equal(batch.boxes[n, place], target.boxes[row])
            assert batch.labels[n, place] == target.labels[row]
            np.testing.assert_array_equal(batch.masks[n, place, :height, :width], target.masks[row])
            assert batch.masks[n, place].sum() == target.masks[row].sum()
            np.testing.assert_array_equal(batch.keypoints[n, place], target.keypoints[row])
    for padding in (batch.boxes, batch.labels, batch.masks, batch.keypoints):
        assert not padding[1, 1:].any()
    kinds = {name: values.dtype for name, values in vars(batch).items()}
    assert kinds == dict(boxes=np.float32, labels=np.int64, masks=np.uint8, valid=bool, keypoints=np.float32)


def test_all_of_a_batch_goes_to_a_device(monkeypatch):
    moved = []
    monkeypatch.setattr("tinymaskrcnn.structures.to_device", lambda x, device: moved.append(x) or (device, x))
    target = some_objects(np.random.default_rng(0), 2, H, W, [False, False])
    batch = collate(images((H, W, 1)), [target], names=["a"])
    there = batch.to_device("cuda")
    assert there.images == ("cuda", batch.images) and there.sizes == ("cuda", batch.sizes) and there.names == ("a",)
    for name, values in vars(batch.targets).items():
        assert getattr(there.targets, name)[1] is values
    assert len(moved) == 7 and there.given == {}
    given = dataclasses.replace(batch, given={"proposals": np.ones((1, 2, 4))})
    assert given.to_device("cuda").given == {"proposals": ("cuda", given.given["proposals"])}


def test_an_image_without_objects_has_no_part_unless_all_have_it():
    without = dataclasses.replace(EMPTY, masks=None)
    pair = images((H, W, 1), (H, W, 1))
    assert collate(pair, [EMPTY, without]).targets.masks is None
    assert collate(pair, [EMPTY, EMPTY]).targets.masks.shape == (2, 1, 32, 32)
    assert collate(pair, [without, TARGET]).targets.masks.shape == (2, 1, 32, 32)


def test_some_of_the_detections_by_their_numbers():
    found = Detections(BOXES, np.array([1, 2]), np.array([0.9, 0.8]), None, np.arange(6).reshape(2, 1, 3))
    for rows, numbers in ((slice(1, 2), [1]), ([1, 1, 0], [1, 1, 0]), (np.array([-1]), [1])):
        chosen = found.select(rows)
        assert chosen.masks is None and chosen.scores.tolist() == [[0.9, 0.8][k] for k in numbers]
        np.testing.assert_array_equal(chosen.boxes, BOXES[numbers])
        np.testing.assert_array_equal(chosen.keypoints, found.keypoints[numbers])
