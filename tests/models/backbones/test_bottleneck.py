"""The block of the deeper networks: where its stride sits, how wide its groups are."""

import numpy as np
import pytest

from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.models.backbones.bottleneck import group_options
from tinymaskrcnn.models.backbones.resnet import ResNet, bottleneck

SMALL = {"depths": (1, 1, 1, 1), "widths": (4, 8, 12, 16), "stem": "3x3", "stem_width": 4, "norm": "batch"}
SMALL |= {"in_channels": 1, "rng": np.random.default_rng(0)}


def test_stride_of_a_bottleneck_sits_on_its_3x3():
    block = bottleneck(8, 16, stride=2, rng=np.random.default_rng(0))
    strides = {name: layer.options["stride"] for name, layer in block.branch.members() if name.startswith("conv")}
    assert strides == {"conv1": 1, "conv2": 2, "conv3": 1}


@pytest.mark.parametrize(
    ("outputs", "groups", "group_width", "width"),
    [(256, 1, 64, 64), (256, 32, 4, 128), (512, 32, 4, 256), (2048, 32, 8, 2048), (256, 1, 128, 128)],
)
def test_width_of_the_grouped_convolution(outputs, groups, group_width, width):
    """ResNet-50, ResNeXt-50 (32x4d) in two stages, ResNeXt-101 (32x8d), and the wide ResNet."""
    zeros = type("Zeros", (), {"standard_normal": staticmethod(np.zeros)})
    block = bottleneck(outputs, outputs, groups=groups, group_width=group_width, rng=zeros)
    shapes = {name: value.shape for name, value in block.state_dict().items()}
    assert shapes["conv2.weight"] == (3, 3, width // groups, width)
    assert shapes["conv1.weight"] == (1, 1, outputs, width) and shapes["conv3.weight"] == (1, 1, width, outputs)


def test_groups_are_for_bottlenecks_wide_enough():
    with pytest.raises(ConfigError, match="groups need block 'bottleneck'; got 2 of width 64 with 'basic'"):
        ResNet(block="basic", groups=2, **SMALL)
    with pytest.raises(ConfigError, match="groups need block 'bottleneck'; got 1 of width 32 with 'basic'"):
        ResNet(block="basic", group_width=32, **SMALL)
    assert group_options("basic") == {} and group_options("bottleneck") == {"groups": 1, "group_width": 64}
    with pytest.raises(ConfigError, match="group_width must leave a channel per group at 4 outputs; got 4"):
        ResNet(block="bottleneck", groups=32, group_width=4, **SMALL)
