"""Scenes bring what a model must know of them, and leave alone what was chosen on purpose."""

import dataclasses

import pytest

from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import SCENE_PRESETS, Config, SceneConfig, scene_preset
from tinymaskrcnn.config_whole import check_data
from tinymaskrcnn.data import mnist
from tinymaskrcnn.data.figures import CLASS_NAMES, JOINTS
from tinymaskrcnn.data.loader import open_stream
from tinymaskrcnn.errors import DataError
from tinymaskrcnn.models.for_scenes import model_for, still_wanted
from tinymaskrcnn.train.anchor_report import anchor_report

SCENES = [
    *map(scene_preset, SCENE_PRESETS),
    SceneConfig(extreme_points=True),
    SceneConfig(source="figures", color=True),
]


@pytest.mark.parametrize("scenes", SCENES, ids=lambda scenes: f"{scenes.source}-{scenes.color}-{scenes.extreme_points}")
def test_the_model_fits_the_scenes(scenes):
    heads = ("box", "mask", "keypoint") if scenes.extreme_points or scenes.source == "figures" else ("box", "mask")
    config = override(
        Config(scenes=scenes), model_for(scenes) | {"model.heads": heads, "model.roi.keypoint_widths": (4,)}
    )
    check_data(config)
    assert config.model.backbone.in_channels == (3 if scenes.color else 1)
    assert config.model.class_names == (CLASS_NAMES if scenes.source == "figures" else Config().model.class_names)
    names = (
        JOINTS if scenes.source == "figures" else ("top", "left", "bottom", "right") if scenes.extreme_points else ()
    )
    assert config.model.keypoint_names == names and (not names or config.model.roi.num_keypoints == len(names))
    assert model_for(SceneConfig()) == {}


def test_what_was_chosen_on_purpose_stays():
    anchors = ((30,), (40,), (50,), (60,), (70,))
    config = override(Config(), {"model.rpn.anchor_sizes": anchors})
    wanted = model_for(scene_preset("figures"))
    left = still_wanted(wanted, config)
    assert wanted.keys() - left.keys() == {"model.rpn.anchor_sizes"}
    config = override(dataclasses.replace(config, scenes=scene_preset("figures")), left)
    assert config.model.rpn.anchor_sizes == anchors and config.model.class_names == CLASS_NAMES
    assert still_wanted(wanted, config) == {}


def test_mnist_is_looked_at_twice_as_large_whatever_its_size():
    for side in (96, 128):
        scenes = SceneConfig(source="mnist", image_size=side)
        config = override(Config(scenes=scenes), model_for(scenes))
        assert (config.model.resize_shorter, config.model.resize_longer) == (2 * side, 2 * side)
        check_data(config)
    pages = SceneConfig(source="mnist", surface="paper")  # photographs, whose detector has a scale of its own
    assert model_for(pages) == {}


def test_what_mnist_asks_for_covers_its_digits():
    """A 1 is up to eight times as high as wide; of the default's anchors none looks like it."""
    try:
        mnist.find()
    except DataError as error:
        pytest.skip(str(error))
    scenes = SceneConfig(source="mnist")
    shares = []
    for settings in ({}, model_for(scenes)):
        config = override(Config(scenes=scenes), settings)
        stream = open_stream(config, split="train")
        shares.append(anchor_report(map(stream.scene, range(60)), config.model.rpn).share(0.5))
    assert shares[0] < 0.97 and shares[1] > 0.99
