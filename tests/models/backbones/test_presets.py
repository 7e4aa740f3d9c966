"""Backbones by name: the papers' depths and widths, and a model for every name."""

import dataclasses

import numpy as np
import pytest

from tinymaskrcnn.commands.options import override
from tinymaskrcnn.config import Config, photograph_preset
from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.models.backbones import presets
from tinymaskrcnn.models.backbones.presets import backbone_settings
from tinymaskrcnn.models.build import build_body, build_model


def config_of(name, before=None):
    before = before or Config()
    return override(before, backbone_settings(name, before.model))


CONVOLUTIONS = {"resnet18": 20, "resnet34": 36, "resnet50": 53, "resnet101": 104, "plain": 4}
CONVOLUTIONS |= {"resnext50_32x4d": 53, "resnext101_32x8d": 104, "vgg11": 8, "vgg13": 10, "vgg16": 13, "vgg19": 16}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_network_has_the_convolutions_of_its_paper(name):
    config = dataclasses.replace(config_of(name).model.backbone, stem="7x7")
    body = build_body(config, rng=np.random.default_rng(0))
    assert sum(p.value.ndim == 4 for p in body.parameters()) == CONVOLUTIONS[name]


PARAMETERS = {  # of torchvision's networks without their classifiers, for pictures of three channels
    "resnet18:64": 11689512 - 513000,
    "resnet50:64": 25557032 - 2049000,
    "resnext50_32x4d:64": 25028904 - 2049000,
    "vgg16:64": 14714688,
    "vgg19:64": 20024384,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_at_the_papers_width_they_have_the_papers_parameters(name):
    config = dataclasses.replace(config_of(name).model.backbone, in_channels=3, stem="7x7")
    body = build_body(config, rng=_Zeros)
    assert sum(p.value.size for p in body.parameters()) == PARAMETERS[name]


class _Zeros:
    standard_normal = staticmethod(np.zeros)


@pytest.mark.parametrize("maps", presets.MAPS)
@pytest.mark.parametrize("network", ["resnet18", "resnext50_32x4d", "vgg11", "plain"])
def test_every_network_fits_every_map_and_back(network, maps):
    config = config_of(f"{network}-{maps}")
    assert config.model.backbone.fpn == maps
    model = build_model(config.model, rng=_Normal)
    assert model.config is config.model
    back = config_of("resnet18", config).model
    assert back == (dataclasses.replace(Config().model, backbone=back.backbone))  # anchors and crops, too
    assert back.backbone == config_of("resnet18").model.backbone


class _Normal:
    standard_normal = staticmethod(np.zeros)

    @staticmethod
    def uniform(low, high, shape):
        return np.zeros(shape)


def test_resnext_is_a_resnet_in_groups_of_the_papers_width():
    backbone = config_of("resnext50_32x4d:64").model.backbone
    assert (backbone.groups, backbone.group_width, backbone.widths) == (32, 4, (256, 512, 1024, 2048))
    body = build_body(config_of("resnext50_32x4d").model.backbone, rng=np.random.default_rng(0))
    shapes = {name: p.value.shape for name, p in body.named_parameters()}
    assert shapes["layer1.0.conv2.weight"] == (3, 3, 1, 32) and shapes["layer4.0.conv2.weight"] == (3, 3, 8, 256)


def test_a_single_map_has_the_anchors_of_all_levels():
    photographs = dataclasses.replace(Config(), model=photograph_preset(("background", "cat")))
    model = config_of("resnet18-c4", photographs).model
    assert model.rpn.anchor_sizes == ((16, 32, 64, 128, 256),)
    assert (model.backbone.norm, model.roi.box_norm) == ("group", "")
    assert config_of("resnet18-c4").model.roi.box_norm == "batch"
    assert config_of("vgg16_bn-c4").model.roi.box_norm == ""


@pytest.mark.parametrize(
    "name", ["resnet9", "vgg16-c3", "vgg16:0", "vgg16-c4:", "", "resnet50 ", "VGG16", "plain:100000"]
)
def test_an_unknown_name_is_named_with_those_that_are_known(name):
    with pytest.raises(ConfigError, match=r"a backbone is NETWORK.*vgg11.*a map of full.*got '") as caught:
        backbone_settings(name, Config().model)
    assert len(str(caught.value)) <= 500
