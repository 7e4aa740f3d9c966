"""From command-line words to a configuration."""

import json

import pytest

from tinymaskrcnn import cli
from tinymaskrcnn.commands import options
from tinymaskrcnn.config import SCENE_PRESETS, Config, tour_preset
from tinymaskrcnn.data.scenes import validate
from tinymaskrcnn.errors import ConfigError


def test_overriding_replaces_only_what_is_named():
    config = options.override(Config(), {"scenes.noise": 0, "model.backbone.depths": [1, 2, 3, 4]})
    assert config.scenes.noise == 0.0 and isinstance(config.scenes.noise, float)
    assert config.model.backbone.depths == (1, 2, 3, 4)
    assert options.override(config, {"scenes.noise": 0.1, "model.backbone.depths": [2, 2, 2, 2]}) == Config()


@pytest.mark.parametrize("name", SCENE_PRESETS)
def test_every_kind_of_scenes_is_valid_and_fits_its_model(name):
    config = options.build_config(cli.parse(["train", "--scenes", name]))
    validate(config.scenes)
    assert config.model.backbone.in_channels == (3 if config.scenes.color else 1)


def test_options_win_over_the_file_and_set_wins_over_options(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"train": {"steps": 7, "seed": 7, "batch_size": 7}, "data_dir": None}))
    words = ["train", "--config", str(file), "--seed", "8", "--batch-size", "8", "--set", "train.batch_size=9"]
    train = options.build_config(cli.parse(words)).train
    assert (train.steps, train.seed, train.batch_size) == (7, 8, 9)


def test_a_preset_is_where_the_options_start():
    config = options.build_config(cli.parse(["train", "--preset", "tour"]))
    assert config == tour_preset() and config.train.steps != Config().train.steps
    shorter = options.build_config(cli.parse(["train", "--preset", "tour", "--steps", "7"]))
    assert shorter.model == config.model and shorter.train.steps == 7


def test_a_preset_and_a_file_cannot_both_be_the_start(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="--config and --preset"):
        options.build_config(cli.parse(["train", "--preset", "tour", "--config", str(tmp_path / "config.json")]))


def test_colour_scenes_bring_a_colour_model():
    config = options.build_config(cli.parse(["train", "--set", "scenes.color=true"]))
    assert config.model.backbone.in_channels == 3 and len(config.model.image_mean) == 3


@pytest.mark.parametrize("value", [True, "1", 1.5, [1]])
def test_a_value_of_the_wrong_kind_is_refused(value):
    with pytest.raises(ConfigError, match="train.steps must be a whole number in 0..1e9; got"):
        options.override(Config(), {"train.steps": value})
