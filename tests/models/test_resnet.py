"""The backbone: shapes at every depth and width, names, and the residual sum."""

import numpy as np
import pytest

from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.models.resnet import ResNet, basic_block, bottleneck, make_norm


def resnet(**changes):
    settings = {
        "block": "basic",
        "depths": (1, 1, 1, 1),
        "widths": (4, 8, 12, 16),
        "stem": "3x3",
        "stem_width": 4,
        "norm": "batch",
        "in_channels": 1,
        "rng": np.random.default_rng(0),
    }
    return ResNet(**{**settings, **changes})


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("stem", ["3x3", "7x7"])
@pytest.mark.parametrize("norm", ["batch", "frozen", "group"])
def test_strides_are_4_8_16_32(block, stem, norm):
    x = np.ones((2, 64, 96, 1), np.float32)
    features, _ = resnet(block=block, stem=stem, norm=norm).forward(x)
    assert [f.shape for f in features] == [(2, 16, 24, 4), (2, 8, 12, 8), (2, 4, 6, 12), (2, 2, 3, 16)]


def test_depths_count_the_weights_of_the_papers_networks():
    """ResNet-50 has 53 convolutions in its body, ResNet-18 has 20 (shortcuts included)."""
    for block, depths, convolutions in (("bottleneck", (3, 4, 6, 3), 53), ("basic", (2, 2, 2, 2), 20)):
        stem_width = 16 if block == "basic" else 4
        net = resnet(block=block, depths=depths, widths=(16, 32, 64, 128), stem="7x7", stem_width=stem_width)
        names = [name for name, p in net.named_parameters() if p.value.ndim == 4]
        assert len(names) == convolutions


def test_names_are_torchvisions():
    names = set(resnet(block="bottleneck").state_dict())
    assert {"conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "layer4.0.bn3.bias"} <= names
    assert {"layer1.0.downsample.0.weight", "layer1.0.downsample.1.running_mean"} <= names


def test_stride_of_a_bottleneck_sits_on_its_3x3():
    block = bottleneck(8, 16, stride=2, rng=np.random.default_rng(0))
    strides = {name: layer.options["stride"] for name, layer in block.branch.members() if name.startswith("conv")}
    assert strides == {"conv1": 1, "conv2": 2, "conv3": 1}


def test_a_block_whose_branch_is_silent_is_relu_of_its_input():
    block = basic_block(3, 3, rng=np.random.default_rng(0))
    block.branch.layers[-1].weight.value[...] = 0  # the last norm scales by 0
    x = np.random.default_rng(1).standard_normal((2, 5, 5, 3)).astype(np.float32)
    np.testing.assert_array_equal(block.forward(x)[0], np.maximum(x, 0))


@pytest.mark.parametrize("change", [{"block": "dense"}, {"stem": "5x5"}, {"norm": "layer"}])
def test_unknown_parts_are_named(change):
    name, value = next(iter(change.items()))
    with pytest.raises(ConfigError, match=f"{name} must be .*{value}"):
        resnet(**change)


def test_group_norm_divides_any_width():
    for channels in (1, 3, 4, 6, 16, 24, 64, 256):
        norm = make_norm("group", channels)
        assert channels % norm.groups == 0 and norm.groups <= 32
