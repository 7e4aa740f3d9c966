"""The branch of the deeper residual networks, with its convolution in groups (ResNet-50 and 101, ResNeXt)."""

from ...errors import ConfigError
from ...nn.layers import Conv2d, ReLU
from ...nn.module import Sequential
from ..blocks import make_norm


def bottleneck_branch(in_channels, out_channels, *, stride, norm, norm_eps, groups=1, group_width=64, rng):
    """1x1 down to a quarter, 3x3 (which carries the stride, as in torchvision), 1x1 up again (ResNet-50 and 101).

    With groups the 3x3 looks at each run of channels by itself, and there are groups * group_width of them where
    out_channels are 256, in proportion elsewhere (ResNeXt, Xie et al. 2017: 32 groups of 4).
    """
    width = out_channels * group_width // 256 * groups
    if width < groups:
        raise ConfigError(f"group_width must leave a channel per group at {out_channels} outputs; got {group_width}")
    return Sequential(
        conv1=Conv2d(in_channels, width, 1, bias=False, rng=rng),
        bn1=make_norm(norm, width, eps=norm_eps),
        relu1=ReLU(),
        conv2=Conv2d(width, width, 3, stride=stride, padding=1, groups=groups, bias=False, rng=rng),
        bn2=make_norm(norm, width, eps=norm_eps),
        relu2=ReLU(),
        conv3=Conv2d(width, out_channels, 1, bias=False, rng=rng),
        bn3=make_norm(norm, out_channels, eps=norm_eps),
    )


def group_options(block, *, groups=1, group_width=64):
    """What a block of this name wants to hear about groups; ConfigError where it has none and some are asked for."""
    if block == "bottleneck":
        return {"groups": groups, "group_width": group_width}
    if (groups, group_width) != (1, 64):
        raise ConfigError(f"groups need block 'bottleneck'; got {groups} of width {group_width} with {block!r}")
    return {}
