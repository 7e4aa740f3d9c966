import dataclasses
import hashlib

import numpy as np
import pytest
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from tinymaskrcnn.config import SCENE_PRESETS, SceneConfig, scene_preset
from tinymaskrcnn.data import digits, figures, scenes
from tinymaskrcnn.data.transforms import flip_horizontal, mirrored_order
from tinymaskrcnn.errors import ArgumentError, ConfigError

BANK = digits.load()
PRESETS = {name: scene_preset(name) for name in SCENE_PRESETS if not scene_preset(name).surface}
FIGURES = (  # of a scene: pixels, objects
    "db1308570c2a438f9ab6447b509575e13b0e028e7dbf654945a8aa43aed483c1",
    "24a7c8960cd6e2c312e06c8fab95959435ea85f4e65aa05103f3a3a45e451070",
)


def draw(index, config=PRESETS["clean"], *, split="train", seed=0, bank=BANK):
    return scenes.make_scene(index, config, bank=bank, split=split, seed=seed)


def change(config=PRESETS["clean"], **entries):
    return dataclasses.replace(config, **entries)


def sound(image, target, config):
    """Everything that holds for every scene."""
    size = config.image_size
    assert image.shape == (size, size, 3 if config.color else 1) and image.dtype == np.float32
    assert image.min() >= 0 and image.max() <= 1
    np.testing.assert_array_equal(np.rint(image * 255).astype(np.float32) / np.float32(255), image)
    assert target.boxes.dtype == np.float32 and target.labels.dtype == np.int64 and target.masks.dtype == bool
    assert target.masks.shape == (len(target), size, size) and len(target) <= config.digits_per_image[1]
    target.validate(height=size, width=size, num_classes=11)
    assert target.masks.sum(axis=0).max(initial=0) <= 1  # a pixel belongs to one digit
    for box, mask in zip(target.boxes, target.masks):
        ys, xs = np.nonzero(mask)
        assert box.tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_make_sound_scenes(name):
    for index in range(12):
        sound(*draw(index, PRESETS[name]), PRESETS[name])


@examples(25)
@given(
    st.integers(0, 10**9),
    st.builds(
        SceneConfig,
        image_size=st.integers(48, 96),
        digits_per_image=st.sampled_from([(0, 0), (0, 10), (1, 1), (10, 10)]),
        digit_size=st.sampled_from([(6, 6), (10, 40), (46, 46)]),
        max_overlap=st.sampled_from([0.0, 0.3, 1.0]),
        rotation=st.sampled_from([0.0, 30.0, 180.0]),
        noise=st.sampled_from([0.0, 1.0]),
        clutter=st.sampled_from([0.0, 0.1]),
        texture=st.sampled_from([0, 1]),
        grid=st.sampled_from([0.0, 0.5]),
        stains=st.sampled_from([0.0, 1.0]),
        alpha=st.sampled_from([(1.0, 1.0), (0.3, 0.9)]),
        color=st.booleans(),
        min_visible=st.sampled_from([0.0, 0.5, 1.0]),
    ),
)
def test_every_valid_configuration_makes_sound_scenes(index, config):
    sound(*draw(index, config), config)


@pytest.mark.parametrize(
    ("name", "pixels", "objects"),
    [
        (
            "clean",
            "ff0ec947928fbcb59b44aa9fc01317bff10ac49d3874bfe9e10ada158b2ef72c",
            "4090a616a906d26a6075501586456badf1cc9002641c9e85f687e21428adc9e5",
        ),
        (
            "hard",
            "ad2c8c8e8d9c5f7c74f57cc99c1b19126e4dfc51b20b6c815c5140a59bfb0c37",
            "9c219ff37b8b28334f31f48307f55bb45cbc6c32100e91d000af3d67e9b0fdce",
        ),
    ],
)
def test_the_same_seed_gives_the_same_scene_everywhere(name, pixels, objects):
    image, target = draw(7, PRESETS[name], seed=2024)
    assert hashlib.sha256(np.rint(image * 255).astype(np.uint8).tobytes()).hexdigest() == pixels
    packed = (
        target.boxes.astype("<f4").tobytes()
        + target.labels.astype("<i8").tobytes()
        + np.packbits(target.masks).tobytes()
    )
    assert hashlib.sha256(packed).hexdigest() == objects


