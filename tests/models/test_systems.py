"""Every system of the family is found by its name, is built of known parts, and knows its heads."""

import numpy as np
import pytest

from tinymaskrcnn import config_rules
from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import Config, ModelConfig
from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.systems import SYSTEMS, system_settings


def test_the_rules_and_the_systems_have_the_same_names():
    assert tuple(SYSTEMS) == config_rules.SYSTEMS


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_can_be_built_and_comes_back_from_its_settings(name):
    config = override(Config(), system_settings(name))
    assert config.model.system == name
    back = override(config, system_settings("mask_rcnn")).model  # and none of its parts is left behind
    assert back == ModelConfig() or (name == "keypoint_rcnn" and back.heads == ModelConfig().heads)
    if name in ("faster_rcnn", "mask_rcnn", "mask_scoring_rcnn"):
        model = build_model(config.model, rng=np.random.default_rng(0))
        assert tuple(model.roi_heads.heads) == config.model.heads


def test_a_system_without_its_heads_is_refused():
    with pytest.raises(ConfigError, match=r"model.heads must be \['box'\] for system 'faster_rcnn'; got"):
        override(Config(), {"model.system": "faster_rcnn"})
    with pytest.raises(ConfigError, match="model.system must be .* got 'yolo'"):
        ModelConfig(system="yolo")
