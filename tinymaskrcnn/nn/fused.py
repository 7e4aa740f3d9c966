"""What a container may do in one go: the same numbers, fewer passes over the pixels. It registers like a kernel.

In inference a convolution and the fixed norm behind it are one convolution with another weight and bias, made from the
weights of this very call. A ReLU behind a layer whose output nobody else holds rectifies in place. In training, batch
norm and ReLU are one operator, forward and backward.
"""

import numpy as np

from ..backend import array_module, has_kernel
from ..kernel_lookup import register_kernel
from ..ops import conv, more_norms, resize
from .layers import BatchNorm2d, Conv2d, ConvTranspose2d, Linear, ReLU
from .module import Sequential
from .more_layers import FrozenBatchNorm2d, GroupNorm

FRESH = (Conv2d, ConvTranspose2d, Linear, BatchNorm2d, FrozenBatchNorm2d, GroupNorm)  # y is new and not in the cache
NORMS = (BatchNorm2d, FrozenBatchNorm2d)
PIXELS_PER_ROW = 8  # of input pixels and weight rows: with fewer, scaling the output is the shorter way


def everywhere(module):
    """What is written with `array_module` works on the arrays of any module."""
    return True


@register_kernel("Sequential.forward", module=everywhere)
def in_a_row(sequential, x):
    """Fast twin of nn.module.Sequential.forward."""
    x, caches = forward(sequential.layers, x)
    return x, sequential.keep(caches)


@register_kernel("Sequential.backward", module=everywhere)
def back_through_a_row(sequential, dy, cache):
    """Fast twin of nn.module.Sequential.backward."""
    return backward(sequential.layers, dy, cache)


def forward(layers, x):
    """Layers one after another, as each alone would do it: x -> y and the list of their caches."""
    caches, before = [], None
    while len(caches) < len(layers):
        layer, *behind = layers[len(caches) :]
        if is_plain(layer, (Conv2d,)):
            x, some = _convolved(layer, behind, x)
            caches += some
        elif behind and _is_norm_and_relu(layer, behind[0]):
            x, both = _norm_and_relu(layer, x)
            caches += both
        elif before is not None and is_fresh(before) and is_plain(layer, (ReLU,)):
            x = rectify(x)
            caches.append(layer.keep(x))
        else:
            x, cache = layer.forward(x)
            caches.append(cache)
        before = layers[len(caches) - 1]
    return x, caches


def backward(layers, dy, cache):
    """Mirror of forward, last layer first."""
    layers, caches = list(layers), reversed(cache)
    while layers:
        layer, c_layer = layers.pop(), next(caches)
        if layers and _is_norm_and_relu(layers[-1], layer):
            dy = _norm_and_relu_backward(layers.pop(), dy, (next(caches), c_layer))
        else:
            dy = layer.backward(dy, c_layer)
    return dy


def is_plain(layer, kinds):
    """Whether it is just such a layer, and nobody has put another forward in front of it, to watch it or to time it."""
    return type(layer) in kinds and "forward" not in vars(layer)


def is_fresh(layer):
    """Whether what this layer returns is new, and in no cache: whoever called it may write into it.

    A Sequential (known by its `layers`) is as fresh as its last layer.
    """
    while hasattr(layer, "layers") and layer.layers and "forward" not in vars(layer):
        layer = layer.layers[-1]
    return is_plain(layer, FRESH)


def rectify(x):
    """max(x, 0) in the memory of x, which must be the caller's own: x (..., W, C) -> (..., W, C)."""
    xp = array_module(x)
    zero = np.zeros(x.shape[-2:], x.dtype) if xp is np else 0  # NumPy compares rows faster than single numbers
    return xp.maximum(x, zero, out=x)


def add(a, b, *, own):
    """a + b, in the memory of a when that is the caller's own."""
    return array_module(a).add(a, b, out=a) if own else a + b


def add_relu(relu, a, b, *, own):
    """The ReLU of a + b, in the memory of a when that is the caller's own: -> y and the cache of the ReLU."""
    total = add(a, b, own=own)
    if not is_plain(relu, (ReLU,)):
        return relu.forward(total)
    y = rectify(total)
    return y, relu.keep(y)


# ---------------------------------------------------------------- sums


@register_kernel("ResidualBlock.forward", module=everywhere)
def residual_block(block, x):
    """Fast twin of ResidualBlock.forward: the sum of branch and shortcut is rectified where it stands."""
    if _ends_fixed(block):
        *before, last, norm = block.branch.layers
        s, _ = block.downsample.forward(x)
        y, _ = _convolved(last, [norm, block.relu], forward(before, x)[0], added=s)
        return y, None
    h, c_branch = block.branch.forward(x)
    s, c_shortcut = block.downsample.forward(x)
    y, c_relu = add_relu(block.relu, h, s, own=is_fresh(block.branch))
    return y, block.keep((c_branch, c_shortcut, c_relu))


