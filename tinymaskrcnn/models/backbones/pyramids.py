"""What a feature pyramid is worth: pyramids that lack a part (FPN paper, table 1), and single maps without any.

Each gives a list of maps as FPN does, finest first; which one a model has is chosen when it is built.
"""

from ...backend import array_module
from ...nn.init import lecun_uniform
from ...nn.module import Module
from ...ops import resize
from ..blocks import conv_block
from .fpn import FPN, _each, _each_backward


class NoTopDown(FPN):
    """Laterals and a 3x3 convolution per level, but nothing comes down: P2 knows only what C2 sees (table 1 d).

    features [C2, C3, C4, C5]  ->  pyramid [P2, P3, P4, P5, P6]
    """

    def forward(self, features):
        lateral, c_inner = _each(self.inner_blocks, features)
        pyramid, c_layer = _each(self.layer_blocks, lateral)
        return [*pyramid, _p6(pyramid[-1])], self.keep((c_inner, c_layer))

    def backward(self, dpyramid, cache):
        c_inner, c_layer = cache
        dlateral = _each_backward(self.layer_blocks, _without_p6(dpyramid), c_layer)
        return _each_backward(self.inner_blocks, dlateral, c_inner)


class NoLateral(Module):
    """C5 enlarged down to P2, without a look at the finer maps: features are strong but blurred (table 1 e).

    features [C2, C3, C4, C5]  ->  pyramid [P2, P3, P4, P5, P6]
    """

    def __init__(self, in_channels, out_channels, *, norm="", rng):
        options = {"norm": norm, "relu": False, "rng": rng, "init": lecun_uniform}
        self.inner_block = conv_block(in_channels[-1], out_channels, 1, **options)
        self.layer_blocks = [conv_block(out_channels, out_channels, 3, **options) for _ in in_channels]

    def forward(self, features):
        top, c_inner = self.inner_block.forward(features[-1])
        merged, c_up = [top], []
        for level in reversed(features[:-1]):  # of which only the size is asked
            top, c = resize.upsample_nearest2d_forward(merged[0], size=level.shape[1:3])
            merged.insert(0, top)
            c_up.insert(0, c)
        pyramid, c_layer = _each(self.layer_blocks, merged)
        shapes = [level.shape for level in features[:-1]]
        return [*pyramid, _p6(pyramid[-1])], self.keep((c_inner, c_up, c_layer, shapes))

    def backward(self, dpyramid, cache):
        c_inner, c_up, c_layer, shapes = cache
        dmerged = _each_backward(self.layer_blocks, _without_p6(dpyramid), c_layer)
        d = dmerged[0]
        for dlevel, c in zip(dmerged[1:], c_up):
            d = dlevel + resize.upsample_nearest2d_backward(d, c)
        return [*_zeros(shapes, d), self.inner_block.backward(d, c_inner)]


class FinestOnly(Module):
    """The whole way down, but only P2 is looked at, with anchors of all sizes (table 1 f).

    features [C2, C3, C4, C5]  ->  pyramid [P2]
    """

    def __init__(self, in_channels, out_channels, *, norm="", rng):
        options = {"norm": norm, "relu": False, "rng": rng, "init": lecun_uniform}
        self.inner_blocks = [conv_block(channels, out_channels, 1, **options) for channels in in_channels]
        self.layer_block = conv_block(out_channels, out_channels, 3, **options)

    def forward(self, features):
        lateral, c_inner = _each(self.inner_blocks, features)
        merged, c_up = lateral[-1], []
        for level in reversed(lateral[:-1]):
            top, c = resize.upsample_nearest2d_forward(merged, size=level.shape[1:3])
            merged = top + level
            c_up.insert(0, c)
        p2, c_layer = self.layer_block.forward(merged)
        return [p2], self.keep((c_inner, c_up, c_layer))

    def backward(self, dpyramid, cache):
        c_inner, c_up, c_layer = cache
        dlateral = [self.layer_block.backward(dpyramid[0], c_layer)]
        for c in c_up:
            dlateral.append(resize.upsample_nearest2d_backward(dlateral[-1], c))
        return _each_backward(self.inner_blocks, dlateral, c_inner)


class LastMap(Module):
    """No pyramid: the last map of the body as it is, C4 or C5 (Faster R-CNN), so that all sizes share one stride.

    features [C2, ..., CK]  ->  pyramid [CK]
    """

    def forward(self, features):
        return features[-1:], self.keep([level.shape for level in features[:-1]])

    def backward(self, dpyramid, cache):
        return [*_zeros(cache, dpyramid[0]), dpyramid[0]]


def _p6(p5):
    """Every second pixel of P5."""
    return p5[:, ::2, ::2].copy()


def _without_p6(dpyramid):
    """The gradients of P2 to P5, that of P6 added to the last."""
    *finer, dp5, dp6 = dpyramid
    dp5 = dp5.copy()
    dp5[:, ::2, ::2] += dp6
    return [*finer, dp5]


def _zeros(shapes, like):
    """What flows back to maps that nobody looked at."""
    return [array_module(like).zeros(shape, like.dtype) for shape in shapes]
