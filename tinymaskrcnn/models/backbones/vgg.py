"""The networks of Simonyan and Zisserman 2015 as a backbone: groups of 3x3 convolutions, and pooling between them."""

from ...nn.layers import Conv2d, ReLU
from ...nn.module import Sequential
from ...nn.more_layers import MaxPool2d
from ..blocks import make_norm
from .resnet import Body

DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # convolutions per group
WIDTHS = (64, 128, 256, 512, 512)


def conv_group(number, channels, width, depth, *, norm="", norm_eps=1e-5, rng):
    """{name: layer} of one group, named as the authors did: conv5_1, relu5_1, conv5_2 ...; bn5_1 with a norm."""
    layers = {}
    for k in range(1, depth + 1):
        layers[f"conv{number}_{k}"] = Conv2d(channels, width, 3, padding=1, bias=not norm, rng=rng)
        if norm:
            layers[f"bn{number}_{k}"] = make_norm(norm, width, eps=norm_eps)
        layers[f"relu{number}_{k}"] = ReLU()
        channels = width
    return layers


class VGG(Body):
    """A Body of five groups; C2, C3 and C4 are what groups 3, 4 and 5 say before they are pooled, C5 is pooled again.

    x (N, H, W, C)  ->  [(N, H/4, W/4, C2), (N, H/8, W/8, C3), (N, H/16, W/16, C4), (N, H/32, W/32, C4)]

    C4 of VGG-16 is conv5_3, the map that Fast and Faster R-CNN look at. stages: 3 leaves the last pooling out.
    """

    def __init__(self, *, depths=DEPTHS[16], widths=WIDTHS, norm="", norm_eps=1e-5, in_channels=3, stages=4, rng):
        channels = (in_channels, *widths[:-1])
        options = {"norm": norm, "norm_eps": norm_eps, "rng": rng}
        sizes = enumerate(zip(channels, widths, depths, strict=True), start=1)
        one, two, three, four, five = (conv_group(number, *size, **options) for number, size in sizes)
        pools = [{f"pool{number}": MaxPool2d(2)} for number in range(1, 6)]
        stem = Sequential(**one, **pools[0], **two, **pools[1])
        behind = [three, pools[2] | four, pools[3] | five, pools[4]]
        super().__init__(stem, [Sequential(**layers) for layers in behind[:stages]])

    def members(self):
        return [("", part) for part in (self.stem, *self.stages)]