def test_a_scene_depends_on_its_number_its_split_and_its_seed_alone():
    for _ in draw(3), draw(4):
        pass
    first, again = draw(5), draw(5)
    np.testing.assert_array_equal(first[0], again[0])
    for other in (draw(6), draw(5, seed=1), draw(5, split="test")):
        assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize(
    "change_of",
    [
        {"noise": 0.3},
        {"clutter": 0.5},
        {"texture": 0.5, "grid": 0.5},
        {"stains": 0.4},
        {"alpha": (0.5, 0.8)},
        {"color": True},
    ],
)
def test_the_paper_does_not_move_the_digits(change_of):
    for index in range(4):
        image, target = draw(index)
        other_image, other = draw(index, change(**change_of))
        np.testing.assert_array_equal(target.masks, other.masks)
        np.testing.assert_array_equal(target.labels, other.labels)
        assert not np.array_equal(image, other_image)


def test_each_split_shows_only_its_own_source_digits():
    class Spy:
        name, labels = BANK.name, BANK.labels
        members = staticmethod(BANK.members)
        seen = set()

        def render(self, i, height, angle):
            self.seen.add(i)
            return BANK.render(i, height, angle)

    for split in digits.SPLITS:
        Spy.seen.clear()
        for index in range(60):
            draw(index, change(digits_per_image=(5, 5)), split=split, bank=Spy())
        assert len(Spy.seen) > 50 and Spy.seen <= set(BANK.members(split).tolist())


