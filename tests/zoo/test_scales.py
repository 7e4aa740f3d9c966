"""Pictures in several sizes: every digit is met at a size that is known, and is found once."""

import copy
import dataclasses
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from tinymaskrcnn.config import ModelConfig
from tinymaskrcnn.data import rle
from tinymaskrcnn.structures import Detections
from tinymaskrcnn.zoo import scales

LEARNED = (14, 64)  # heights of digits in training


@examples(100)
@given(st.integers(100, 4000), st.integers(100, 4000), st.floats(0, 1))
def test_a_digit_from_16_pixels_to_half_the_picture_is_met_at_a_size_that_is_known(height, width, share):
    sizes = scales.sizes_to_look_at(height, width)
    smallest = max(16.0, 16 * max(height, width) / scales.LONGEST)  # in a picture that has to be reduced
    digit = smallest * (max(smallest, height / 2) / smallest) ** share
    seen = [digit * size[0] / height for size in sizes]
    assert any(LEARNED[0] <= h <= LEARNED[1] for h in seen) or digit > 0.5 * min(height, width)
    assert max(map(max, sizes)) <= max(scales.LONGEST, 1) + 1


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (12, 7), (3000, 4000)])
def test_pictures_of_any_shape_have_sizes(size):
    sizes = scales.sizes_to_look_at(*size)
    assert sizes and min(map(min, sizes)) >= 1 and len(sizes) <= 6
    assert all(a[0] >= b[0] and a[1] >= b[1] for a, b in zip(sizes, sizes[1:]))


def test_a_smaller_picture_has_the_means_of_what_its_pixels_cover():
    image = np.zeros((64, 48, 1), np.float32)
    image[:, ::2] = 1
    np.testing.assert_allclose(scales.resized(image, (16, 12))[2:-2, 2:-2], 0.5, atol=1e-3)
    assert scales.resized(image, (64, 48)) is image
    assert scales.resized(image, (30, 20)).shape == (30, 20, 1)


