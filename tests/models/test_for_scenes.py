"""Scenes bring what a model must know of them, and leave alone what was chosen on purpose."""

import dataclasses

import pytest

from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import SCENE_PRESETS, Config, SceneConfig, scene_preset
from tinymaskrcnn.config_whole import check_data
from tinymaskrcnn.data.figures import CLASS_NAMES, JOINTS
from tinymaskrcnn.models.for_scenes import model_for, still_wanted

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
