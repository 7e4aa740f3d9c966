"""The plain network of a digit detector of 2018 (github.com/gesina/simple_mask_rcnn): four pooled 3x3 convolutions."""

from ...nn.layers import Conv2d, ReLU
from ...nn.module import Sequential
from ...nn.more_layers import MaxPool2d
from ..blocks import make_norm
from .resnet import Body

WIDTHS = (32, 32, 16, 16)


class PlainCNN(Body):
    """A Body in which every convolution is pooled: its map at stride 16, C4, is what Schwalbe's RPN looks at.

    x (N, H, W, C)  ->  [(N, H/4, W/4, C2), (N, H/8, W/8, C3), (N, H/16, W/16, C4), (N, H/32, W/32, C4)]

    C5 is C4 pooled once more, for the pyramid; stages: 3 leaves it out.
    """

    def __init__(self, *, widths=WIDTHS, norm="", norm_eps=1e-5, in_channels=1, stages=4, rng):
        channels = (in_channels, *widths[:-1])
        steps = []
        for number, (before, width) in enumerate(zip(channels, widths, strict=True), start=1):
            conv = {f"conv{number}": Conv2d(before, width, 3, padding=1, bias=not norm, rng=rng)}
            after = {f"bn{number}": make_norm(norm, width, eps=norm_eps)} if norm else {}
            steps.append(conv | after | {f"relu{number}": ReLU(), f"pool{number}": MaxPool2d(2)})
        first, *rest = steps
        behind = [*rest, {"pool5": MaxPool2d(2)}]
        super().__init__(Sequential(**first), [Sequential(**layers) for layers in behind[:stages]])

    def members(self):
        return [("", part) for part in (self.stem, *self.stages)]
