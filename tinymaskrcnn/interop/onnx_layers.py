"""Layers as ONNX nodes: one small function per type. ONNX is channels first, so weights are transposed on the way.

Each takes the graph, the layer and the name of its input (N, C, H, W), and returns the name of its output.
"""

from ..errors import ConfigError
from ..models.backbones.resnet import ResidualBlock
from ..models.blocks import Difference
from ..nn import layers, more_layers
from ..nn.module import Identity, Sequential
from ..ops.common import as_pair
from .onnx_boxes import EVERYTHING


def emit(g, layer, x):
    """The nodes of a layer; ConfigError for one that has no ONNX form here."""
    if type(layer) not in EMITTERS:
        raise ConfigError(f"ONNX export knows no layer {type(layer).__name__}; it knows {known_layers()}")
    return EMITTERS[type(layer)](g, layer, x)


def known_layers():
    return ", ".join(sorted(kind.__name__ for kind in EMITTERS))


# ---------------------------------------------------------------- layers with parameters


def conv2d(g, layer, x):
    options = layer.options
    weight = g.parameter("weight", layer.weight.value.transpose(3, 2, 0, 1))  # (O, C/groups, KH, KW)
    bias = [g.parameter("bias", layer.bias.value)] if layer.bias is not None else []
    return g.Conv(
        x,
        weight,
        *bias,
        strides=pair(options["stride"]),
        pads=2 * pair(options["padding"]),  # top, left, bottom, right
        dilations=pair(options["dilation"]),
        group=options["groups"],
    )


def conv_transpose2d(g, layer, x):
    weight = g.parameter("weight", layer.weight.value.transpose(2, 3, 0, 1))  # (C, O, KH, KW)
    bias = [g.parameter("bias", layer.bias.value)] if layer.bias is not None else []
    options = layer.options
    return g.ConvTranspose(x, weight, *bias, strides=pair(options["stride"]), pads=2 * pair(options["padding"]))


def linear(g, layer, x):
    """x (K, C)  ->  (K, O)"""
    return g.Gemm(x, g.parameter("weight", layer.weight.value), g.parameter("bias", layer.bias.value))


def batch_norm(g, layer, x):
    """Both kinds: at inference batch normalisation is frozen, too."""
    names = ("weight", "bias", "running_mean", "running_var")
    arrays = [g.parameter(name, getattr(layer, name).value) for name in names]
    return g.BatchNormalization(x, *arrays, epsilon=float(layer.eps))


def group_norm(g, layer, x):
    """A group of channels is laid out as one long channel and normalised as such; scale and shift follow."""
    channels = layer.weight.value.shape[0]
    lines = g.Reshape(x, [0, layer.groups, -1])  # (N, groups, C/groups * H * W)
    ones, zeros = [1.0] * layer.groups, [0.0] * layer.groups
    normal = g.InstanceNormalization(lines, ones, zeros, epsilon=float(layer.eps))
    normal = g.Reshape(normal, g.Shape(x))
    weight = g.parameter("weight", layer.weight.value.reshape(channels, 1, 1))
    bias = g.parameter("bias", layer.bias.value.reshape(channels, 1, 1))
    return g.Add(g.Mul(normal, weight), bias)


# ---------------------------------------------------------------- layers without


def relu(g, layer, x):
    return g.Relu(x)


def flatten(g, layer, x):
    """Weights behind it expect the pixels of a crop channels last."""
    return g.Flatten(g.Transpose(x, perm=[0, 2, 3, 1]), axis=1)


def identity(g, layer, x):
    return x


def max_pool2d(g, layer, x):
    options = layer.options
    kernel, padding = pair(options["kernel"]), pair(options["padding"])
    stride = kernel if options["stride"] is None else pair(options["stride"])
    return g.MaxPool(x, kernel_shape=kernel, strides=stride, pads=2 * padding)


def pair(value):
    return list(as_pair("ONNX export", "option", value, at_least=0))


# ---------------------------------------------------------------- layers made of layers


def sequential(g, layer, x):
    for name, member in zip(layer.names, layer.layers):
        with g.scope(name):
            x = emit(g, member, x)
    return x


def residual_block(g, layer, x):
    h = emit(g, layer.branch, x)
    with g.scope("downsample"):
        s = emit(g, layer.downsample, x)
    return g.Relu(g.Add(h, s))


def difference(g, layer, x):
    """scores (N, A * 2, H, W) as background, object  ->  logits (N, A, H, W)"""
    background, thing = (g.Slice(x, [start], [EVERYTHING], [1], [2]) for start in (0, 1))
    return g.Sub(thing, background)


EMITTERS = {
    layers.Conv2d: conv2d,
    layers.ConvTranspose2d: conv_transpose2d,
    layers.Linear: linear,
    layers.BatchNorm2d: batch_norm,
    more_layers.FrozenBatchNorm2d: batch_norm,
    more_layers.GroupNorm: group_norm,
    layers.ReLU: relu,
    more_layers.MaxPool2d: max_pool2d,
    layers.Flatten: flatten,
    Identity: identity,
    Sequential: sequential,
    ResidualBlock: residual_block,
    Difference: difference,
}
