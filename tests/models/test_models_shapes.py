"""The shapes of a configuration are those of the network it builds; its memory is counted before any is taken."""

import dataclasses
import math
import time

import numpy as np
import pytest
from tiny_model import tiny_config, tiny_scene

from tinymaskrcnn.config import BackboneConfig, Config, ModelConfig, RoIConfig, TrainConfig
from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.experiment import Experiment
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.shapes import expected_shapes, step_bytes, weights_bytes
from tinymaskrcnn.testing import cache_bytes


@pytest.mark.parametrize(
    "config", [tiny_config(), tiny_config(version="v2", stem="7x7", heads=("box", "keypoint")), ModelConfig()]
)
def test_the_shapes_are_those_of_the_network(config):
    state = build_model(config, rng=np.random.default_rng(0)).state_dict()
    assert {n: math.prod(s) for n, s in expected_shapes(config).items()} == {n: a.size for n, a in state.items()}
    assert weights_bytes(config) == sum(array.nbytes for array in state.values())


def test_no_step_keeps_less_than_is_counted():
    config = tiny_config()
    images, targets = tiny_scene()
    model = build_model(config, rng=np.random.default_rng(0))
    _, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
    counted = step_bytes(config, images.shape[1:3], pictures=len(images))
    assert 0.2 * cache_bytes(cache) < counted < 1.2 * cache_bytes(cache)


@pytest.mark.parametrize(
    ("model", "train", "message"),
    [
        ({"backbone": BackboneConfig(depths=(1000,) * 4, widths=(65536,) * 4)}, {}, "at least .* PB of memory"),
        ({"roi": RoIConfig(head_width=65536, box_size=128)}, {}, "a training step needs at least .* GB of memory"),
        ({}, {"batch_size": 10**5}, "a training step needs at least .* GB of memory; .* are free; lower train.batch"),
    ],
)
def test_what_cannot_fit_is_refused_at_once_with_its_bytes(model, train, message, tmp_path):
    config = Config(model=ModelConfig(**model), train=TrainConfig(**train))
    began = time.process_time()
    with pytest.raises(ConfigError, match=message):
        Experiment.start(tmp_path / "run", config)
    if model:
        with pytest.raises(ConfigError, match="a model with these settings needs at least .* [GP]B"):
            build_model(dataclasses.replace(config.model), rng=np.random.default_rng(0))
    assert time.process_time() - began < 1 and not (tmp_path / "run").exists()
