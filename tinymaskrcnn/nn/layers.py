"""Layers: each owns the parameters of one operator and hands the operator's cache through."""

from ..ops import activation, conv, linear, more_norms, norm
from .init import kaiming_normal, ones, zeros
from .module import Buffer, Module, Parameter


class Conv2d(Module):
    """Convolution with weight (KH, KW, C/groups, O) and bias (O,)."""

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel,
        *,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        rng,
        init=kaiming_normal,
    ):
        self.weight = Parameter(init((kernel, kernel, in_channels // groups, out_channels), rng=rng))
        self.bias = Parameter(zeros(out_channels), decay=False) if bias else None
        self.options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

    def forward(self, x):
        bias = self.bias.value if self.bias is not None else None
        y, cache = conv.conv2d_forward(x, self.weight.value, bias, **self.options)
        return y, self.keep(cache)

    def backward(self, dy, cache):
        dx, dweight, dbias = conv.conv2d_backward(dy, cache)
        self.weight.grad += dweight
        if self.bias is not None:
            self.bias.grad += dbias
        return dx


class ConvTranspose2d(Module):
    """Transposed convolution with weight (KH, KW, C, O) and bias (O,)."""

    def __init__(self, in_channels, out_channels, kernel, *, stride=1, padding=0, bias=True, rng, init=kaiming_normal):
        self.weight = Parameter(init((kernel, kernel, in_channels, out_channels), rng=rng))
        self.bias = Parameter(zeros(out_channels), decay=False) if bias else None
        self.options = {"stride": stride, "padding": padding}

    def forward(self, x):
        bias = self.bias.value if self.bias is not None else None
        y, cache = conv.conv_transpose2d_forward(x, self.weight.value, bias, **self.options)
        return y, self.keep(cache)

    def backward(self, dy, cache):
        dx, dweight, dbias = conv.conv_transpose2d_backward(dy, cache)
        self.weight.grad += dweight
        if self.bias is not None:
            self.bias.grad += dbias
        return dx


class Linear(Module):
    """Fully connected layer with weight (C, O) and bias (O,)."""

    def __init__(self, in_features, out_features, *, rng, init=kaiming_normal):
        self.weight = Parameter(init((in_features, out_features), rng=rng))
        self.bias = Parameter(zeros(out_features), decay=False)

    def forward(self, x):
        y, cache = linear.linear_forward(x, self.weight.value, self.bias.value)
        return y, self.keep(cache)

    def backward(self, dy, cache):
        # BEGIN SOLUTION hw01.linear_layer_backward
        dx, dweight, dbias = linear.linear_backward(dy, cache)
        self.weight.grad += dweight
        self.bias.grad += dbias
        return dx
        # END SOLUTION


class BatchNorm2d(Module):
    """Batch normalisation; in eval mode the running statistics stand in for those of the batch."""

    def __init__(self, channels, *, momentum=0.1, eps=1e-5):
        self.weight = Parameter(ones(channels), decay=False)
        self.bias = Parameter(zeros(channels), decay=False)
        self.running_mean = Buffer(zeros(channels))
        self.running_var = Buffer(ones(channels))
        self.momentum = momentum
        self.eps = eps

    def forward(self, x):
        weight, bias = self.weight.value, self.bias.value
        mean, var = self.running_mean.value, self.running_var.value
        if not self.training:
            y, _ = more_norms.frozen_batch_norm2d_forward(x, weight, bias, mean=mean, var=var, eps=self.eps)
            return y, None
        # The one exception to "forward changes nothing": the running statistics follow the batches.
        settings = {"momentum": self.momentum, "eps": self.eps}
        return norm.batch_norm2d_forward(x, weight, bias, running_mean=mean, running_var=var, **settings)

    def backward(self, dy, cache):
        dx, dweight, dbias = norm.batch_norm2d_backward(dy, cache)
        self.weight.grad += dweight
        self.bias.grad += dbias
        return dx


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x):
        y, cache = activation.relu_forward(x)
        return y, self.keep(cache)

    def backward(self, dy, cache):
        return activation.relu_backward(dy, cache)


class Flatten(Module):
    """(K, H, W, C) -> (K, H*W*C)."""

    def forward(self, x):
        k, h, w, c = x.shape
        return x.reshape(k, h * w * c), self.keep(x.shape)

    def backward(self, dy, cache):
        return dy.reshape(cache)
