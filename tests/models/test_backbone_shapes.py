"""Names and shapes of every backbone and pyramid are those of what is built, and so are the maps that are counted."""

import math

import numpy as np
import pytest
from tiny_model import tiny_config

from tinymaskrcnn.models import backbone_shapes, shapes
from tinymaskrcnn.models.build import build_backbone, build_body, build_model
from tinymaskrcnn.testing import cache_bytes

KINDS, MAPS = ("resnet", "vgg", "plain"), ("full", "no_lateral", "no_top_down", "p2", "c4", "c5")


@pytest.mark.parametrize("fpn", MAPS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_shapes_are_those_of_the_network(kind, fpn):
    for norm in ("group", "frozen") + (("", "batch") if kind != "resnet" else ()):
        config = tiny_config(kind=kind, fpn=fpn, norm=norm)
        state = build_model(config, rng=np.random.default_rng(0)).state_dict()
        expected = shapes.expected_shapes(config)
        assert {n: math.prod(s) for n, s in expected.items()} == {n: a.size for n, a in state.items()}


@pytest.mark.parametrize("mask_kind", ["agnostic", "softmax", "fc"])
def test_the_shapes_of_a_mask_head_are_those_of_the_head(mask_kind):
    config = tiny_config(mask_kind=mask_kind)
    state = build_model(config, rng=np.random.default_rng(0)).state_dict()
    expected = shapes.expected_shapes(config)
    assert {n: math.prod(s) for n, s in expected.items()} == {n: a.size for n, a in state.items()}


def test_a_vgg_of_unlike_widths():
    config = tiny_config(kind="vgg", norm="").backbone
    changes = {"depths": (2, 1, 2, 1, 1), "widths": (3, 5, 7, 6, 4)}
    config = type(config)(**vars(config) | changes)
    found = backbone_shapes.body_shapes("body", config)
    body = build_body(config, rng=np.random.default_rng(0))
    wanted = {
        f"body.{n}": a.transpose(3, 2, 0, 1).shape if a.ndim == 4 else a.shape for n, a in body.state_dict().items()
    }
    assert found == wanted and found["body.conv3_2.weight"] == (7, 7, 3, 3)


@pytest.mark.parametrize("fpn", MAPS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_maps_are_those_that_come_out(kind, fpn):
    config = tiny_config(kind=kind, fpn=fpn, norm="group").backbone
    backbone = build_backbone(config, rng=np.random.default_rng(0))
    x = np.zeros((1, 64, 128, 1), np.float32)
    features, _ = backbone.body.forward(x)
    pyramid, cache = backbone.forward(x)
    assert [(64 // f.shape[1], f.shape[3]) for f in features] == backbone_shapes.last_maps(config)
    assert [64 // level.shape[1] for level in pyramid] == backbone_shapes.looked_at(config)
    assert {level.shape[3] for level in pyramid} == {config.channels}
    stem, _ = backbone.body.stem.layers[0].forward(x)
    assert (64 // stem.shape[1], stem.shape[3]) == backbone_shapes.first_map(config)
    counted = 4 * sum((64 // stride) * (128 // stride) * width for stride, width in backbone_shapes.kept_maps(config))
    assert 0.2 * cache_bytes(cache) < counted < cache_bytes(cache)


@pytest.mark.parametrize("fpn", MAPS)
def test_levels_have_their_names(fpn):
    config = tiny_config(fpn=fpn).backbone
    names = {"p2": ["P2"], "c4": ["C4"], "c5": ["C5"]}.get(fpn, ["P2", "P3", "P4", "P5", "P6"])
    assert [config.level_name(level) for level in config.levels] == names