def found(boxes, scores, labels=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    labels = np.ones(len(boxes), int) if labels is None else np.array(labels)
    masks = [rle.encode(np.full((4, 4), k % 2 == 0)) for k in range(len(boxes))]
    return Detections(boxes, labels, np.array(scores, np.float32), masks)


def test_what_is_met_twice_is_one_and_the_best_stays():
    twice = [found([[10, 10, 40, 50]], [0.7], [3]), found([[11, 10, 40, 52], [60, 10, 90, 50]], [0.9, 0.6], [5, 3])]
    one = scales.merged(twice, [(200, 200), (100, 100)], height=200)
    assert one.labels.tolist() == [5, 3] and one.scores.tolist() == pytest.approx([0.9, 0.6])
    assert len(one.masks) == 2


@pytest.mark.parametrize(("inner", "outer", "left"), [(0.9, 0.8, 0), (0.8, 0.9, 1)])
def test_of_one_inside_another_the_better_stays(inner, outer, left):
    both = [found([[20, 20, 30, 40]], [inner], [2]), found([[10, 10, 50, 60]], [outer], [1])]
    one = scales.merged(both, [(100, 100), (50, 50)], height=100)
    assert one.labels.tolist() == [2 - left]


def nine(size):
    """A 9 of ink on black, `size` pixels high in the middle of a square of twice that, and the box of its loop."""
    image = Image.new("L", (2 * size, 2 * size))
    draw, left, top = ImageDraw.Draw(image), 0.7 * size, 0.5 * size
    loop = [left, top, left + 0.6 * size, top + 0.5 * size]
    draw.ellipse(loop, outline=255, width=max(2, size // 12))
    draw.line([(loop[2], top + 0.25 * size), (loop[2] - 0.1 * size, top + size)], fill=255, width=max(2, size // 12))
    return np.asarray(image, np.float32) / 255, np.array(loop), np.array([left, top, loop[2] + 2, top + size])


@pytest.mark.parametrize("size", [16, 24, 40, 70])
@pytest.mark.parametrize("at_the_edge", [False, True])
def test_ink_goes_on_beyond_a_part_and_not_beyond_a_whole(size, at_the_edge):
    inked, loop, whole = nine(size)
    if at_the_edge:  # nothing is known of what lies outside the picture
        low = int(whole[0]), int(whole[1])
        inked, loop, whole = inked[low[1] :, low[0] :], loop - [*low, *low], whole - [*low, *low]
    part, all_of_it = scales.goes_on(np.array([loop, whole]), inked)
    assert part > 0.7 and all_of_it < 0.1
    assert scales.goes_on(np.zeros((0, 4)), inked).shape == (0,)
    assert scales.goes_on(np.array([[0.0, 0, 3, 3]]), 0 * inked).tolist() == [0]  # where there is no ink


def test_a_whole_wins_over_a_part_with_a_higher_score():
    """The loop of a 9 is a fine 0; in one size it is found, in the other the 9."""
    inked, loop, whole = nine(120)
    paper = (1 - 0.8 * inked)[:, :, None]

    class Finder:
        model = SimpleNamespace(config=dataclasses.replace(ModelConfig(), ink=True))

        def detect(self, images, *, encoded, original_sizes):
            finest = max(images[0].shape) > 200
            return [found([loop], [0.95], [1]) if finest else found([whole], [0.85], [10])]

    [said] = scales.in_sizes(Finder()).detect([paper], encoded=True)
    assert said.labels.tolist() == [10] and said.scores[0] > 0.8


def test_heights_that_a_size_does_not_show_well_are_believed_at_the_ends_only():
    boxes = [[0, 0, 4, 8], [20, 0, 90, 100], [100, 0, 120, 30]]
    scores = [0.9, 0.8, 0.7]
    sizes = [(200, 200)] * 3
    nothing = found(np.zeros((0, 4)), [])
    middle = scales.merged([nothing, found(boxes, scores), nothing], sizes, height=200)
    assert middle.scores.tolist() == pytest.approx([0.7])
    assert len(scales.merged([found(boxes, scores), nothing, nothing], sizes, height=200)) == 2
    assert len(scales.merged([nothing, nothing, found(boxes, scores)], sizes, height=200)) == 2


CHOSEN = {"resize_shorter": 320, "resize_longer": 640}


@pytest.mark.parametrize(("settings", "looks"), [({}, 1), ({"ink": True}, 3), ({"ink": True} | CHOSEN, 1)])
def test_who_looks_at_ink_looks_in_several_sizes_or_the_one_chosen_and_names_each_object_once(settings, looks):
    sizes = []

    class Finder:
        model = SimpleNamespace(config=dataclasses.replace(ModelConfig(), **settings))

        def detect(self, images, **words):
            sizes.append(images[0].shape[:2])
            return [found([[10, 10, 40, 50], [11, 10, 40, 50]], [0.7, 0.6], [3, 5])]

    detector = scales.in_sizes(Finder())
    [said] = detector.detect([np.zeros((300, 400, 1), np.float32)], encoded=True)
    assert len(sizes) == looks and len(said) == (1 if "ink" in settings else 2)
    assert looks > 1 or sizes == [(300, 400)]


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_detector_in_several_sizes_can_be_copied(again):
    one = again(scales.InSizes(SimpleNamespace(class_names=("background", "0"))))
    assert isinstance(one, scales.InSizes) and one.class_names == ("background", "0")
    with pytest.raises(AttributeError, match="no_such_thing"):
        one.no_such_thing  # noqa: B018


def test_a_detector_is_shown_every_size_and_answers_in_pixels_of_the_picture():
    seen = []

    class Finder:
        class_names, masked = ("background", "0"), True
        model = SimpleNamespace(config=ModelConfig())

        def detect(self, images, *, encoded, original_sizes):
            seen.append((images[0].shape[:2], original_sizes))
            masks = [rle.encode(np.ones((300, 400), bool))] if self.masked else None
            return [Detections(np.array([[5.0, 5, 60, 90]]), np.array([1]), np.array([0.5]), masks)]

    detector = scales.InSizes(Finder())
    image = np.zeros((300, 400, 1), np.float32)
    [said] = detector.detect([image], encoded=True)
    assert [size for size, _ in seen] == scales.sizes_to_look_at(300, 400) and len(seen) == 3
    assert all(original == [(300, 400)] for _, original in seen)
    assert len(said) == 1 and isinstance(said.masks, list)
    [said] = detector.detect([image])
    assert said.masks.shape == (1, 300, 400) and said.masks.all()
    detector.detector.masked = False  # a model of boxes alone
    assert detector.detect([image])[0].masks is None
    assert detector.class_names == ("background", "0")
