"""Pages of handwriting: the same for a seed, true to their boxes and masks, each ingredient with a switch."""

import dataclasses

import numpy as np
import pytest

from tinymaskrcnn.config import ModelConfig, SceneConfig, scene_preset
from tinymaskrcnn.data import digits, pages
from tinymaskrcnn.data.ink import to_ink
from tinymaskrcnn.data.loader import SceneStream
from tinymaskrcnn.errors import ArgumentError, ConfigError

BANK = digits.load()
KINDS = ("paper", "board")


def change(name="paper", **entries):
    return dataclasses.replace(scene_preset(name), **entries)


def draw(index, config, *, seed=0, split="train"):
    return pages.make_page(index, config, bank=BANK, split=split, seed=seed)


PLAIN = {"noise": 0.0, "blur": 0.0, "jpeg": 0, "light": 0.0, "clutter": 0.0, "grid": 0.0, "texture": 0.0, "stains": 0.0}


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("name", [*KINDS, "any"])
def test_a_page_is_a_sound_scene(name, color):
    config = change(surface=name, color=color)
    for index in range(6):
        image, target = draw(index, config)
        assert image.shape == (192, 192, 3 if color else 1) and image.dtype == np.float32
        assert 0 <= image.min() and image.max() <= 1
        target.validate(height=192, width=192, num_classes=11)
        for box, mask in zip(target.boxes, target.masks):
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            assert box.tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def test_the_same_seed_gives_the_same_page():
    config = change(surface="any")
    for index in (0, 5):
        first, second = draw(index, config), draw(index, config)
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1].masks, second[1].masks)
    assert not np.array_equal(draw(0, config)[0], draw(0, config, seed=1)[0])
    assert not np.array_equal(draw(0, config)[0], draw(0, config, split="test")[0])


@pytest.mark.parametrize("name", KINDS)
def test_masks_are_where_the_ink_is(name):
    """On a plain page, dark on paper and bright on a board, and nowhere else."""
    for index in range(4):
        image, target = draw(index, change(name, **PLAIN, alpha=(1.0, 1.0), color=False))
        inked, page = target.masks.any(axis=0), np.median(image)
        ink = (page - image[:, :, 0]) * (1 if name == "paper" else -1)
        assert ink[inked].mean() > 0.15 and np.median(np.abs(ink[~inked])) < 0.01
        assert (ink[~inked] > 0.25).mean() < 0.02  # the soft halves of edges


def test_each_ingredient_leaves_the_digits_where_they_were():
    plain, wanted = draw(3, change(**PLAIN))
    for name in PLAIN:
        value = {"jpeg": 30, "blur": 1.0}.get(name, 0.5)
        image, target = draw(3, change(**(PLAIN | {name: value})))
        if name != "clutter":  # which takes some of them for misfits
            np.testing.assert_array_equal(target.masks, wanted.masks)
        assert name in ("grid", "clutter") or not np.array_equal(image, plain), name
    ruled = [draw(i, change(**(PLAIN | {"grid": 1.0})))[0] for i in range(8)]
    unruled = [draw(i, change(**PLAIN))[0] for i in range(8)]
    assert 1 <= sum(not np.array_equal(a, b) for a, b in zip(ruled, unruled)) < 8  # half of the pages have lines


def test_heights_are_those_asked_for_and_small_ones_are_common():
    config = change(clutter=0.0, rotation=0.0, digits_per_image=(10, 10))
    heights = np.concatenate([draw(i, config)[1].boxes[:, [1, 3]] @ [-1, 1] for i in range(20)])
    assert heights.min() >= 9 and heights.max() <= 64 * 1.3
    assert np.median(heights) < 36


def test_misfits_are_painted_but_are_no_objects():
    few = change(clutter=1.0, digits_per_image=(10, 10), grid=0.0)
    some = [len(draw(i, few)[1]) for i in range(12)]
    all_of_them = [len(draw(i, dataclasses.replace(few, clutter=0.0))[1]) for i in range(12)]
    assert sum(some) < 0.9 * sum(all_of_them)
    heights = {pages._height(few, size, (0.0, how)) for size in (0.0, 0.99) for how in (0.1, 0.9)}
    assert all(label == 0 and (h < 0.7 * 14 or h > 1.7 * 64) for label, h in heights)


def test_numbers_stand_side_by_side():
    config = change(digits_per_image=(8, 8), clutter=0.0)
    beside = 0
    for i in range(10):
        x1, y1, x2, y2 = draw(i, config)[1].boxes.T
        gap, middle = x1[None] - x2[:, None], (y1 + y2) / 2
        beside += ((gap > -4) & (gap < 0.5 * (y2 - y1)) & (abs(middle[None] - middle[:, None]) < 4)).sum()
    assert beside >= 10


@pytest.mark.parametrize("name", [*KINDS, "any"])
def test_streams_draw_pages_and_batches_have_ink_where_a_model_looks_at_it(name):
    config = change(surface=name, image_size=96, digit_size=(14, 40), digits_per_image=(1, 3))
    made = [SceneStream(config, split="train", seed=1, batch_size=2, bank=BANK, ink=ink).batch(0) for ink in (0, 1)]
    image = draw(0, config, seed=1)[0]
    np.testing.assert_array_equal(made[0].images[0], image)
    np.testing.assert_array_equal(made[1].images[0], to_ink(image))
    np.testing.assert_array_equal(made[0].targets.boxes, made[1].targets.boxes)


def test_settings_that_do_not_go_together():
    with pytest.raises(ConfigError, match="surface must be '' for scenes.source 'figures'.*got 'paper'"):
        draw(0, change(source="figures"))
    with pytest.raises(ConfigError, match="in_channels must be 1 for a model that looks at ink; got 3"):
        from tinymaskrcnn.config_rules import check_network

        config = ModelConfig(ink=True, image_mean=(0.1,) * 3, image_std=(0.2,) * 3)
        check_network(dataclasses.replace(config, backbone=dataclasses.replace(config.backbone, in_channels=3)))
    with pytest.raises(ConfigError, match="scenes.surface must be '', 'paper', 'board' or 'any'; got 'wall'"):
        SceneConfig(surface="wall")
    with pytest.raises(ArgumentError, match="index and seed must be at least 0; got -1 and 0"):
        draw(-1, change())
    with pytest.raises(ArgumentError, match="split must be one of"):
        draw(0, change(), split="all")
