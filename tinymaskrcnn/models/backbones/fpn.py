"""Feature pyramid network (Lin et al. 2017): strong features at every resolution."""

from ...backend import has_kernel
from ...nn.init import lecun_uniform
from ...nn.module import Module, Sequential
from ...ops import resize
from ..blocks import conv_block


class FPN(Module):
    """Lateral 1x1 convolutions, a top-down path of nearest upsampling and addition, a 3x3 convolution per level, P6.

    features [C2, C3, C4, C5]  ->  pyramid [P2, P3, P4, P5, P6], all with the same number of channels

    norm "batch" normalises after every convolution; there is no ReLU anywhere.
    """

    def __init__(self, in_channels, out_channels, *, norm="", rng):
        def conv(channels, kernel):
            return conv_block(channels, out_channels, kernel, norm=norm, relu=False, rng=rng, init=lecun_uniform)

        self.inner_blocks = [conv(channels, 1) for channels in in_channels]
        self.layer_blocks = [conv(out_channels, 3) for _ in in_channels]

    @has_kernel
    def forward(self, features):
        lateral, c_inner = _each(self.inner_blocks, features)
        merged, c_up = lateral[-1:], []
        for level in reversed(lateral[:-1]):  # top down: every level receives all that is above it
            top, c = resize.upsample_nearest2d_forward(merged[0], size=level.shape[1:3])
            merged.insert(0, top + level)
            c_up.insert(0, c)
        pyramid, c_layer = _each(self.layer_blocks, merged)
        p6 = pyramid[-1][:, ::2, ::2].copy()  # every second pixel of P5
        return [*pyramid, p6], self.keep((c_inner, c_up, c_layer))

    def backward(self, dpyramid, cache):
        c_inner, c_up, c_layer = cache
        *dpyramid, dp5, dp6 = dpyramid
        dp5 = dp5.copy()
        dp5[:, ::2, ::2] += dp6
        dmerged = _each_backward(self.layer_blocks, [*dpyramid, dp5], c_layer)

        dlateral = [dmerged[0]]
        for dlevel, c in zip(dmerged[1:], c_up):  # bottom up: what a level received from above flows back to it
            dlateral.append(dlevel + resize.upsample_nearest2d_backward(dlateral[-1], c))

        return _each_backward(self.inner_blocks, dlateral, c_inner)


def _each(layers, inputs):
    outputs, caches = zip(*(layer.forward(x) for layer, x in zip(layers, inputs, strict=True)))
    return list(outputs), caches


def _each_backward(layers, doutputs, caches):
    return [layer.backward(d, c) for layer, d, c in zip(layers, doutputs, caches, strict=True)]


class BackboneWithFPN(Sequential):
    """A backbone and behind it the pyramid that is built of its maps: pictures in, pyramid out."""

    def __init__(self, body, fpn):
        super().__init__(body=body, fpn=fpn)
        self.body, self.fpn = body, fpn