def test_labels_are_the_digit_plus_one():
    image = np.zeros((10, 8, 8), np.uint8)
    for d in range(10):
        image[d, 0:8, 2:4] = image[d, 0, 2 : 3 + d // 2] = 16
    only_seven = {"train": np.array([7])}
    bank = digits.make_bank("x", image, np.arange(10, dtype=np.uint8), full=16, splits=only_seven)
    _, target = draw(0, change(digits_per_image=(3, 3)), bank=bank)
    assert set(target.labels.tolist()) == {8}


def test_the_number_of_digits_covers_its_range():
    counts = [len(draw(i, change(digits_per_image=(0, 3), image_size=160))[1]) for i in range(60)]
    assert set(counts) == {0, 1, 2, 3}


def test_a_scene_without_digits_is_ordinary():
    image, target = draw(0, change(digits_per_image=(0, 0)))
    assert target.boxes.shape == (0, 4) and target.labels.shape == (0,) and target.masks.shape == (0, 128, 128)
    assert image.max() <= 0.1 + 1e-6


def test_heights_cover_their_range():
    heights = []
    for i in range(60):
        _, target = draw(i, change(digits_per_image=(1, 1), digit_size=(20, 36)))
        heights.extend((target.boxes[:, 3] - target.boxes[:, 1]).tolist())
    assert 19 <= min(heights) <= 22 and 34 <= max(heights) <= 37


def test_digits_do_not_overlap_when_that_is_forbidden():
    for i in range(20):
        _, target = draw(i, change(max_overlap=0.0, digits_per_image=(8, 8)))
        x1, y1, x2, y2 = target.boxes.T[:, :, None]
        wide = np.minimum(x2, x2.T) - np.maximum(x1, x1.T)
        high = np.minimum(y2, y2.T) - np.maximum(y1, y1.T)
        touching = (wide > 0) & (high > 0)
        np.testing.assert_array_equal(touching, np.eye(len(target), dtype=bool))


def test_digits_that_find_no_place_are_left_out():
    config = change(image_size=64, digits_per_image=(10, 10), digit_size=(36, 36), max_overlap=0.0)
    assert 1 <= len(draw(0, config)[1]) < 10


def test_overlap_is_a_share_of_the_smaller_box():
    assert scenes._overlap((0, 0, 10, 10), (5, 0, 25, 10)) == 0.5
    assert scenes._overlap((0, 0, 10, 10), (10, 0, 20, 10)) == 0
    assert scenes._overlap((0, 0, 10, 10), (2, 2, 4, 4)) == 1


def placed(y, x, h, w, label=1, alpha=1.0):
    return scenes.Digit(label, np.ones((h, w), np.float32), y, x, alpha, np.ones(1))


def test_a_later_digit_hides_an_earlier_one():
    lower, upper = placed(0, 0, 10, 10), placed(5, 0, 10, 10)
    kept, masks = scenes.visible_digits([lower, upper], change(image_size=20))
    assert kept == [lower, upper]
    assert masks[0].sum() == 50 and not masks[0][5:].any() and masks[1].sum() == 100


def test_a_digit_hidden_too_much_is_taken_out_and_hides_nothing():
    bottom, middle, top = placed(0, 0, 10, 10), placed(2, 0, 10, 10), placed(4, 0, 8, 10)
    config = change(image_size=20, min_visible=0.3)
    kept, masks = scenes.visible_digits([bottom, middle, top], config)  # of middle 20 of 100 pixels show
    assert kept == [bottom, top]
    assert masks[0].sum() == 40  # rows 0 to 3: two of them lay under middle
    kept, _ = scenes.visible_digits([bottom, middle, top], change(image_size=20, min_visible=0.2))
    assert kept == [bottom, middle, top]


def test_a_digit_that_is_hidden_altogether_is_never_kept():
    kept, _ = scenes.visible_digits([placed(2, 2, 4, 4), placed(0, 0, 10, 10)], change(image_size=20, min_visible=0.0))
    assert len(kept) == 1


def test_a_digit_that_is_taken_out_is_not_painted(monkeypatch):
    lower, upper = placed(0, 0, 12, 10), placed(2, 0, 10, 10, alpha=0.5)
    monkeypatch.setattr(scenes, "_layout", lambda *args: [lower, upper])
    image, target = draw(0, change(image_size=20, digit_size=(6, 6), noise=0.0, min_visible=0.5))
    assert len(target) == 1
    np.testing.assert_allclose(image[2:12, :10, 0], 0.5, atol=1 / 255)  # not 0.5 over 1
    assert not image[:2].any()


def test_masks_follow_the_half_ink_contour():
    image, target = draw(1, change(noise=0.0, max_overlap=0.0))
    np.testing.assert_array_equal(target.masks.any(axis=0), image[:, :, 0] > 0.5)


def test_alpha_is_the_opacity_of_the_ink():
    image, target = draw(1, change(noise=0.0, alpha=(0.6, 0.6)))
    assert image.max() == pytest.approx(0.6, abs=1 / 255)
    np.testing.assert_array_equal(target.masks, draw(1)[1].masks)


def test_noise_is_a_share_of_every_pixel():
    image, target = draw(0, change(noise=0.25))
    paper = image[~ndimage.binary_dilation(target.masks.any(axis=0), iterations=3)]
    assert paper.max() <= 0.25 + 1 / 255 and paper.mean() == pytest.approx(0.125, abs=0.01)
    strokes = image[ndimage.binary_erosion(target.masks.any(axis=0), iterations=2)]
    assert strokes.min() >= 0.7


def test_rotation_turns_digits_both_ways():
    angles = []

    class Spy:
        name, labels, members = BANK.name, BANK.labels, staticmethod(BANK.members)

        def render(self, i, height, angle):
            angles.append(angle)
            return BANK.render(i, height, angle)

    for i in range(30):
        draw(i, change(rotation=20.0), bank=Spy())
    assert -20 <= min(angles) < -10 and 10 < max(angles) <= 20


def test_colours_differ_from_digit_to_digit_and_are_bright():
    image, target = draw(4, change(color=True, noise=0.0, digits_per_image=(4, 4)))
    colours = [image[ndimage.binary_erosion(mask, iterations=2)].max(axis=0) for mask in target.masks]
    assert all(c.max() >= 0.95 for c in colours)
    assert min(np.abs(a - b).max() for i, a in enumerate(colours) for b in colours[:i]) > 0.02


# ---------------------------------------------------------------- the paper


def test_clutter_adds_ink_but_no_objects():
    plain, _ = draw(2, change(noise=0.0))
    cluttered, target = draw(2, change(noise=0.0, clutter=1.0))
    outside = ~target.masks.any(axis=0)
    assert (cluttered[outside] > 0.5).sum() > (plain[outside] > 0.5).sum() + 100
    np.testing.assert_allclose(cluttered[target.masks.any(axis=0)], plain[target.masks.any(axis=0)], atol=0.5)


# ---------------------------------------------------------------- keypoints


def draw_figures(index, *, seed=0, split="train", **entries):
    return draw(index, change(PRESETS["figures"], **entries), split=split, seed=seed, bank=figures.load())


def test_figures_have_joints_that_are_visible_or_hidden():
    hidden, seen = 0, set()
    for index in range(40):
        image, target = draw_figures(index, digits_per_image=(3, 3), max_overlap=0.6, min_visible=0.3, image_size=96)
        target.validate(height=96, width=96, num_classes=len(figures.CLASS_NAMES))
        assert target.keypoints.shape == (len(target), 13, 3) and target.keypoints.dtype == np.float32
        seen |= set(target.labels.tolist())
        for k, (points, mask) in enumerate(zip(target.keypoints, target.masks)):
            later = target.masks[k + 1 :].any(axis=0)
            for j, (x, y, visibility) in enumerate(points):
                assert visibility == (1 if later[int(y), int(x)] else 2)
                if visibility == 2 and (j or target.labels[k] != 2):  # the middle of a robot's head is empty
                    assert mask[int(y), int(x)]
                hidden += visibility == 1
    assert hidden > 20 and seen == {1, 2, 3}


def test_the_same_seed_gives_the_same_figures_everywhere():
    image, target = draw_figures(7, seed=2024)
    assert hashlib.sha256(np.rint(image * 255).astype(np.uint8).tobytes()).hexdigest() == FIGURES[0]
    packed = np.rint(target.keypoints * 1000).astype("<i4").tobytes() + np.packbits(target.masks).tobytes()
    assert hashlib.sha256(packed).hexdigest() == FIGURES[1]
    assert not np.array_equal(image, draw_figures(7, seed=2024, split="test")[0])


def test_a_figure_that_is_taken_out_hides_no_joint():
    ink, points = np.ones((10, 10), np.float32), np.array([[5.5, 5.5]])
    low = scenes.Digit(1, ink, 0, 0, 1.0, np.ones(1), points)
    assert scenes._hidden(points, [placed(4, 4, 3, 3)]).tolist() == [True]
    assert scenes._hidden(points, [placed(6, 4, 3, 3), placed(0, 0, 5, 10)]).tolist() == [False]
    points = scenes._keypoints([low], [np.ones((10, 10), bool)], change(), joints=1)
    assert points.tolist() == [[[5.5, 5.5, 2]]]


def test_extreme_points_are_the_ends_of_what_can_be_seen():
    config = change(PRESETS["hard"], extreme_points=True, color=False)
    for index in range(10):
        image, target = draw(index, config)
        plain_image, plain = draw(index, change(config, extreme_points=False))
        assert np.array_equal(image, plain_image) and plain.keypoints is None
        assert target.keypoints.shape == (len(target), 4, 3) and (target.keypoints[..., 2] == 2).all()
        x1, y1, x2, y2 = target.boxes.T
        top, left, bottom, right = target.keypoints.transpose(1, 0, 2)
        assert np.array_equal(top[:, 1], y1 + 0.5) and np.array_equal(bottom[:, 1], y2 - 0.5)
        assert np.array_equal(left[:, 0], x1 + 0.5) and np.array_equal(right[:, 0], x2 - 0.5)
        assert (top[:, 0] > x1).all() and (top[:, 0] < x2).all() and (left[:, 1] > y1).all() and (left[:, 1] < y2).all()
    mask = np.zeros((6, 8), bool)
    mask[1, 2:5] = mask[2:5, 3] = mask[4, 3:7] = True
    assert scenes.extreme_points(mask).tolist() == [[3.5, 1.5], [2.5, 1.5], [5.0, 4.5], [6.5, 4.5]]


@pytest.mark.parametrize("source", ["figures", "digits"])
def test_keypoints_in_a_mirror(source):
    """What is mirrored has the keypoints of the mirrored masks, left and right by their new names."""
    names = figures.JOINTS if source == "figures" else scenes.EXTREME_POINTS
    order = mirrored_order(names)
    for index in range(5):
        image, target = draw_figures(index) if source == "figures" else draw(index, change(extreme_points=True))
        _, there = flip_horizontal(image, target, keypoint_order=order)
        for name, other in zip(names, order):
            opposite = name.replace("left", "@").replace("right", "left")
            assert names[other] == opposite.replace("@", "right")
            wanted = target.keypoints[:, other] * (-1, 1, 1) + (image.shape[1], 0, 0)
            np.testing.assert_allclose(there.keypoints[:, names.index(name)], wanted, atol=1e-4)
        if source == "digits":
            again = [scenes.extreme_points(mask) for mask in there.masks]
            np.testing.assert_allclose(there.keypoints[..., :2], np.array(again).reshape(-1, 4, 2))


def test_scenes_without_figures_have_keypoints_of_no_object():
    for config in (change(PRESETS["figures"], digits_per_image=(0, 0)), change(PRESETS["figures"], image_size=80)):
        bank = figures.load()
        for index in range(3):
            _, target = draw(index, config, bank=bank)
            assert target.keypoints.shape == (len(target), 13, 3)
    assert draw(0, change(extreme_points=True, digits_per_image=(0, 0)))[1].keypoints.shape == (0, 4, 3)


# ---------------------------------------------------------------- bad settings


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"source": "letters"}, r"scenes.source must be 'digits', 'mnist' or 'figures'; got 'letters'"),
        ({"image_size": 8}, r"scenes.image_size must be a whole number in 16..4096; got 8"),
        ({"image_size": 128.0}, r"scenes.image_size must be a whole number"),
        (
            {"digits_per_image": (1, 11)},
            r"scenes.digits_per_image must be two whole numbers, .* in 0..10, .*; got \(1, 11\)",
        ),
        ({"digits_per_image": (5, 1)}, r"scenes.digits_per_image must be two whole numbers, the smaller first"),
        ({"digits_per_image": 3}, r"scenes.digits_per_image must be two whole numbers"),
        ({"digits_per_image": (1, True)}, r"scenes.digits_per_image must be two whole numbers"),
        ({"digit_size": (20, 127)}, r"scenes.digit_size must be .* in 6..126 .*; got \(20, 127\)"),
        ({"digit_size": (2, 20)}, r"scenes.digit_size must be .* in 6..4094"),
        ({"image_size": 32}, r"scenes.digit_size must be .* in 6..30"),
        ({"alpha": (0.0, 1.0)}, r"scenes.alpha must be two numbers, the smaller first, in 0.05..1.0"),
        ({"max_overlap": 1.5}, r"scenes.max_overlap must be a number in 0..1; got 1.5"),
        ({"noise": -0.1}, r"scenes.noise must be a number in 0..1; got -0.1"),
        ({"noise": float("nan")}, r"scenes.noise must be a number in 0..1; got nan"),
        ({"clutter": "much"}, r"scenes.clutter must be a number in 0..1; got 'much'"),
        ({"rotation": 270.0}, r"scenes.rotation must be a number in 0..180; got 270.0"),
        ({"color": 1}, r"scenes.color must be true or false; got 1"),
        ({"extreme_points": "yes"}, r"scenes.extreme_points must be true or false; got 'yes'"),
    ],
)
def test_an_impossible_setting_is_refused_by_name(entries, message):
    with pytest.raises(ConfigError, match=message):
        draw(0, change(**entries))


def test_bad_numbers_and_splits_are_refused():
    with pytest.raises(ArgumentError, match="index and seed must be at least 0; got -1 and 0"):
        draw(-1)
    with pytest.raises(ArgumentError, match="split must be one of train, validation, test; got 'all'"):
        draw(0, split="all")
    with pytest.raises(ArgumentError, match="scenes.surface 'board' is drawn by pages.make_page"):
        draw(0, scene_preset("board"))
