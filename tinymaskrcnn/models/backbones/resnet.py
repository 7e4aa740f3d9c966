"""The residual network of He et al. 2016, any depth and width, as a backbone: pictures in, four feature maps out."""

from ...backend import has_kernel
from ...errors import ConfigError
from ...nn.layers import Conv2d, ReLU
from ...nn.module import Identity, Module, Sequential, sum_grads
from ...nn.more_layers import MaxPool2d
from ..blocks import make_norm
from . import frozen
from .bottleneck import bottleneck_branch, group_options


class ResidualBlock(Module):
    """relu(branch(x) + shortcut(x)) (He et al. 2016, equation 1)."""

    def __init__(self, branch, shortcut):
        self.branch = branch
        self.downsample = shortcut  # torchvision's name
        self.relu = ReLU()

    def members(self):
        return [("", self.branch), ("downsample", self.downsample), ("relu", self.relu)]

    @has_kernel
    def forward(self, x):
        h, c_branch = self.branch.forward(x)
        s, c_shortcut = self.downsample.forward(x)
        y, c_relu = self.relu.forward(h + s)
        return y, self.keep((c_branch, c_shortcut, c_relu))

    def backward(self, dy, cache):
        c_branch, c_shortcut, c_relu = cache
        d = self.relu.backward(dy, c_relu)
        return self.branch.backward(d, c_branch) + self.downsample.backward(d, c_shortcut)


def shortcut(in_channels, out_channels, *, stride, norm, norm_eps, rng):
    """The identity where shapes agree, else a 1x1 convolution and a norm."""
    if stride == 1 and in_channels == out_channels:
        return Identity()
    conv = Conv2d(in_channels, out_channels, 1, stride=stride, bias=False, rng=rng)
    return Sequential(conv, make_norm(norm, out_channels, eps=norm_eps))


def basic_block(in_channels, out_channels, *, stride=1, norm="batch", norm_eps=1e-5, rng):
    """Two 3x3 convolutions (ResNet-18 and 34)."""
    branch = Sequential(
        conv1=Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False, rng=rng),
        bn1=make_norm(norm, out_channels, eps=norm_eps),
        relu1=ReLU(),
        conv2=Conv2d(out_channels, out_channels, 3, padding=1, bias=False, rng=rng),
        bn2=make_norm(norm, out_channels, eps=norm_eps),
    )
    short = shortcut(in_channels, out_channels, stride=stride, norm=norm, norm_eps=norm_eps, rng=rng)
    return ResidualBlock(branch, short)


def bottleneck(in_channels, out_channels, *, stride=1, norm="batch", norm_eps=1e-5, rng, **groups):
    """1x1, 3x3 and 1x1 convolutions (ResNet-50, 101 and ResNeXt): see `bottleneck_branch`."""
    options = {"stride": stride, "norm": norm, "norm_eps": norm_eps, "rng": rng}
    branch = bottleneck_branch(in_channels, out_channels, **options, **groups)
    return ResidualBlock(branch, shortcut(in_channels, out_channels, **options))


def make_stage(block, in_channels, width, depth, stride, **options):
    """Blocks of one width, of which the first carries the stride."""
    first = block(in_channels, width, stride=stride, **options)
    return Sequential(first, *(block(width, width, **options) for _ in range(depth - 1)))


BLOCKS = {"basic": basic_block, "bottleneck": bottleneck}
STEMS = ("3x3", "7x7")


class Body(Module):
    """Stem and stages; returns the last map of each stage, C2 to C5, at strides 4, 8, 16 and 32.

    x (N, H, W, C)  ->  [(N, H/4, W/4, C2), (N, H/8, W/8, C3), (N, H/16, W/16, C4), (N, H/32, W/32, C5)]
    """

    def __init__(self, stem, stages):
        self.stem = stem
        self.stages = tuple(stages)
        self.frozen_stages = -1  # see frozen.freeze_stages

    def forward(self, x):
        if self.frozen_stages >= 0:
            return frozen.forward(self, x)
        x, c_stem = self.stem.forward(x)
        features, c_stages = [], []
        for stage in self.stages:
            x, c_stage = stage.forward(x)
            features.append(x)
            c_stages.append(c_stage)
        return features, self.keep((c_stem, c_stages))

    def backward(self, dfeatures, cache):
        if self.frozen_stages >= 0:
            return frozen.backward(self, dfeatures, cache)
        c_stem, c_stages = cache
        d = None
        for stage, dfeature, c_stage in zip(reversed(self.stages), reversed(dfeatures), reversed(c_stages)):
            d = stage.backward(sum_grads(d, dfeature), c_stage)
        return self.stem.backward(d, c_stem)


class ResNet(Body):
    """A Body of residual blocks: one stage for each width, three where the fourth is another's (C4).

    The stem "7x7" is the paper's (stride 2, then max pooling; stage 1 keeps the resolution); "3x3" is the small
    pictures' (stride 2; stage 1 halves once more). groups: of the bottleneck's 3x3, see `group_options`.
    """

    def __init__(self, *, block, depths, widths, stem, stem_width, norm, in_channels, norm_eps=1e-5, rng, **groups):
        if block not in BLOCKS:
            raise ConfigError(f"block must be one of {sorted(BLOCKS)}; got {block!r}")
        if stem not in STEMS:
            raise ConfigError(f"stem must be one of {STEMS}; got {stem!r}")
        options = {"norm": norm, "norm_eps": norm_eps, "rng": rng} | group_options(block, **groups)
        kernel = int(stem[0])
        stem_layers = Sequential(
            conv1=Conv2d(in_channels, stem_width, kernel, stride=2, padding=kernel // 2, bias=False, rng=rng),
            bn1=make_norm(norm, stem_width, eps=norm_eps),
            relu=ReLU(),
            maxpool=MaxPool2d(3, stride=2, padding=1) if stem == "7x7" else Identity(),
        )
        channels, strides = (stem_width, *widths[:-1]), (1 if stem == "7x7" else 2, 2, 2, 2)[: len(widths)]
        stages = zip(channels, widths, depths, strides, strict=True)
        super().__init__(stem_layers, [make_stage(BLOCKS[block], *sizes, **options) for sizes in stages])

    def members(self):  # torchvision's names
        return [("", self.stem), *((f"layer{i}", stage) for i, stage in enumerate(self.stages, start=1))]
