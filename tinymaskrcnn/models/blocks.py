"""What the parts of a network are made of: norms by name, convolution, norm and ReLU as one block, a difference."""

from ..backend import array_module
from ..errors import ConfigError
from ..nn.init import kaiming_normal
from ..nn.layers import BatchNorm2d, Conv2d, Flatten, Linear, ReLU
from ..nn.module import Module, Sequential
from ..nn.more_layers import FrozenBatchNorm2d, GroupNorm


def make_norm(kind, channels, *, eps=1e-5):
    """A normalisation layer by name: "batch", "frozen" or "group"."""
    if kind == "batch":
        return BatchNorm2d(channels, eps=eps)
    if kind == "frozen":
        return FrozenBatchNorm2d(channels, eps=eps)
    if kind == "group":
        groups = max(g for g in (32, 16, 8, 4, 2, 1) if channels % g == 0 and channels // g >= min(4, channels))
        return GroupNorm(groups, channels, eps=eps)
    raise ConfigError(f"norm must be 'batch', 'frozen' or 'group'; got {kind!r}")


def conv_block(channels, width, kernel=3, *, norm="", relu=True, rng, init=kaiming_normal):
    """A convolution that keeps the size, the norm of that name if any, and ReLU: (N, H, W, C) -> (N, H, W, width).

    A norm subtracts the mean, and with it whatever a bias had added: the convolution before one has none.
    """
    conv = Conv2d(channels, width, kernel, padding=kernel // 2, bias=not norm, rng=rng, init=init)
    norms = [make_norm(norm, width)] if norm else []
    return Sequential(conv, *norms, *([ReLU()] if relu else []))


def conv_blocks(channels, widths, *, norm="", rng):
    """A list of 3x3 blocks, one per width."""
    return [conv_block(before, width, norm=norm, rng=rng) for before, width in zip((channels, *widths), widths)]


def convs_and_linear(channels, size, width, *, convs, norm="", rng):
    """3x3 blocks and one fully connected layer: x (K, size, size, channels)  ->  h (K, width).

    A box head's other body: convolutions see where things are before the crop is flattened (Wu and He 2018,
    section 5.2).
    """
    blocks = conv_blocks(channels, convs, norm=norm, rng=rng)
    return Sequential(*blocks, Flatten(), Linear(size * size * convs[-1], width, rng=rng), ReLU())


class Difference(Module):
    """Of two scores per anchor, "object" minus "background": a softmax over two is a sigmoid of their difference.

    x (N, H, W, A * 2) as background, object  ->  logits (N, H, W, A)
    """

    def forward(self, x):
        *cells, channels = x.shape
        pairs = x.reshape(*cells, channels // 2, 2)
        return pairs[..., 1] - pairs[..., 0], self.keep(x.shape)

    def backward(self, dlogits, cache):
        return array_module(dlogits).stack([-dlogits, dlogits], axis=-1).reshape(cache)