def _ends_fixed(block):
    """Whether nothing is kept, and the branch's last convolution may add up and rectify, too."""
    if block.training or not is_plain(block.branch, (Sequential,)) or not is_plain(block.relu, (ReLU,)):
        return False
    last, norm = block.branch.layers[-2:]
    return is_plain(last, (Conv2d,)) and _is_fixed(last, norm)


@register_kernel("FPN.forward", module=everywhere)
def pyramid_network(fpn, features):
    """Fast twin of FPN.forward: a sum is stored once, and inference lets go of each level when it was used."""
    merged, c_inner, c_up, top = [], [], [], None
    for layer, x in zip(reversed(fpn.inner_blocks), reversed(features), strict=True):
        if merged:
            top, c = resize.upsample_nearest2d_forward(merged[0], size=x.shape[1:3])
            c_up.insert(0, c)
        y, c = _forward_plus(layer, x, top)
        merged.insert(0, y)
        c_inner.insert(0, c)

    del top, y  # in inference the largest map goes as soon as its layer is done
    pyramid, c_layer = _each(fpn.layer_blocks, (merged.pop(0) for _ in range(len(merged))))
    return [*pyramid, pyramid[-1][:, ::2, ::2].copy()], fpn.keep((c_inner, c_up, c_layer))


def _forward_plus(layer, x, added):
    """layer.forward(x) plus an array of our own, or None: in one go behind a convolution and a norm that rests."""
    if added is not None and is_plain(layer, (Sequential,)) and is_plain(layer.layers[0], (Conv2d,)):
        conv, *behind = layer.layers
        if not behind or (len(behind) == 1 and _is_fixed(conv, behind[0])):
            y, caches = _convolved(conv, behind, x, added=added)
            return y, layer.keep(caches)
    y, cache = layer.forward(x)
    return y if added is None else add(added, y, own=True), cache


def _each(layers, inputs):
    outputs, caches = zip(*(layer.forward(x) for layer, x in zip(layers, inputs, strict=True)))
    return list(outputs), caches


# ---------------------------------------------------------------- a convolution and what follows it


def _convolved(layer, behind, x, **data):
    """A convolution, a norm by stored statistics and a ReLU, as far as these stand behind it: y and their caches.

    added (N, HO, WO, O): what is added before the ReLU
    """
    bias = None if layer.bias is None else layer.bias.value
    layers, behind = [layer], list(behind)
    if behind and _is_fixed(layer, behind[0]):
        layers.append(behind.pop(0))
        data["scale"], shift = _scale_and_shift(layers[-1])
        bias = shift if bias is None else shift + bias * data["scale"]
    if behind and is_plain(behind[0], (ReLU,)):
        layers.append(behind.pop(0))
        data["rectified"] = True
    y, cache = convolution(x, layer.weight.value, bias, **data, **layer.options)
    return y, [layer.keep(cache), *(part.keep(y) for part in layers[1:])]  # a norm keeps nothing: it rests


def _is_fixed(layer, norm):
    return is_plain(norm, NORMS) and not (layer.training or norm.training)


@has_kernel
def convolution(x, weight, bias, *, scale=None, added=None, rectified=False, **options):
    """The ReLU of a convolution times scale (O,), plus bias (O,) and added (N, HO, WO, O): y, conv2d's own cache."""
    pixels = x.shape[0] * x.shape[1] * x.shape[2]
    if scale is None:
        y, cache = conv.conv2d_forward(x, weight, bias, **options)
    elif pixels >= PIXELS_PER_ROW * (weight.size // weight.shape[3]):
        y, cache = conv.conv2d_forward(x, weight * scale, bias, **options)
    else:
        y, cache = conv.conv2d_forward(x, weight, None, **options)
        y *= scale
        y += bias
    if added is not None:
        y += added
    return rectify(y) if rectified else y, cache


def _scale_and_shift(norm):
    """What a norm with stored statistics does to each channel: y * scale + shift."""
    xp = array_module(norm.weight.value)
    scale = norm.weight.value / xp.sqrt(norm.running_var.value + norm.eps)
    return scale, norm.bias.value - norm.running_mean.value * scale


# ---------------------------------------------------------------- batch norm and ReLU


def _is_norm_and_relu(norm_layer, relu):
    plain = is_plain(norm_layer, (BatchNorm2d,)) and is_plain(relu, (ReLU,))
    return plain and norm_layer.training and relu.training


def _norm_and_relu(layer, x):
    """relu(norm(x)) and both caches, each as its layer alone would have kept it."""
    statistics = {"running_mean": layer.running_mean.value, "running_var": layer.running_var.value}
    y, caches = more_norms.batch_norm2d_relu_forward(
        x, layer.weight.value, layer.bias.value, **statistics, momentum=layer.momentum, eps=layer.eps
    )
    return y, list(caches)


def _norm_and_relu_backward(layer, dy, caches):
    dx, dweight, dbias = more_norms.batch_norm2d_relu_backward(dy, caches)
    layer.weight.grad += dweight
    layer.bias.grad += dbias
    return dx
