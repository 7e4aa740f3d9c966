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


PAPERS = {  # blocks of each stage (He et al. 2016, table 1), the groups of the 3x3 and how wide each is in stage 1
    "resnet18": ("2222", 1, 64),
    "resnet34": ("3463", 1, 64),
    "resnet50": ("3463", 1, 64),
    "resnet101": ((3, 4, 23, 3), 1, 64),
    "resnext50_32x4d": ("3463", 32, 4),
    "resnext101_32x8d": ((3, 4, 23, 3), 32, 8),
}


@pytest.mark.parametrize("name", PAPERS)
def test_a_resnet_has_the_stages_and_groups_of_its_paper(name):
    depths, groups, width = PAPERS[name]
    backbone = config_of(name).model.backbone
    assert backbone.depths == tuple(map(int, depths))
    assert (backbone.groups, backbone.group_width) == (groups, width)
    assert (backbone.kind, backbone.block) == ("resnet", "basic" if name in ("resnet18", "resnet34") else "bottleneck")
    assert backbone.stem_width == 16 and backbone.widths[0] == (16 if backbone.block == "basic" else 64)
    assert [w // backbone.widths[0] for w in backbone.widths] == [1, 2, 4, 8]


def test_widths_stay_in_proportion_and_none_becomes_0():
    assert config_of("plain").model.backbone.widths == (32, 32, 16, 16)
    assert config_of("plain-c4:64").model.backbone.widths == (64, 64, 32, 32)
    assert config_of("plain:1").model.backbone.widths == (1, 1, 1, 1)  # a half is rounded to 0
    assert config_of("vgg11").model.backbone.widths == (16, 32, 64, 128, 128)
    assert config_of("resnet50:8").model.backbone.widths == (32, 64, 128, 256)
    assert config_of("plain").model.backbone.depths == (1, 1, 1, 1)


@pytest.mark.parametrize("name, norm", [("vgg16_bn", "batch"), ("vgg16", ""), ("plain", ""), ("resnet18", "batch")])
def test_a_name_says_whether_there_are_norms(name, norm):
    """A ResNet keeps those it had; it gets batch norms where there were none."""
    before = config_of("plain") if name == "resnet18" else None
    assert config_of(name, before).model.backbone.norm == norm
    kept = dataclasses.replace(Config(), model=photograph_preset(("background", "cat")))
    assert config_of("resnet50", kept).model.backbone.norm == "group"


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
    said = str(caught.value)
    assert len(said) <= 500 and all(network in said for network in presets.NETWORKS)
